use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::*;
use crate::{
    contents::Foreign,
    issue::{self, AUTHORITY_LIFE, CERTIFICATE_LIFE},
};

const RENEW: Step = Step::Renew(Signer::Newest);

fn names() -> Vec<String> {
    vec!["webhook.promoter.svc".to_owned()]
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

fn new() -> Contents {
    issue::begin(&names(), start()).unwrap()
}

fn at(contents: &Contents, now: Timestamp) -> Step {
    decide(contents, &names(), Told::All, now)
}

/// Does what is decided.
fn done(contents: &Contents, now: Timestamp) -> Contents {
    done_where(contents, Told::All, now)
}

fn done_where(contents: &Contents, told: Told, now: Timestamp) -> Contents {
    match decide(contents, &names(), told, now) {
        Step::AddAuthority => issue::add_authority(contents, now).unwrap(),
        Step::Begin => issue::begin(&names(), now).unwrap(),
        Step::Renew(by) => issue::renew(contents, by, &names(), now).unwrap(),
        Step::Retire => contents.with_newest_only(),
        Step::Keep | Step::WaitForBundle => contents.clone(),
    }
}

fn secret(data: &Value) -> Value {
    let labels = json!({"promote.karmada.io/certificate": "self-managed"});
    json!({"metadata": {"labels": labels}, "data": data})
}

#[test]
fn where_there_is_nothing_everything_is_made_once() {
    assert_eq!(at(&Contents::default(), start()), Step::Begin);
    assert_eq!(
        at(&Contents::of(&secret(&Value::Null)).unwrap(), start()),
        Step::Begin
    );
    let contents = new();
    for (told, after) in [
        (Told::NotYet, days(0)),
        (Told::All, days(0)),
        (Told::ByPeople, days(0)),
        (Told::NotYet, days(59)),
    ] {
        let step = decide(&contents, &names(), told, start() + after);
        assert_eq!(step, Step::Keep, "{after:?}");
    }
}

#[test]
fn what_was_made_is_what_api_servers_check() {
    let contents = new();
    let usable = contents.usable(&names(), start()).unwrap();
    assert!(usable.by_newest);
    let (certificate, now) = (usable.certificate, start());
    assert_eq!(certificate.names, names());
    assert_eq!(certificate.not_after, now + CERTIFICATE_LIFE);
    assert_eq!(certificate.not_before, now - BACKDATED);
    assert!(!certificate.is_authority);
    let authority = contents.signer(Signer::Newest, now).unwrap();
    assert_eq!(authority.not_after, now + AUTHORITY_LIFE);
    assert!(authority.is_authority);
    let key = contents.certified_key().unwrap();
    assert_eq!(key.key.algorithm(), rustls::SignatureAlgorithm::ECDSA);
}

#[test]
fn the_secret_gives_back_what_it_was_given() {
    let contents = new();
    let read = Contents::of(&secret(&contents.data())).unwrap();
    assert!(read == contents);
}

#[test]
fn a_certificate_is_renewed_after_two_thirds_of_its_life() {
    let contents = new();
    for (after, step) in [
        (days(59), Step::Keep),
        (days(60), RENEW),
        (days(89), RENEW),
        (days(91), RENEW),
    ] {
        assert_eq!(at(&contents, start() + after), step, "{after:?}");
        let unpublished = decide(&contents, &names(), Told::NotYet, start() + after);
        assert_eq!(unpublished, step, "the authority is no other: {after:?}");
    }
    let now = start() + days(60);
    let renewed = done(&contents, now);
    assert_eq!(at(&renewed, now), Step::Keep);
    assert_eq!(renewed.authorities, contents.authorities);
    assert_ne!(renewed.certificate, contents.certificate);
    assert!(renewed.key != contents.key, "the key is the same");
}

#[test]
fn an_authority_is_changed_with_both_believed_and_the_new_one_told_first() {
    // The certificate was renewed all the time.
    let now = start() + days(2433);
    let old = issue::renew(&new(), Signer::Newest, &names(), now).unwrap();
    assert_eq!(at(&old, now), Step::Keep);

    let now = now + days(1);
    assert_eq!(at(&old, now), Step::AddAuthority);
    let both = done(&old, now);
    assert_eq!(both.authorities(now).len(), 2);
    assert_eq!(both.certificate, old.certificate);
    let untold = decide(&both, &names(), Told::NotYet, now);
    assert_eq!(untold, Step::WaitForBundle);
    assert_eq!(at(&both, now), RENEW);

    let renewed = done(&both, now);
    assert!(renewed.usable(&names(), now).unwrap().by_newest);
    assert_eq!(renewed.authorities(now).len(), 2);
    assert_eq!(at(&renewed, now + days(1) - BACKDATED), Step::Keep);
    assert!(!is_settled(&renewed, &names(), now));

    let now = now + days(1);
    assert_eq!(at(&renewed, now), Step::Retire);
    let settled = done(&renewed, now);
    assert_eq!(settled.authorities(now), renewed.authorities(now)[..1]);
    assert!(is_settled(&settled, &names(), now));
    assert_eq!(at(&settled, now), Step::Keep);
    settled.usable(&names(), now).unwrap();
}

/// Beside the hub, nobody knows whether members have been told.
#[test]
fn where_people_tell_of_authorities_the_old_one_signs_until_it_ends() {
    let end = start() + AUTHORITY_LIFE;
    let mut contents = new();
    let old = contents.signer(Signer::Newest, start()).unwrap();
    let (mut now, mut told_until, mut signed) = (start(), None, 0);
    while now < end - HANDOVER {
        contents = done_where(&contents, Told::ByPeople, now);
        let usable = contents.usable(&names(), now).unwrap();
        assert_eq!(usable.authority, old, "{now}");
        assert!(usable.certificate.not_after <= end, "{now}");
        signed += usize::from(usable.certificate.not_before == now - BACKDATED);
        told_until = untold(&contents, &names(), now);
        // From two thirds of its life on, there is another, of which people are reminded.
        let has_both = now >= old.due() + days(1);
        assert!(told_until.is_some() || !has_both, "{now}");
        assert_eq!(contents.authorities(now).len() == 2, told_until.is_some());
        now += days(5);
    }
    assert_eq!(told_until, Some(end - HANDOVER));
    assert!(signed > 50, "it was renewed {signed} times only");

    // Then the new one signs, once.
    let renewed = done_where(&contents, Told::ByPeople, now);
    let usable = renewed.usable(&names(), now).unwrap();
    assert!(usable.by_newest);
    assert_ne!(usable.authority, old);
    assert_eq!(untold(&renewed, &names(), now), None);
    let step = decide(&renewed, &names(), Told::ByPeople, now);
    assert_eq!(step, Step::Keep);
    let retired = done_where(&renewed, Told::ByPeople, now + days(1));
    assert_eq!(retired.authorities(now).len(), 1);
    assert_eq!(retired.key_of(&old), None);
    assert!(retired.key_of(&usable.authority).is_some());
}

#[test]
fn where_people_tell_of_authorities_names_and_keys_are_changed_by_the_old_one() {
    let now = start() + days(2500);
    let old = issue::renew(&new(), Signer::Newest, &names(), now).unwrap();
    let both = done_where(&old, Told::ByPeople, now);
    assert_eq!(both.authorities(now).len(), 2);
    let names = vec![names().remove(0), "promoter.example".to_owned()];
    let step = decide(&both, &names, Told::ByPeople, now);
    assert_eq!(step, Step::Renew(Signer::Oldest));
    let renewed = issue::renew(&both, Signer::Oldest, &names, now).unwrap();
    assert!(!renewed.usable(&names, now).unwrap().by_newest);
    assert_eq!(decide(&renewed, &names, Told::ByPeople, now), Step::Keep);

    // Where the old one's key is gone, as versions before had it, its last certificate is used as
    // long as it is good.
    let newest = both.signer(Signer::Newest, now).unwrap();
    let without = Contents {
        authority_keys: both.key_of(&newest).unwrap().to_owned(),
        ..both
    };
    let names = self::names();
    let at = |after| decide(&without, &names, Told::ByPeople, now + after);
    assert_eq!(at(days(59)), Step::Keep);
    assert_ne!(at(days(60)), Step::Keep);
    let renewed = done_where(&without, Told::ByPeople, now + days(60));
    let usable = renewed.usable(&names, now + days(60)).unwrap();
    assert!(usable.by_newest);
    let until = untold(&without, &names, now);
    assert_eq!(
        until.map(|until| until.duration_since(now).as_hours() / 24),
        Some(59)
    );
}

#[test]
fn what_has_expired_is_made_anew_at_once() {
    let contents = new();
    let now = start() + AUTHORITY_LIFE;
    assert_eq!(decide(&contents, &names(), Told::NotYet, now), Step::Begin);
    let anew = done(&contents, now);
    assert_eq!(at(&anew, now), Step::Keep);
    assert_eq!(anew.authorities(now).len(), 1);
}

#[test]
fn a_certificate_for_other_names_is_no_use() {
    let contents = new();
    let names = vec![names().remove(0), "another.promoter.svc".to_owned()];
    assert_eq!(decide(&contents, &names, Told::NotYet, start()), RENEW);
    let renewed = issue::renew(&contents, Signer::Newest, &names, start()).unwrap();
    assert_eq!(decide(&renewed, &names, Told::NotYet, start()), Step::Keep);
    // Fewer names are no reason to make another.
    assert_eq!(at(&renewed, start()), Step::Keep);
}

#[test]
fn a_certificate_is_for_addresses_too_and_for_names_however_they_are_written() {
    for name in [
        "10.0.0.5",
        "2001:DB8:0::5",
        "::ffff:10.0.0.5",
        "Webhook.Example",
    ] {
        let names = [names().remove(0), name.to_owned()];
        let contents = issue::begin(&names, start()).unwrap();
        let step = decide(&contents, &names, Told::All, start());
        assert_eq!(step, Step::Keep, "{name}");
        assert_eq!(at(&contents, start()), Step::Keep, "{name}");
        assert_eq!(decide(&new(), &names, Told::All, start()), RENEW, "{name}");
    }
    let contents = issue::begin(&["10.0.0.5".to_owned()], start()).unwrap();
    let other = ["10.0.0.6".to_owned()];
    assert_eq!(decide(&contents, &other, Told::All, start()), RENEW);
}

#[test]
fn what_is_only_half_there_is_mended() {
    let whole = new();
    let other = new();
    let cut = |text: &str| text[..text.len() / 2].to_owned();
    let none = String::new();
    for (what, broken, step) in [
        (
            "no key",
            Contents {
                key: none.clone(),
                ..whole.clone()
            },
            RENEW,
        ),
        (
            "half a key",
            Contents {
                key: cut(&whole.key),
                ..whole.clone()
            },
            RENEW,
        ),
        (
            "another's key",
            Contents {
                key: other.key.clone(),
                ..whole.clone()
            },
            RENEW,
        ),
        (
            "half a certificate",
            Contents {
                certificate: cut(&whole.certificate),
                ..whole.clone()
            },
            RENEW,
        ),
        (
            "another's certificate",
            Contents {
                certificate: other.certificate.clone(),
                key: other.key.clone(),
                ..whole.clone()
            },
            RENEW,
        ),
        (
            "a key for a certificate",
            Contents {
                certificate: whole.key.clone(),
                ..whole.clone()
            },
            RENEW,
        ),
        (
            "no authority's key",
            Contents {
                authority_keys: none.clone(),
                ..whole.clone()
            },
            Step::AddAuthority,
        ),
        (
            "another authority's key",
            Contents {
                authority_keys: other.authority_keys,
                ..whole.clone()
            },
            Step::AddAuthority,
        ),
        (
            "no authority",
            Contents {
                authorities: none,
                ..whole.clone()
            },
            Step::Begin,
        ),
        (
            "half an authority",
            Contents {
                authorities: cut(&whole.authorities),
                ..whole.clone()
            },
            Step::Begin,
        ),
        (
            "a certificate for an authority",
            Contents {
                authorities: whole.certificate.clone(),
                authority_keys: whole.key.clone(),
                ..whole.clone()
            },
            Step::Begin,
        ),
        (
            "only a key",
            Contents {
                key: whole.key.clone(),
                ..Contents::default()
            },
            Step::Begin,
        ),
    ] {
        assert_eq!(at(&broken, start()), step, "{what}");
        let mut mended = broken;
        for _ in 0..3 {
            mended = done(&mended, start());
        }
        assert_eq!(at(&mended, start()), Step::Keep, "{what}");
        mended.usable(&names(), start()).unwrap();
    }
}

#[test]
fn what_a_secret_has_that_is_no_text_counts_as_nothing() {
    let whole = new();
    for wrong in [
        json!("!"),
        json!(BASE64_STANDARD.encode([0xff, 0xfe])),
        json!(7),
    ] {
        let mut data = whole.data();
        data["tls.key"] = wrong;
        let read = Contents::of(&secret(&data)).unwrap();
        assert_eq!(at(&read, start()), RENEW);
    }
}

#[test]
fn a_secret_of_somebody_else_is_left_alone() {
    let data = new().data();
    for labels in [
        json!({}),
        json!({"promote.karmada.io/certificate": "mine"}),
        json!(null),
    ] {
        let secret = json!({"metadata": {"labels": labels}, "data": data});
        assert!(Contents::of(&secret) == Err(Foreign));
    }
    let told = Foreign.to_string();
    assert!(
        told.contains("promote.karmada.io/certificate=self-managed"),
        "{told}"
    );
}

#[test]
fn a_clock_that_is_behind_changes_nothing() {
    let contents = new();
    let before = start() - days(400);
    assert_eq!(at(&contents, before), Step::Keep);
    let begins = begins_later(&contents, &names(), before);
    assert_eq!(begins, Some(start() - BACKDATED));
    assert_eq!(begins_later(&contents, &names(), start()), None);
    // A little is nobody's fault.
    let little = start() - SignedDuration::from_mins(30);
    assert_eq!(begins_later(&contents, &names(), little), None);
}
