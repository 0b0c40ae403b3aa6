use promoter_api::promotion::DesiredState;
use promoter_domain::verdict::SubjectKind;

use super::*;

fn web(cluster: &'static str) -> Subject<'static> {
    Subject {
        cluster,
        kind: SubjectKind::Deployment,
        name: "web",
        namespace: "shop",
    }
}

/// An index that knows one promoted workload of member1.
fn listed(clusters: &[String]) -> Index {
    let index = Index::new(clusters);
    let mut state = index.write();
    let record = Record {
        clusters: vec!["member1".to_owned()],
        deleting: false,
        desired: DesiredState::Promoted,
        released: false,
    };
    state.promotions.put(key("shop", "web"), record);
    state.promotions.end();
    state.templates.put(key("shop", "web"), ());
    state.templates.end();
    let work = work_name("Deployment", "web", "shop");
    for works in &mut state.works {
        works.end();
    }
    if let Some(works) = state.works.last_mut() {
        works.put(key("karmada-es-member1", &work), ());
    }
    drop(state);
    index
}

#[test]
fn nothing_is_known_before_everything_was_listed() {
    let index = Index::new(&["member1".to_owned(), "member2".to_owned()]);
    index.write().promotions.end();
    index.write().templates.end();
    index.write().works[0].end();
    assert!(!index.is_listed() && index.known().is_none());
    assert_eq!(
        index.counts().map(|count| count.listed),
        [true, true, false]
    );
    index.write().works[1].end();
    assert!(index.is_listed() && index.known().is_some());
}

#[test]
fn what_there_is_under_a_name_is_found_by_cluster() {
    for clusters in [vec![], vec!["member2".to_owned(), "member1".to_owned()]] {
        let index = listed(&clusters);
        let known = index.known().unwrap();
        let here = known.existing(&web("member1"));
        assert!(here.federated && here.template);
        assert!(here.promotion.unwrap().is_from("member1"));
        let elsewhere = known.existing(&web("member2"));
        assert!(!elsewhere.federated && elsewhere.template);
        let other = known.existing(&Subject {
            namespace: "shop-web",
            name: "web",
            ..web("member1")
        });
        assert!(!other.federated && !other.template && other.promotion.is_none());
        assert_eq!(index.counts().map(|count| count.entries), [1, 1, 1]);
    }
}
