//! What Kubernetes asks of its webhooks in its own end-to-end tests, as far as it concerns one such
//! as ours (test/e2e/apimachinery/webhook.go), with the configurations that we install.
//!
//! Nothing is opted in for good: every question is a dry run, which webhooks without side effects
//! are asked about like any other.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use promoter_api::marks::{ENABLED, REQUESTED_BY};
use promoter_installation::{
    member::{Admission, Calls, FailurePolicy, Member},
    webhook::{Address, Webhook as Place},
};
use serde_json::{Value, json};

use crate::support::{
    Answer, Injects, Kind, Kubectl, Probe, Promoter, Rules, Scene, Webhook, karmada_in,
    of_namespace,
};

/// The one that nothing is installed in.
const MEMBER: &str = "member2";

const INSTALLATION: &str = "0a1b2c3d4e5f6071";

/// What our webhook says to any other value than the two.
const MUST_BE: &str = "must be \"true\"";

const MUTATING: &str = "MutatingWebhookConfiguration";
const VALIDATING: &str = "ValidatingWebhookConfiguration";

#[tokio::test]
async fn a_webhook_is_called_for_what_its_rules_say_at_the_moment() -> Result<()> {
    let called = Called::start("rules", |_| {}).await?;
    // By a patch, as the suite does it; and by a replacement.
    let only = |operations: &Value| json!([{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": operations}]);
    for kind in [VALIDATING, MUTATING] {
        called.patch(kind, &only(&json!(["CREATE"]))).await?;
        called.until(kind, false).await?;
        called
            .patch(kind, &only(&json!(["CREATE", "UPDATE"])))
            .await?;
        called.until(kind, true).await?;

        let mut object = called.configuration(kind).await?;
        object["webhooks"][0]["rules"][0]["operations"] = json!(["CREATE"]);
        called.replace(&object).await?;
        called.until(kind, false).await?;
        object = called.configuration(kind).await?;
        object["webhooks"][0]["rules"][0]["operations"] = json!(["UPDATE"]);
        called.replace(&object).await?;
        called.until(kind, true).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_webhook_is_called_under_its_match_conditions() -> Result<()> {
    let called = Called::start("conditions", |_| {}).await?;
    // Ours let through what does not opt in: it is not stamped, and not looked at.
    let unrelated = called
        .kubectl(&["annotate", "deployment/probe", "team=shop"])
        .await?;
    unrelated.assert_output(0, &[])?;

    for kind in [VALIDATING, MUTATING] {
        let before = called.configuration(kind).await?;
        let conditions = before["webhooks"][0]["matchConditions"].clone();
        // One that nothing meets.
        let never = json!([{
            "op": "add",
            "path": "/webhooks/0/matchConditions/-",
            "value": {"name": "never", "expression": "request.name == 'another'"},
        }]);
        called.patch(kind, &never).await?;
        called.until(kind, false).await?;
        let path = "/webhooks/0/matchConditions";
        let back = json!([{"op": "replace", "path": path, "value": conditions}]);
        called.patch(kind, &back).await?;
        called.until(kind, true).await?;

        // What is no expression is refused, in one that is there and in a new one.
        let broken = json!([{
            "op": "replace",
            "path": "/webhooks/0/matchConditions/0/expression",
            "value": "... [] bad expression",
        }]);
        let refused = called.patch(kind, &broken).await;
        let refused = format!("{:#}", refused.err().context("it was accepted")?);
        ensure!(refused.contains("compilation failed"), "{refused}");
        let mut new = before;
        new["webhooks"][0]["matchConditions"][0]["expression"] = json!("... [] bad expression");
        new["metadata"] = json!({"name": format!("broken.{}", called.scene.namespace)});
        let refused = called.scene.member(MEMBER).create(&new).await;
        let refused = format!("{:#}", refused.err().context("it was accepted")?);
        ensure!(refused.contains("compilation failed"), "{refused}");
        called.until(kind, true).await?;
    }
    Ok(())
}

#[tokio::test]
async fn webhooks_that_are_listed_and_deleted_are_called_no_more() -> Result<()> {
    let called = Called::start("listed", |_| {}).await?;
    let selector = format!("of={}", called.scene.namespace);
    for kind in [VALIDATING, MUTATING] {
        let listed = called.scene.member(MEMBER);
        let listed = listed
            .select(&Kind::new(REGISTRATION, kind), &selector)
            .await?;
        ensure!(listed.len() == 1, "{listed:?}");
        let words = ["delete", kind, "--selector", &selector];
        called
            .administrator()
            .run(&words)
            .await?
            .assert_output(0, &["deleted"])?;
        called.until(kind, false).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_verdict_that_cannot_be_had_is_a_refusal() -> Result<()> {
    let called = Called::start("closed", |_| {}).await?;
    called.scene.fleet.kill(&called.webhook.name).await?;
    called
        .scene
        .eventually("opting in is refused", async || {
            let refused = called.opt_in("true").await?;
            refused.assert_error(1, &["failed calling webhook", "verdict.promote.karmada.io"])
        })
        .await?;
    // Whatever else is done to it does not wait for us.
    let words = ["annotate", "deployment/probe", "team=shop"];
    called.kubectl(&words).await?.assert_output(0, &[])?;

    // No webhook, ours neither, stands between an administrator and its configuration.
    let rules = json!([{
        "apiGroups": ["admissionregistration.k8s.io"],
        "apiVersions": ["*"],
        "operations": ["*"],
        "resources": ["*"],
    }]);
    let of_configurations = json!([
        {"op": "replace", "path": "/webhooks/0/rules", "value": rules},
        {"op": "remove", "path": "/webhooks/0/matchConditions"},
    ]);
    for kind in [MUTATING, VALIDATING] {
        called.patch(kind, &of_configurations).await?;
    }
    for kind in [MUTATING, VALIDATING] {
        let words = ["delete", kind, &called.name];
        called
            .administrator()
            .run(&words)
            .await?
            .assert_output(0, &["deleted"])?;
    }
    called
        .scene
        .eventually("nobody is refused any more", async || {
            called.opt_in("true").await?.assert_output(0, &[])
        })
        .await
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_is_waited_for_as_long_as_it_says() -> Result<()> {
    let called = Called::start("timeout", |webhook| webhook["timeoutSeconds"] = json!(2)).await?;
    called.scene.fleet.pause(&called.webhook.name)?;
    let paused = async {
        // The one that stamps is passed over, the other is not.
        let began = Instant::now();
        let refused = called.opt_in("true").await?;
        refused.assert_error(1, &["verdict.promote.karmada.io", "deadline exceeded"])?;
        let took = began.elapsed();
        ensure!(
            took >= Duration::from_secs(4),
            "both were not waited for: {took:?}"
        );
        ensure!(took < Duration::from_secs(40), "{took:?}");

        // Passed over both, it is unstamped.
        let path = "/webhooks/0/failurePolicy";
        let ignore = json!([{"op": "replace", "path": path, "value": "Ignore"}]);
        called.patch(VALIDATING, &ignore).await?;
        called
            .scene
            .eventually("it is passed over", async || {
                let object = called.opted_in().await?;
                ensure!(stamp(&object).is_null(), "{object}");
                Ok(())
            })
            .await?;

        // Nobody else waits.
        let words = ["annotate", "deployment/probe", "team=shop"];
        called.kubectl(&words).await?.assert_output(0, &[])
    };
    let paused = paused.await;
    called.scene.fleet.resume(&called.webhook.name)?;
    paused?;
    called.until(MUTATING, true).await
}

#[tokio::test]
async fn what_other_webhooks_change_is_stamped_once() -> Result<()> {
    let called = Called::start("reinvoked", |_| {}).await?;
    // One that comes after ours, and takes the stamp off.
    let path = "/metadata/annotations/promote.karmada.io~1requested-by";
    let other = Webhook::start(&called.scene, MEMBER, Injects::Less(path)).await?;
    called.until(MUTATING, true).await?;
    other.stop(&called.scene, MEMBER).await?;

    // One that changes something else.
    let other = Webhook::start(&called.scene, MEMBER, Injects::Always).await?;
    let object = called.opted_in().await?;
    ensure!(stamp(&object) == called.stamp.as_str(), "{object}");
    let annotations = object["metadata"]["annotations"].as_object();
    let ours = annotations.map(|all| all.keys().filter(|key| key.contains("promote.")).count());
    ensure!(ours == Some(2), "{object}");
    other.stop(&called.scene, MEMBER).await
}

#[tokio::test]
async fn everything_is_stamped_but_what_opts_out() -> Result<()> {
    let called = Called::start("skipped", |_| {}).await?;
    let value = format!("{ENABLED}=false");
    let skipped = called
        .dry_run(&["annotate", "deployment/probe", &value])
        .await?;
    ensure!(stamp(&skipped).is_null(), "{skipped}");
    let stamped = called.opted_in().await?;
    ensure!(stamp(&stamped) == called.stamp.as_str(), "{stamped}");
    // By way of a subresource that has no annotations, nothing can be opted in.
    let scaled = called
        .dry_run(&["scale", "deployment/probe", "--replicas=1"])
        .await?;
    ensure!(stamp(&scaled).is_null(), "{scaled}");
    Ok(())
}

const REGISTRATION: &str = "admissionregistration.k8s.io/v1";

/// A webhook of the test's own, called for the test's namespace by a member that has no other.
struct Called {
    name: String,
    scene: Scene,
    stamp: String,
    webhook: Promoter,
    _rules: Rules,
}

impl Called {
    async fn start(name: &str, change: impl Fn(&mut Value)) -> Result<Self> {
        let scene = Scene::new(name).await?;
        let webhook = Promoter::start(&scene.fleet, &format!("webhook-{name}"), &[]).await?;
        webhook.until_ready().await?;
        let authority = std::fs::read_to_string(webhook.authority())?;
        let installed = Member {
            admission: Some(Admission {
                installation: INSTALLATION.to_owned(),
                webhook: Some(Calls {
                    cluster: MEMBER.to_owned(),
                    mutating: FailurePolicy::Ignore,
                    validating: FailurePolicy::Fail,
                    webhook: Place {
                        address: Address::Url(webhook.url()),
                        authorities: Some(authority),
                    },
                }),
            }),
            guard: false,
            karmada_user: karmada_in(MEMBER),
        };
        // Before those of `Webhook`, in the order in which they are called.
        let name = format!("a.{}", scene.namespace);
        let mut configurations = installed.objects();
        configurations.retain(|object| object["webhooks"].is_array());
        for object in &mut configurations {
            let labels = json!({"of": scene.namespace});
            object["metadata"] = json!({"name": name, "labels": labels});
            object["webhooks"][0]["namespaceSelector"] = of_namespace(&scene.namespace);
            change(&mut object["webhooks"][0]);
        }
        scene.namespace_in(MEMBER).await?;
        Probe::create(&scene, MEMBER).await?;
        let rules = Rules::create(&scene, MEMBER, &configurations).await?;
        let administrator = scene.member(MEMBER).myself().await?;
        let user = administrator["username"].as_str().context("nobody")?;
        let called = Self {
            name,
            stamp: format!("{INSTALLATION}:{user}"),
            scene,
            webhook,
            _rules: rules,
        };
        called.until(MUTATING, true).await?;
        called.until(VALIDATING, true).await?;
        Ok(called)
    }

    /// Waits until opt-ins are stamped or not, or wrong ones refused or not.
    async fn until(&self, kind: &str, is_called: bool) -> Result<()> {
        let what = format!("the {kind} is called: {is_called}");
        self.scene
            .eventually(&what, async || {
                let seen = if kind == MUTATING {
                    stamp(&self.opted_in().await?) == self.stamp.as_str()
                } else {
                    let answer = self.opt_in("yes").await?;
                    answer.code != 0 && answer.error.contains(MUST_BE)
                };
                ensure!(seen == is_called, "it is called: {seen}");
                Ok(())
            })
            .await
    }

    /// Has the API server pretend to opt the Deployment in.
    async fn opt_in(&self, value: &str) -> Result<Answer> {
        let value = format!("{ENABLED}={value}");
        self.kubectl(&["annotate", "deployment/probe", &value])
            .await
    }

    /// The Deployment as it would be.
    async fn opted_in(&self) -> Result<Value> {
        let value = format!("{ENABLED}=true");
        self.dry_run(&["annotate", "deployment/probe", &value])
            .await
    }

    async fn dry_run(&self, words: &[&str]) -> Result<Value> {
        let answer = self.kubectl(&[words, &["--output=json"]].concat()).await?;
        ensure!(answer.code == 0, "{answer:?}");
        Ok(serde_json::from_str(&answer.output)?)
    }

    async fn kubectl(&self, words: &[&str]) -> Result<Answer> {
        let words = [words, &["--dry-run=server"]].concat();
        self.administrator().run(&words).await
    }

    fn administrator(&self) -> Kubectl<'_> {
        Kubectl::administrator(&self.scene, MEMBER)
    }

    async fn configuration(&self, kind: &str) -> Result<Value> {
        let kind = Kind::new(REGISTRATION, kind);
        self.scene.member(MEMBER).get(&kind, &self.name).await
    }

    async fn patch(&self, kind: &str, patch: &Value) -> Result<()> {
        let patch = format!("--patch={patch}");
        let words = ["patch", kind, &self.name, "--type=json", &patch];
        self.administrator()
            .run(&words)
            .await?
            .assert_output(0, &["patched"])
    }

    async fn replace(&self, object: &Value) -> Result<()> {
        let replaced = self.administrator().give(&["replace"], object).await?;
        replaced.assert_output(0, &["replaced"])
    }
}

fn stamp(object: &Value) -> &Value {
    &object["metadata"]["annotations"][REQUESTED_BY]
}
