//! Nobody opts in under another's name, whatever is up or down, and on whatever way they try.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use promoter_api::marks::{ENABLED, OPT_IN_POLICY, REQUESTED_BY};
use promoter_fleet::Fleet;
use serde_json::{Value, json};

use crate::{
    support::{
        Cluster, Identity, Kind, Kubectl, Promoter, Scene, Workload, fleet, karmada_in,
        kubectl::{bind, rules_of},
        opting_in::{ALICE, installation, until_may_promote},
        user::User,
    },
    unanswered::{Webhook, enable, ordinary_updates_pass, what_is_federated_goes_on},
};

const BOB: &str = "bob";
/// May promote one Deployment.
const CAROL: &str = "carol";
/// May edit Deployments, and has no `promote`.
const MALLORY: &str = "mallory";

#[tokio::test]
async fn nobody_opts_in_under_another_name() -> Result<()> {
    let fleet = fleet::rough_without_promoter().await?;
    let promoter = Promoter::of(&fleet)?;
    for webhook in [Webhook::Up, Webhook::DownAndMissed, Webhook::DownAndIgnored] {
        nobody_is_forged(&fleet, &promoter, webhook)
            .await
            .with_context(|| format!("the webhook is {webhook:?}"))?;
    }
    Ok(())
}

async fn nobody_is_forged(fleet: &Arc<Fleet>, promoter: &Promoter, webhook: Webhook) -> Result<()> {
    let scene = Scene::on(Arc::clone(fleet), "stamps").await?;
    let before = installation(&scene).await.ok();
    enable(&scene, promoter, webhook).await?;
    let installation = installation(&scene).await?;
    ensure!(
        before.is_none_or(|before| before == installation),
        "it is another installation"
    );
    people(&scene).await?;
    let forged = Forged {
        installation,
        scene: &scene,
        webhook,
    };

    forged.in_deployments().await?;
    forged.in_their_status().await?;
    forged.by_copying().await?;
    forged.in_namespaces().await?;
    forged.without_the_verb().await?;
    forged.without_the_verb_for_namespaces().await?;
    forged.by_karmada().await?;
    forged.by_name().await?;
    ordinary_updates_pass(&scene).await?;
    what_is_federated_goes_on(&scene, webhook).await
}

/// Attempts at naming somebody else, and what is expected of them.
struct Forged<'a> {
    installation: String,
    scene: &'a Scene,
    webhook: Webhook,
}

impl Forged<'_> {
    /// By writing Deployments.
    async fn in_deployments(&self) -> Result<()> {
        let alice = self.member_as(ALICE).await?;
        let bob = self.stamp(BOB);
        // A stamp without an opt-in is nobody's.
        let tried = alice
            .create(&deployment("stamped", &[(REQUESTED_BY, &bob)]))
            .await;
        self.put_right(tried, None)?;
        let both = [(ENABLED, "true"), (REQUESTED_BY, bob.as_str())];
        let tried = alice.create(&deployment("both", &both)).await;
        self.put_right(tried, Some(ALICE))?;
        // Nor is one of another installation, or of none.
        for stamp in ["0123456789abcdef:alice", "alice", ""] {
            let both = [(ENABLED, "true"), (REQUESTED_BY, stamp)];
            let tried = alice.create(&deployment("old", &both)).await;
            self.put_right(tried, Some(ALICE))?;
            alice.delete(&Kind::deployment(), "old").await?;
        }
        // Something that is there.
        alice.create(&deployment("there", &[])).await?;
        let tried = alice
            .patch(&Kind::deployment(), "there", &annotated(&both))
            .await;
        self.put_right(tried, Some(ALICE))?;
        let stamp = annotated(&[(REQUESTED_BY, bob.as_str())]);
        let tried = alice.patch(&Kind::deployment(), "there", &stamp).await;
        let was = (self.webhook == Webhook::Up).then_some(ALICE);
        self.put_right(tried, was)
    }

    /// By the subresource that takes annotations, too.
    async fn in_their_status(&self) -> Result<()> {
        let alice = self.member_as(ALICE).await?;
        let bob = self.stamp(BOB);
        alice.create(&deployment("status", &[])).await?;
        for annotations in [
            &[(REQUESTED_BY, bob.as_str())][..],
            &[(ENABLED, "true"), (REQUESTED_BY, bob.as_str())],
        ] {
            let patch = annotated(annotations);
            let tried = alice
                .patch_status(&Kind::deployment(), "status", &patch)
                .await;
            self.put_right(tried, (annotations.len() > 1).then_some(ALICE))?;
        }
        Ok(())
    }

    /// By the manifest of somebody who has opted in.
    async fn by_copying(&self) -> Result<()> {
        let bob = self.member_as(BOB).await?;
        let (name, stamp) = ("original", self.stamp(BOB));
        // While nobody stamps, Bob does so himself.
        let own = [(ENABLED, "true"), (REQUESTED_BY, stamp.as_str())];
        let original = bob.create(&deployment(name, &own)).await;
        if self.webhook == Webhook::DownAndMissed {
            return assert_missed(original);
        }
        assert_stamp(&original?, Some(&stamp))?;
        let alice = Kubectl::of(self.scene, "member1", ALICE);
        let shown = alice
            .run(&["get", "deployment", name, "--output=json"])
            .await?;
        let mut copy: Value = serde_json::from_str(&shown.output)?;
        copy["metadata"]["name"] = json!("copy");
        for key in ["resourceVersion", "uid"] {
            copy["metadata"][key].take();
        }
        let answer = alice.give(&["apply"], &copy).await?;
        if self.webhook == Webhook::Up {
            answer.assert_output(0, &["copy"])?;
        } else {
            answer.assert_error(1, &[OPT_IN_POLICY, REQUESTED_BY, "Leave it out"])?;
        }
        let alice = self.member_as(ALICE).await?;
        if let Some(copy) = alice.find(&Kind::deployment(), "copy").await? {
            assert_stamp(&copy, Some(&self.stamp(ALICE)))?;
        }
        // Bob's is Bob's until Alice opts in anew, not when she changes something else.
        let other = annotated(&[("note", "of alice")]);
        let changed = alice.patch(&Kind::deployment(), name, &other).await?;
        assert_stamp(&changed, Some(&stamp))?;
        let off = json!({"metadata": {"annotations": {(ENABLED): null}}});
        let changed = alice.patch(&Kind::deployment(), name, &off).await?;
        assert_stamp(&changed, Some(&stamp))?;
        let on = annotated(&[(ENABLED, "true")]);
        let tried = alice.patch(&Kind::deployment(), name, &on).await;
        self.put_right(tried, Some(ALICE))?;
        // Left out, it is lost, and nothing is blocked.
        let off = json!({"metadata": {"annotations": {(REQUESTED_BY): null}}});
        let changed = alice.patch(&Kind::deployment(), name, &off).await?;
        assert_stamp(&changed, None)
    }

    /// By a label and a stamp on a Namespace, on all ways that take them.
    async fn in_namespaces(&self) -> Result<()> {
        let rules = json!([{
            "apiGroups": [""],
            "resources": ["namespaces", "namespaces/finalize", "namespaces/status"],
            "verbs": ["get", "patch", "update"],
        }]);
        let _rules = rules_of(self.scene, "member1", ALICE, &rules).await?;
        let alice = self.member_as(ALICE).await?;
        let (kind, name) = (Kind::namespace(), self.scene.namespace.as_str());
        self.scene
            .eventually("alice may edit the namespace", async || {
                alice.patch(&kind, name, &annotated(&[("a", "b")])).await?;
                Ok(())
            })
            .await?;
        let bob = self.stamp(BOB);
        let stamp = annotated(&[(REQUESTED_BY, &bob)]);
        let mut both = stamp.clone();
        both["metadata"]["labels"] = json!({(ENABLED): "true"});
        let off = json!({"metadata": {
            "annotations": {(REQUESTED_BY): null}, "labels": {(ENABLED): null},
        }});
        for (patch, expected) in [(&stamp, None), (&both, Some(ALICE))] {
            self.put_right(alice.patch(&kind, name, patch).await, expected)?;
            alice.patch(&kind, name, &off).await?;
            self.put_right(alice.patch_status(&kind, name, patch).await, expected)?;
            alice.patch(&kind, name, &off).await?;
            let mut whole = alice.get(&kind, name).await?;
            for field in ["annotations", "labels"] {
                let more = patch["metadata"][field].as_object().into_iter().flatten();
                for (key, value) in more {
                    whole["metadata"][field][key] = value.clone();
                }
            }
            self.put_right(self.finalize(&whole).await, expected)?;
            alice.patch(&kind, name, &off).await?;
        }
        let value = json!({"metadata": {"labels": {(ENABLED): "yes"}}});
        let error = alice.patch(&kind, name, &value).await.err();
        assert_told(error, &[r#"must be "true" or "false", not "yes""#])
    }

    /// As Alice, through the subresource by which finalizers are taken off.
    async fn finalize(&self, whole: &Value) -> Result<Value> {
        let name = &self.scene.namespace;
        let path = format!("/api/v1/namespaces/{name}/finalize");
        let words = ["replace", "--raw", &path];
        let answer = Kubectl::of(self.scene, "member1", ALICE)
            .give(&words, whole)
            .await?;
        ensure!(answer.code == 0, "{}", answer.error);
        Ok(serde_json::from_str(&answer.output)?)
    }

    /// Who may not promote may not opt in, nor stamp themselves; all else they may.
    async fn without_the_verb(&self) -> Result<()> {
        let mallory = Kubectl::of(self.scene, "member1", MALLORY);
        let namespace = &self.scene.namespace;
        let denied = format!("mallory may not promote Deployments of namespace {namespace}");
        let words = [
            denied.as_str(),
            "\"promote\" on deployments.apps",
            "administers",
        ];
        let enabled = format!("{ENABLED}=true");
        mallory
            .give(&["create"], &deployment("plain", &[]))
            .await?
            .assert_output(0, &["plain"])?;
        let answer = mallory
            .run(&["annotate", "deployment", "plain", &enabled])
            .await?;
        answer.assert_error(1, &words)?;
        let answer = mallory
            .give(&["create"], &deployment("new", &[(ENABLED, "true")]))
            .await?;
        answer.assert_error(1, &words)?;
        let own = format!("{REQUESTED_BY}={}", self.stamp(MALLORY));
        let answer = mallory
            .run(&["annotate", "deployment", "plain", &own])
            .await?;
        if self.webhook == Webhook::Up {
            answer.assert_output(0, &["plain"])?;
        } else {
            answer.assert_error(1, &words)?;
        }
        let plain = self
            .scene
            .member("member1")
            .get(&Kind::deployment(), "plain")
            .await?;
        assert_stamp(&plain, None)?;
        let no = format!("{ENABLED}=false");
        for word in ["note=mine", &no] {
            let answer = mallory
                .run(&["annotate", "deployment", "plain", word])
                .await?;
            answer.assert_output(0, &["annotated"])?;
        }
        Ok(())
    }

    /// Who may promote one Deployment may promote no other.
    async fn by_name(&self) -> Result<()> {
        let rules = json!([
            {
                "apiGroups": ["apps"],
                "resources": ["deployments"],
                "verbs": ["create", "get", "patch"],
            },
            {
                "apiGroups": ["apps"],
                "resourceNames": ["hers"],
                "resources": ["deployments"],
                "verbs": ["promote"],
            },
        ]);
        let _rules = rules_of(self.scene, "member1", CAROL, &rules).await?;
        let carol = self.member_as(CAROL).await?;
        let stamp = self.stamp(CAROL);
        let opt_in = annotated(&[(ENABLED, "true"), (REQUESTED_BY, &stamp)]);
        for (name, may) in [("hers", true), ("another", false)] {
            self.scene
                .eventually("carol may create", async || {
                    carol.ensure(&deployment(name, &[])).await
                })
                .await?;
            let opted_in = carol.patch(&Kind::deployment(), name, &opt_in).await;
            match (may, self.webhook) {
                (false, _) => assert_told(opted_in.err(), &["carol may not promote"])?,
                (true, Webhook::DownAndMissed) => assert_missed(opted_in)?,
                (true, _) => assert_stamp(&opted_in?, Some(&stamp))?,
            }
        }
        Ok(())
    }

    /// Whoever edits namespaces does not opt in what is in them by that.
    async fn without_the_verb_for_namespaces(&self) -> Result<()> {
        let rules = json!([{
            "apiGroups": [""],
            "resources": ["namespaces"],
            "verbs": ["create", "get", "patch"],
        }]);
        let _rules = rules_of(self.scene, "member1", MALLORY, &rules).await?;
        let mallory = Kubectl::of(self.scene, "member1", MALLORY);
        let (kind, namespace) = (Kind::namespace(), self.scene.namespace.as_str());
        self.scene
            .eventually("mallory may label the namespace", async || {
                mallory
                    .run(&["label", "--overwrite", "namespace", namespace, "note=mine"])
                    .await?
                    .assert_output(0, &[namespace])
            })
            .await?;
        let enabled = format!("{ENABLED}=true");
        let labelled = mallory
            .run(&["label", "namespace", namespace, &enabled])
            .await?;
        let name = format!("{namespace}-new");
        let new = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {(ENABLED): "true"}},
        });
        let created = mallory.give(&["create"], &new).await?;
        for (answer, name) in [(labelled, namespace), (created, name.as_str())] {
            let denied = format!("mallory may not promote Deployments of namespace {name}");
            answer.assert_error(1, &[OPT_IN_POLICY, &denied, "administers"])?;
        }
        let member = self.scene.member("member1");
        let labels = &member.get(&kind, namespace).await?["metadata"]["labels"];
        ensure!(
            labels["note"] == "mine" && labels[ENABLED].is_null(),
            "{labels}"
        );
        let created = member.find(&kind, &name).await?;
        ensure!(created.is_none(), "it is there: {created:?}");
        Ok(())
    }

    /// Karmada writes what its templates say, also of promotion; but they name nobody here.
    async fn by_karmada(&self) -> Result<()> {
        let user = karmada_in("member1");
        let karmada = self.member_as(&user).await?;
        let bob = self.stamp(BOB);
        let elsewhere = format!("{}:{BOB}", "0".repeat(16));
        for (name, value, stamp) in [
            ("by-karmada", "true", None),
            ("by-karmada-oddly", "perhaps", None),
            ("by-karmada-elsewhere", "true", Some(elsewhere.as_str())),
        ] {
            let stamped = stamp.map(|stamp| (REQUESTED_BY, stamp));
            let marks: Vec<_> = [(ENABLED, value)].into_iter().chain(stamped).collect();
            let written = karmada.create(&deployment(name, &marks)).await?;
            assert_stamp(&written, stamp)?;
            // Somebody of the member is named by an update no more than by what is created.
            let forged = annotated(&[(REQUESTED_BY, &bob)]);
            let forged = karmada.patch(&Kind::deployment(), name, &forged).await;
            match (self.webhook, stamp) {
                (Webhook::Up, stamp) => assert_stamp(&forged?, stamp)?,
                _ => self.put_right(forged, None)?,
            }
        }
        let both = [(ENABLED, "true"), (REQUESTED_BY, bob.as_str())];
        let forged = deployment("by-karmada-for-bob", &both);
        self.put_right(karmada.create(&forged).await, Some(&user))
    }

    /// Checks an attempt to be stamped as somebody else: put right, while the webhook is up, to whom
    /// it is to be; refused otherwise.
    fn put_right(&self, tried: Result<Value>, expected: Option<&str>) -> Result<()> {
        if self.webhook == Webhook::Up {
            let stamp = expected.map(|user| self.stamp(user));
            return assert_stamp(&tried?, stamp.as_deref());
        }
        let kept = tried.as_ref().ok().cloned();
        ensure!(kept.is_none(), "it was kept: {kept:?}");
        assert_told(
            tried.err(),
            &[OPT_IN_POLICY, REQUESTED_BY, "names nobody else"],
        )
    }

    async fn member_as(&self, user: &str) -> Result<Cluster> {
        let kubeconfig = self.scene.fleet.member_kubeconfig("member1");
        let identity = Identity {
            name: user,
            ..Identity::default()
        };
        Cluster::connect_as(&kubeconfig, "member1", &self.scene.namespace, &identity).await
    }

    fn stamp(&self, user: &str) -> String {
        format!("{}:{user}", self.installation)
    }
}

/// Alice and Bob may promote, as all who may edit; Mallory may edit.
async fn people(scene: &Scene) -> Result<()> {
    for user in [ALICE, BOB] {
        bind(scene, "member1", user, "edit").await?;
        until_may_promote(scene, user).await?;
        let user = User::of(scene, user).await?;
        user.may("member1", &[("patch", "apps", "deployments/status")])
            .await?;
    }
    let rights = [
        "create", "delete", "get", "list", "patch", "update", "watch",
    ];
    let rights = rights.map(|verb| (verb, "apps", "deployments"));
    User::of(scene, MALLORY)
        .await?
        .may("member1", &rights)
        .await
}

/// A Deployment without pods, with annotations.
fn deployment(name: &str, annotations: &[(&str, &str)]) -> Value {
    let workload = Workload::new(name).replicas(0);
    let workload = workload.deployment(|it| {
        it["metadata"]["annotations"] = annotated(annotations)["metadata"]["annotations"].clone();
    });
    workload.object().clone()
}

fn annotated(annotations: &[(&str, &str)]) -> Value {
    let annotations: serde_json::Map<_, _> = annotations
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect();
    json!({"metadata": {"annotations": annotations}})
}

fn assert_stamp(object: &Value, stamp: Option<&str>) -> Result<()> {
    let metadata = &object["metadata"];
    let found = metadata["annotations"][REQUESTED_BY].as_str();
    ensure!(
        found == stamp,
        "it bears {found:?}, not {stamp:?}: {metadata}"
    );
    Ok(())
}

/// Fails unless an opt-in was refused because the webhook gave no verdict.
fn assert_missed(tried: Result<Value>) -> Result<()> {
    assert_told(tried.err(), &["failed calling webhook"])
}

fn assert_told(error: Option<anyhow::Error>, words: &[&str]) -> Result<()> {
    let told = error
        .map(|error| format!("{error:#}"))
        .context("it was not refused")?;
    for word in words {
        ensure!(told.contains(word), "no {word:?}: {told}");
    }
    Ok(())
}
