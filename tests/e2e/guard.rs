//! What people change in a member while Karmada takes a workload over is never undone, where the
//! member is guarded; where it is not, it is found out and repaired.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use promoter_api::promotion::Phase;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    rollback::REHEARSALS_ONLY,
    support::{
        Before, Kind, LIMIT, Recording, Rules, Scene, Workload, fleet, kubectl_promote, marks,
        sample, until_running,
    },
};

const GUARD: &str = "promote.karmada.io/guard";
const OLD: &str = "registry.example/shop/web:1.0";
const NEW: &str = "registry.example/shop/web:2.0";
const POLICIES: [&str; 2] = [
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];
/// So many at a time: they are to meet Karmada while it is busy.
const AT_A_TIME: usize = 4;

/// So long after something was seen.
#[derive(Clone, Copy, Debug)]
struct Moment {
    after: Duration,
    sight: Sight,
}

/// What can be seen of a promotion on its way.
#[derive(Clone, Copy, Debug)]
enum Sight {
    /// The workload bears the guard's mark.
    Marked,
    /// The Promotion has come to a phase.
    Phase(Phase),
    /// The workload's policy lets Karmada dispatch.
    Resumed,
    /// The workload's policy is as it is for good.
    Settled,
    /// Karmada has written to the workload in the member.
    TakenOver,
}

impl Sight {
    /// Whether Karmada may write by then, so that an edit has to be carried.
    const fn is_after_commit(self) -> bool {
        match self {
            Self::Marked | Self::Phase(Phase::Staging) => false,
            Self::Phase(_) | Self::Resumed | Self::Settled | Self::TakenOver => true,
        }
    }
}

#[tokio::test]
async fn an_image_that_is_changed_around_the_commit_is_never_put_back() -> Result<()> {
    let scene = Scene::new("guarded-edits").await?;
    // From the rehearsal to the end of settling.
    let all = moments([
        (Sight::Phase(Phase::Staging), 4, 300),
        (Sight::Marked, 8, 15),
        (Sight::Resumed, 14, 15),
        (Sight::TakenOver, 8, 20),
        (Sight::Phase(Phase::Verifying), 4, 15),
        (Sight::Phase(Phase::Settling), 4, 30),
        (Sight::Settled, 8, 15),
    ]);
    let moments = sample::draw(all, 12);
    let mut in_time = 0;
    // No watch goes on for ever.
    for (index, moments) in moments.chunks(12).enumerate() {
        let first = 12 * index;
        let deployments = Recording::start(scene.member("member1"), &Kind::deployment()).await?;
        edit_at(&scene, "member1", first, moments).await?;
        let seen = deployments.objects()?;
        for (index, moment) in moments.iter().enumerate() {
            let name = name(first + index);
            let told = || format!("{name}, edited at {moment:?}");
            let history = history(&seen, &scene, &name);
            if is_after_the_end(&history) {
                println!("{} came too late", told());
                continue;
            }
            in_time += 1;
            assert_never_put_back(&history).with_context(told)?;
            let carried = assert_edit_won(&scene, "member1", &name)
                .await
                .with_context(told)?;
            ensure!(carried || !moment.sight.is_after_commit(), "{}", told());
        }
    }
    println!("{in_time} of {} edits were made in time", moments.len());
    ensure!(
        in_time * 3 >= moments.len() * 2,
        "too few were made in time: {in_time}"
    );
    Ok(())
}

#[tokio::test]
async fn without_a_guard_a_late_edit_is_found_out_and_repaired() -> Result<()> {
    let scene = Scene::new("unguarded-edits").await?;
    let all = moments([(Sight::Resumed, 14, 15), (Sight::TakenOver, 6, 15)]);
    let moments = sample::draw(all, 6);

    edit_at(&scene, "member2", 0, &moments).await?;

    for (index, moment) in moments.iter().enumerate() {
        let name = name(index);
        let told = || format!("{name}, edited at {moment:?}");
        let carried = assert_edit_won(&scene, "member2", &name)
            .await
            .with_context(told)?;
        ensure!(carried, "{}", told());
    }
    Ok(())
}

#[tokio::test]
async fn a_promotion_says_whether_it_was_guarded() -> Result<()> {
    let scene = Scene::new("guarded").await?;
    for (member, status, reason, words) in [
        ("member1", "True", "GuardInstalled", "member1 refuses"),
        (
            "member2",
            "False",
            "GuardNotInstalled",
            "`kubectl promote member enable member2`",
        ),
    ] {
        Workload::new(member).deploy(&scene, member).await?;
        let before = Before::take(&scene, member, member).await?;
        let promotion = scene.promoted(member, member).await?;
        let guarded = condition(&promotion, "Guarded");
        ensure!(
            guarded["status"] == status && guarded["reason"] == reason,
            "{guarded}"
        );
        let message = guarded["message"].as_str().unwrap_or_default();
        ensure!(message.contains(words), "{message}");
        ensure!(condition(&promotion, "Promoted")["reason"] == "Verified");
        before.assert_untouched().await?;
        assert_unmarked(&scene, member, member).await?;
        scene.released(member).await?;
        before.assert_untouched().await?;
        assert_unmarked(&scene, member, member).await?;
    }
    Ok(())
}

#[tokio::test]
async fn replicas_that_are_changed_during_the_commit_stay() -> Result<()> {
    let scene = Scene::new("guarded-scale").await?;
    let deployments = Kind::deployment();
    Workload::new("web").deploy(&scene, "member1").await?;
    scene.promote("web", "member1").await?;
    until_sight(&scene, "member1", "web", Sight::Phase(Phase::Committing)).await?;

    let words = ["scale", "deployment", "web", "--replicas=5"];
    scene.kubectl("member1", &words).await?;

    scene.until_phase("web", Phase::Promoted).await?;
    assert_scaled(&scene, 5).await?;
    // From now on the control plane decides, where nothing scales it.
    let patch = json!({"spec": {"replicas": 3}});
    scene.karmada.patch(&deployments, "web", &patch).await?;
    scene
        .eventually("three replicas are wanted in member1", async || {
            let live = scene.member("member1").get(&deployments, "web").await?;
            ensure!(live["spec"]["replicas"] == 3, "{}", live["spec"]);
            Ok(())
        })
        .await
}

#[tokio::test]
async fn replicas_that_an_autoscaler_changes_during_the_commit_stay() -> Result<()> {
    let scene = Scene::new("guarded-autoscaler").await?;
    let autoscaler = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "maxReplicas": 9,
            "minReplicas": 2,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        },
    });
    Workload::new("web")
        .with(autoscaler)
        .deploy(&scene, "member1")
        .await?;
    // The autoscaler takes its time, so Karmada has to take its time, too.
    let mut held = Rules::refuse_karmada(&scene, "member1", REHEARSALS_ONLY, "not yet").await?;
    scene.promote("web", "member1").await?;
    until_sight(&scene, "member1", "web", Sight::Resumed).await?;

    scaled_by_autoscaler(&scene, 5).await?;
    let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
    let phase = &promotion["status"]["phase"];
    ensure!(phase == "Committing", "it is {phase} by now");
    held.lift().await?;

    scene.until_phase("web", Phase::Promoted).await?;
    assert_scaled(&scene, 5).await?;
    // And it goes on, as the one who decides.
    scaled_by_autoscaler(&scene, 6).await?;
    let patch = json!({"spec": {"minReadySeconds": 1, "replicas": 3}});
    let deployments = Kind::deployment();
    scene.karmada.patch(&deployments, "web", &patch).await?;
    scene
        .eventually("the edit has arrived", async || {
            let live = scene.member("member1").get(&deployments, "web").await?;
            ensure!(live["spec"]["minReadySeconds"] == 1, "{}", live["spec"]);
            Ok(())
        })
        .await?;
    assert_scaled(&scene, 6).await
}

/// Has the autoscaler want so many replicas: with less than its minimum, it scales without metrics.
async fn scaled_by_autoscaler(scene: &Scene, replicas: u32) -> Result<()> {
    let member = scene.member("member1");
    let autoscalers = Kind::new("autoscaling/v2", "HorizontalPodAutoscaler");
    let patch = json!({"spec": {"minReplicas": replicas}});
    member.patch(&autoscalers, "web", &patch).await?;
    let what = format!("the autoscaler wants {replicas} replicas");
    scene
        .eventually(&what, async || {
            let live = member.get(&Kind::deployment(), "web").await?;
            ensure!(live["spec"]["replicas"] == replicas, "{}", live["spec"]);
            Ok(())
        })
        .await
}

/// Fails unless so many replicas of the workload run, all of them of its only ReplicaSet.
async fn assert_scaled(scene: &Scene, replicas: u32) -> Result<()> {
    until_running(scene, "member1", "web").await?;
    let member = scene.member("member1");
    let live = member.get(&Kind::deployment(), "web").await?;
    ensure!(live["spec"]["replicas"] == replicas, "{}", live["spec"]);
    let count = replica_sets(scene, "member1", "web").await?.len();
    ensure!(count == 1, "there are {count} ReplicaSets");
    assert_unmarked(scene, "member1", "web").await
}

#[tokio::test]
async fn an_edit_that_needs_more_than_was_staged_is_planned_anew() -> Result<()> {
    let scene = Scene::new("guarded-needs").await?;
    let settings = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "more"},
        "data": {"MORE": "more"},
    });
    Workload::typical("web")
        .with(settings)
        .deploy(&scene, "member1")
        .await?;
    let deployments = Recording::start(scene.member("member1"), &Kind::deployment()).await?;
    scene.promote("web", "member1").await?;
    until_sight(&scene, "member1", "web", Sight::Marked).await?;

    let source = json!({"configMapRef": {"name": "more"}});
    let sources = "/spec/template/spec/containers/0/envFrom/-";
    let patch = json!([
        {"op": "add", "path": sources, "value": source},
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": NEW},
    ]);
    let patch = patch.to_string();
    let words = [
        "patch",
        "deployment",
        "web",
        "--type=json",
        "--patch",
        &patch,
    ];
    scene.kubectl("member1", &words).await?;

    let what = "the workload is promoted with what it needs now";
    scene
        .eventually(what, async || {
            let promotion = scene.until_phase("web", Phase::Promoted).await?;
            let dependencies = promotion["status"]["dependencies"].as_array();
            let count = dependencies.map_or(0, Vec::len);
            ensure!(count == 3, "{}", promotion["status"]["dependencies"]);
            Ok(())
        })
        .await?;
    scene.karmada.get(&Kind::config_map(), "more").await?;
    let seen = deployments.objects()?;
    assert_never_put_back(&history(&seen, &scene, "web"))?;
    assert_edit_won(&scene, "member1", "web").await?;
    Ok(())
}

#[tokio::test]
async fn an_edit_that_is_made_during_a_release_stays() -> Result<()> {
    let scene = Scene::new("guarded-release").await?;
    for name in ["before", "later"] {
        Workload::typical(name).deploy(&scene, "member1").await?;
        scene.promoted(name, "member1").await?;
    }
    let deployments = Recording::start(scene.member("member1"), &Kind::deployment()).await?;

    for name in ["before", "later"] {
        scene.release(name).await?;
        until_sight(&scene, "member1", name, Sight::Marked).await?;
        if name == "later" {
            let (karmada, kind) = (&scene.karmada, Kind::deployment());
            scene.until_gone(karmada, &kind, name).await?;
        }
        set_image(&scene, "member1", name).await?;
    }

    for name in ["before", "later"] {
        scene.until_phase(name, Phase::Released).await?;
        until_running(&scene, "member1", name).await?;
        let seen = deployments.objects()?;
        assert_never_put_back(&history(&seen, &scene, name)).with_context(|| name)?;
        let count = replica_sets(&scene, "member1", name).await?.len();
        ensure!(count == 2, "{name} has {count} ReplicaSets");
    }
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(&scene, "member1").await
}

#[tokio::test]
async fn a_template_that_is_edited_under_the_guard_is_planned_anew() -> Result<()> {
    let scene = Scene::new("guarded-template").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    scene.promote("web", "member1").await?;
    until_sight(&scene, "member1", "web", Sight::Marked).await?;
    let image =
        json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": NEW}]);
    let image = image.to_string();
    let words = [
        "patch",
        "deployment",
        "web",
        "--type=json",
        "--patch",
        &image,
    ];

    scene.kubectl("karmada", &words).await?;

    scene.until_phase("web", Phase::Promoted).await?;
    let template = scene.karmada.get(&Kind::deployment(), "web").await?;
    assert_unmarked(&scene, "member1", "web").await?;
    // Either it was rolled back, or it came when the workload was verified, and is rolled out.
    if self::image(&template) == OLD {
        return before.assert_untouched().await;
    }
    scene
        .eventually("the edit is rolled out", async || {
            let live = scene
                .member("member1")
                .get(&Kind::deployment(), "web")
                .await?;
            ensure!(self::image(&live) == NEW, "{}", live["spec"]);
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_guard_is_enabled_and_disabled_and_outlives_a_killed_promoter() -> Result<()> {
    let fleet = fleet::rough(&[]).await?;
    let scene = Scene::on(fleet.clone(), "member-guard").await?;
    let member = scene.member("member1");
    let enable = ["member", "enable", "member1"];

    let printed = kubectl_promote(&scene, &[&enable[..], &["-o", "yaml"]].concat()).await?;
    printed.assert_output(0, &POLICIES)?;
    assert_no_guard(&scene).await?;

    for _ in 0..2 {
        let answer = kubectl_promote(&scene, &enable).await?;
        let user = "system:serviceaccount:karmada-cluster:karmada-member1";
        answer.assert_output(
            0,
            &["applied", "member1 is guarded", user, "pins who opts in"],
        )?;
    }
    // The installation that is there is the one that is printed.
    let printed = kubectl_promote(&scene, &[&enable[..], &["-o", "yaml"]].concat()).await?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&printed.output)?;
    for document in &documents {
        let name = document["metadata"]["name"].as_str().context("a name")?;
        let installed = member.get(&Kind::of(document), name).await?;
        for part in ["rules", "spec"] {
            assert_eq!(installed[part], document[part], "{name}");
        }
    }
    killed_while_guarded(&scene).await?;

    let disable = ["member", "disable", "member1"];
    let answer = kubectl_promote(&scene, &disable).await?;
    answer.assert_output(0, &["deleted", "deleted"])?;
    let answer = kubectl_promote(&scene, &disable).await?;
    answer.assert_output(0, &["has nothing of the promoter's"])?;
    assert_no_guard(&scene).await?;

    let unknown = ["member", "enable", "nowhere"];
    let answer = kubectl_promote(&scene, &unknown).await?;
    answer.assert_error(1, &["no cluster nowhere", "kubectl get clusters"])
}

/// The promoter dies while the guard is on: people go on working, Karmada undoes nothing, and the
/// promotion is finished once the promoter is back.
async fn killed_while_guarded(scene: &Scene) -> Result<()> {
    let member = scene.member("member1");
    let deployments = Kind::deployment();
    Workload::typical("web").deploy(scene, "member1").await?;
    let history = Recording::start(member, &deployments).await?;
    scene.promote("web", "member1").await?;
    until_sight(scene, "member1", "web", Sight::Marked).await?;
    scene.fleet.kill(fleet::PROMOTER).await?;
    let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
    println!("killed while {}", promotion["status"]["phase"]);

    // People are not blocked.
    set_image(scene, "member1", "web").await?;
    until_running(scene, "member1", "web").await?;
    let words = ["scale", "deployment", "web", "--replicas=3"];
    scene.kubectl("member1", &words).await?;
    until_running(scene, "member1", "web").await?;

    scene.fleet.restart(fleet::PROMOTER).await?;
    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    let seen = history.objects()?;
    assert_never_put_back(&self::history(&seen, scene, "web"))?;
    assert_edit_won(scene, "member1", "web").await?;
    let live = member.get(&deployments, "web").await?;
    ensure!(live["spec"]["replicas"] == 3, "{}", live["spec"]);
    let guarded = condition(&promotion, "Guarded");
    ensure!(guarded["status"] == "True", "{guarded}");
    Ok(())
}

/// Promotes as many workloads as there are moments, and changes the image of each in the member at
/// its moment.
async fn edit_at(scene: &Scene, member: &str, first: usize, moments: &[Moment]) -> Result<()> {
    for index in first..first + moments.len() {
        Workload::typical(&name(index))
            .replicas(1)
            .deploy(scene, member)
            .await?;
    }
    futures::stream::iter(moments.iter().enumerate())
        .map(async |(index, moment)| {
            let name = name(first + index);
            // Prepared beforehand, so that the moment is hit.
            let change = changed_image(scene, member, &name).await?;
            scene.promote(&name, member).await?;
            until_sight(scene, member, &name, moment.sight).await?;
            // The moment itself is what is tried.
            sleep(moment.after).await;
            edit(scene, member, &name, &change).await?;
            scene.until_phase(&name, Phase::Promoted).await?;
            anyhow::Ok(())
        })
        .buffer_unordered(AT_A_TIME)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(())
}

/// Of each sight so many moments, so many milliseconds apart.
fn moments<const N: usize>(spread: [(Sight, u64, u64); N]) -> Vec<Moment> {
    let each = spread.into_iter().flat_map(|(sight, count, step)| {
        (0..count).map(move |index| Moment {
            after: Duration::from_millis(index * step),
            sight,
        })
    });
    each.collect()
}

fn name(index: usize) -> String {
    format!("web-{index}")
}

async fn set_image(scene: &Scene, member: &str, name: &str) -> Result<()> {
    let change = changed_image(scene, member, name).await?;
    edit(scene, member, name, &change).await
}

/// What changes the image of a Deployment.
pub(crate) async fn changed_image(scene: &Scene, member: &str, name: &str) -> Result<Value> {
    let live = scene.member(member).get(&Kind::deployment(), name).await?;
    let mut containers = live["spec"]["template"]["spec"]["containers"].clone();
    containers[0]["image"] = json!(NEW);
    Ok(json!({"spec": {"template": {"spec": {"containers": containers}}}}))
}

pub(crate) async fn edit(scene: &Scene, member: &str, name: &str, change: &Value) -> Result<()> {
    let deployments = Kind::deployment();
    scene
        .member(member)
        .patch(&deployments, name, change)
        .await?;
    Ok(())
}

/// Waits until something can be seen, and notices at once.
async fn until_sight(scene: &Scene, member: &str, name: &str, sight: Sight) -> Result<()> {
    const INTERVAL: Duration = Duration::from_millis(5);

    let seen = async {
        while !is_seen(scene, member, name, sight).await? {
            sleep(INTERVAL).await;
        }
        anyhow::Ok(())
    };
    let what = || format!("{name} does not come to {sight:?}");
    timeout(LIMIT, seen).await.with_context(what)?
}

async fn is_seen(scene: &Scene, member: &str, name: &str, sight: Sight) -> Result<bool> {
    let policy = async || {
        let name = format!("deployment.{name}");
        let policies = Kind::propagation_policy();
        let policy = scene.karmada.find(&policies, &name).await?;
        anyhow::Ok(policy.map(|policy| policy["spec"].clone()))
    };
    let labels = async || {
        let live = scene.member(member).get(&Kind::deployment(), name).await?;
        anyhow::Ok(live["metadata"]["labels"].clone())
    };
    Ok(match sight {
        Sight::Marked => labels().await?[GUARD].is_string(),
        Sight::Phase(phase) => {
            let promotion = scene.karmada.get(&Kind::promotion(), name).await?;
            let phases = promotion["status"]["phases"].as_array();
            let mut names = phases.into_iter().flatten().map(|begun| &begun["phase"]);
            names.any(|begun| *begun == phase.to_string())
        }
        Sight::Resumed => policy()
            .await?
            .is_some_and(|spec| spec["suspension"].is_null()),
        Sight::Settled => policy()
            .await?
            .is_some_and(|spec| spec["conflictResolution"] == "Abort"),
        Sight::TakenOver => labels().await?["karmada.io/managed"] == "true",
    })
}

/// The states that one Deployment of the scene has been in.
fn history<'a>(seen: &'a [Value], scene: &Scene, name: &str) -> Vec<&'a Value> {
    seen.iter()
        .filter(|it| it["metadata"]["namespace"] == scene.namespace.as_str())
        .filter(|it| it["metadata"]["name"] == name)
        .collect()
}

/// Whether the edit came when the guard had been lifted for good, so that it was the edit of a
/// workload that Karmada keeps.
fn is_after_the_end(history: &[&Value]) -> bool {
    let edited = history.iter().position(|state| image(state) == NEW);
    let guarded = history
        .iter()
        .position(|state| state["metadata"]["labels"][GUARD].is_string());
    let (Some(edited), Some(guarded)) = (edited, guarded) else {
        return false;
    };
    let lifted = history[guarded..]
        .iter()
        .position(|state| state["metadata"]["labels"][GUARD].is_null());
    lifted.is_some_and(|lifted| guarded + lifted <= edited)
}

fn assert_never_put_back(history: &[&Value]) -> Result<()> {
    let edited = history.iter().position(|state| image(state) == NEW);
    let edited = edited.context("the edit was not seen")?;
    let back = history[edited..].iter().find(|state| image(state) == OLD);
    if let Some(state) = back {
        anyhow::bail!("the edit was undone: {}", state["metadata"]);
    }
    Ok(())
}

/// Fails unless the edit was kept, and it was told: that it was carried, or, before Karmada was let
/// write, that the workload was planned anew. Returns whether it was carried.
async fn assert_edit_won(scene: &Scene, member: &str, name: &str) -> Result<bool> {
    assert_edit_kept(scene, member, name).await?;
    let promotion = scene.karmada.get(&Kind::promotion(), name).await?;
    let promoted = condition(&promotion, "Promoted");
    ensure!(promoted["status"] == "True", "{promoted}");
    let carried = promoted["reason"] == "LateEdit";
    let (said, word) = if carried {
        ("the edit was carried into the template", "was carried into")
    } else {
        ensure!(promoted["reason"] == "Verified", "{promoted}");
        ("the same pods run as before", "while it was being promoted")
    };
    let message = promoted["message"].as_str().unwrap_or_default();
    ensure!(message.contains(said), "{promoted}");
    let object = format!("Deployment/{name}");
    for (cluster, kind) in [
        (&scene.karmada, "Promotion"),
        (scene.member(member), "Deployment"),
    ] {
        let words = [&object, &scene.namespace, member, word];
        scene
            .until_warned(cluster, kind, name, "LateEdit", &words)
            .await?;
        // What is not so is not said either.
        let events = cluster.list(&Kind::event()).await?;
        let mut notes = events
            .iter()
            .filter(|event| event["regarding"]["name"] == name && event["reason"] == "LateEdit")
            .filter_map(|event| event["note"].as_str());
        let claims = notes.any(|note| note.contains("was carried into"));
        ensure!(claims == carried, "{promoted}, but {events:?}");
    }
    Ok(carried)
}

/// Fails unless the edit is what runs and what the control plane's template says, its ReplicaSet
/// is the only new one, and no mark is left.
pub(crate) async fn assert_edit_kept(scene: &Scene, member: &str, name: &str) -> Result<()> {
    let deployments = Kind::deployment();
    let template = scene.karmada.get(&deployments, name).await?;
    ensure!(
        image(&template) == NEW,
        "the template has {}\n{}",
        image(&template),
        scene.told().await
    );
    scene
        .eventually("Karmada keeps the edit", async || {
            let live = scene.member(member).get(&deployments, name).await?;
            ensure!(image(&live) == NEW, "{}", image(&live));
            Ok(())
        })
        .await?;
    until_running(scene, member, name).await?;
    assert_unmarked(scene, member, name).await?;
    let count = replica_sets(scene, member, name).await?.len();
    ensure!(count == 2, "{name} has {count} ReplicaSets");
    Ok(())
}

async fn assert_unmarked(scene: &Scene, member: &str, name: &str) -> Result<()> {
    let live = scene.member(member).get(&Kind::deployment(), name).await?;
    let labels = &live["metadata"]["labels"];
    ensure!(labels[GUARD].is_null(), "{name} is still marked: {labels}");
    let template = scene.karmada.find(&Kind::deployment(), name).await?;
    let labels = template.map(|template| template["metadata"]["labels"][GUARD].clone());
    ensure!(labels.is_none_or(|label| label.is_null()), "the template");
    Ok(())
}

async fn assert_no_guard(scene: &Scene) -> Result<()> {
    for kind in POLICIES {
        let kind = Kind::new("admissionregistration.k8s.io/v1", kind);
        let found = scene.member("member1").list(&kind).await?;
        ensure!(
            found
                .iter()
                .all(|object| object["metadata"]["name"] != "guard.promote.karmada.io"),
            "{} is there",
            kind.name()
        );
    }
    Ok(())
}

async fn replica_sets(scene: &Scene, member: &str, name: &str) -> Result<Vec<Value>> {
    let selector = format!("app={name}");
    let cluster = scene.member(member);
    cluster.select(&Kind::replica_set(), &selector).await
}

fn condition<'a>(promotion: &'a Value, kind: &str) -> &'a Value {
    let conditions = promotion["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions
        .find(|condition| condition["type"] == kind)
        .unwrap_or(&Value::Null)
}

fn image(deployment: &Value) -> &str {
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    image.as_str().unwrap_or_default()
}
