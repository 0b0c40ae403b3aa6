//! The chart in a member: its administrator installs, changes and removes the webhook with helm, and
//! whoever works there opts Deployments in meanwhile.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use promoter_api::marks::{ENABLED, OPT_IN_POLICY};
use promoter_installation::{
    control_plane::WEBHOOK_USER,
    member::{Admission, Calls, FailurePolicy, Member, default_karmada_user},
    webhook::{Address, Webhook},
};
use serde_json::{Value, json};

use crate::support::{
    Answer, Identity, Kind, Kubectl, LIMIT, Scene, Workload,
    chart::{self, CAROL, CERTIFICATE, Host, User, WEBHOOK, bundles, values_in_member},
    eventually, fleet, kubectl_promote,
};

#[tokio::test]
async fn the_webhook_is_installed_changed_and_removed_in_a_member() -> Result<()> {
    let fleet = fleet::hosted().await?;
    let host = Host::in_member(Arc::clone(&fleet), "member1", "webhook").await?;
    let scene = Scene::on(Arc::clone(&fleet), "opting-in").await?;
    let user = User::new(&scene).await?;
    let kubelet = host.kubelet();
    let untouched = host.everything().await?;

    let notes = host.install(&values_in_member()).await?;
    for told in [WEBHOOK, "kubectl annotate", "rollout status"] {
        ensure!(notes.contains(told), "nothing about {told} in: {notes}");
    }
    let first = kubelet.until_rolled_out(WEBHOOK).await?;
    ensure!(first.len() == 2, "there are {first:?}");
    let installation = user.until_stamped().await?;
    let told = bundles(&host).await?;
    ensure!(told[0] == told[1], "they differ");
    assert_least_rights(&host).await?;

    // Everything of the pods is changed, while people go on opting in.
    federate(&scene, "federated").await?;
    let kubeconfig = fleet.user_kubeconfig("karmada", WEBHOOK_USER, None)?;
    let karmada = json!({"kubeconfig": {"content": std::fs::read_to_string(kubeconfig)?}});
    let changed = async {
        let values = json!({"log": {"format": "text"}, "webhook": {"karmada": karmada}});
        host.change(&values).await?;
        kubelet.until_rolled_out(WEBHOOK).await
    };
    let second = user.while_opting_in(changed).await?;
    for process in &first {
        ensure!(!process.is_running()?, "{process:?} runs on");
    }
    let log = std::fs::read_to_string(second[0].log())?;
    ensure!(log.contains("the webhook is running"), "{log}");
    ensure!(user.until_stamped().await? == installation, "another name");
    ensure!(bundles(&host).await? == told, "another authority");
    // Now it knows what the control plane has.
    opt_in(&scene, "federated")
        .await?
        .assert_error(1, &["AlreadyFederated", "denied the request", "member1"])?;

    host.uninstall().await?;
    // Nobody is blocked, not even while the pods still run.
    user.until_unasked().await?;
    kubelet.until_idle().await?;
    nothing_is_left(&host, &untouched).await
}

/// Waits until there is what there was before.
async fn nothing_is_left(host: &Host, untouched: &BTreeSet<String>) -> Result<()> {
    eventually("nothing is left", LIMIT, async || {
        let left = host.everything().await?;
        let more: Vec<_> = left.difference(untouched).collect();
        let less: Vec<_> = untouched.difference(&left).collect();
        ensure!(more.is_empty() && less.is_empty(), "{more:?}, not {less:?}");
        Ok(())
    })
    .await
}

/// Has Karmada take a Deployment over, as a person does without us.
async fn federate(scene: &Scene, name: &str) -> Result<()> {
    Workload::new(name).deploy(scene, "member1").await?;
    scene.namespace_in_karmada().await?;
    let namespace = &scene.namespace;
    let words = [
        "promote",
        "deployment",
        name,
        "-n",
        namespace,
        "-C",
        "member1",
    ];
    fleet::run(&scene.fleet, "karmada", "karmadactl", &words).await?;
    Ok(())
}

/// What is said to an opt-in.
async fn opt_in(scene: &Scene, name: &str) -> Result<Answer> {
    let enabled = format!("{ENABLED}=true");
    let words = ["annotate", "--overwrite", "deployment", name, &enabled];
    Kubectl::of(scene, "member1", CAROL).run(&words).await
}

/// Whoever changes a Deployment in another way than opting in is not asked for anything.
async fn changes_pass(scene: &Scene) -> Result<()> {
    let carol = Kubectl::of(scene, "member1", CAROL);
    for (words, told) in [
        (
            &["scale", "deployment", "web", "--replicas=1"][..],
            "scaled",
        ),
        (
            &[
                "set",
                "image",
                "deployment/web",
                "app=registry.example/shop/web:2.0",
            ],
            "",
        ),
        (&["rollout", "restart", "deployment/web"], "restarted"),
        (
            &["label", "--overwrite", "deployment", "web", "tier=front"],
            "labeled",
        ),
        (
            &["annotate", "--overwrite", "deployment", "web", "note=mine"],
            "annotated",
        ),
        (
            &["rollout", "status", "deployment/web"],
            "successfully rolled out",
        ),
        (&["scale", "deployment", "web", "--replicas=2"], "scaled"),
        (&["label", "deployment", "web", "tier-"], "unlabeled"),
    ] {
        carol.run(words).await?.assert_output(0, &[told])?;
    }
    Ok(())
}

/// What is installed does not depend on who installs it.
#[tokio::test]
async fn a_member_gets_from_the_chart_what_the_plugin_applies() -> Result<()> {
    const INSTALLATION: &str = "0a1b2c3d4e5f6789";
    let mut values = values_in_member();
    values["webhook"]["member"] = json!({
        "installation": INSTALLATION,
        "failurePolicy": {"mutating": "Fail", "validating": "Ignore"},
    });
    let rendered = chart::render(&values).await?;
    let member = Member {
        admission: Some(Admission {
            installation: INSTALLATION.to_owned(),
            webhook: Some(Calls {
                cluster: "member1".to_owned(),
                mutating: FailurePolicy::Fail,
                validating: FailurePolicy::Ignore,
                webhook: Webhook {
                    address: Address::Service {
                        name: WEBHOOK.to_owned(),
                        namespace: "default".to_owned(),
                        port: 8443,
                    },
                    authorities: None,
                },
            }),
        }),
        guard: true,
        karmada_user: default_karmada_user("member1"),
    };
    for wanted in member.objects() {
        let same = |object: &&Value| {
            object["kind"] == wanted["kind"]
                && object["metadata"]["name"] == wanted["metadata"]["name"]
        };
        let found = rendered.iter().find(same).cloned().unwrap_or_default();
        for part in ["apiVersion", "spec", "webhooks", "rules"] {
            ensure!(found[part] == wanted[part], "{found} is not {wanted}");
        }
        let labels = wanted["metadata"]["labels"]
            .as_object()
            .into_iter()
            .flatten();
        for (key, value) in labels.filter(|(key, _)| key.contains("aggregate-to")) {
            ensure!(found["metadata"]["labels"][key] == *value, "{found}");
        }
    }

    values["guard"] = json!({"enabled": false});
    let rendered = chart::render(&values).await?;
    let is_guard = |object: &Value| object["metadata"]["name"] == "guard.promote.karmada.io";
    ensure!(!rendered.iter().any(is_guard), "there is a guard");
    Ok(())
}

/// Helm has installed it, and what runs of it is gone, for example with the namespace: the member's
/// API server still asks.
#[tokio::test]
async fn a_webhook_that_is_gone_for_good_is_missed_by_nobody_but_new_opt_ins() -> Result<()> {
    let fleet = fleet::hosted().await?;
    let host = Host::in_member(Arc::clone(&fleet), "member1", "gone").await?;
    let scene = Scene::on(Arc::clone(&fleet), "gone-users").await?;
    let user = User::new(&scene).await?;
    let kubelet = host.kubelet();
    let untouched = host.everything().await?;
    host.install(&values_in_member()).await?;
    kubelet.until_rolled_out(WEBHOOK).await?;
    user.until_stamped().await?;
    let enable = ["member", "enable", "member1"];
    let words = [
        "installed by Helm",
        "helm upgrade",
        "kubectl promote member disable member1",
    ];
    kubectl_promote(&scene, &enable)
        .await?
        .assert_error(1, &words)?;

    Workload::new("web").deploy(&scene, "member1").await?;
    for (kind, name) in [
        (Kind::deployment(), WEBHOOK),
        (Kind::secret(), CERTIFICATE),
        (Kind::new("v1", "Service"), WEBHOOK),
    ] {
        host.cluster.delete(&kind, name).await?;
    }
    kubelet.until_idle().await?;
    changes_pass(&scene).await?;
    let answer = opt_in(&scene, "web").await?;
    answer.assert_error(1, &["failed calling webhook", "verdict.promote.karmada.io"])?;

    let disable = ["member", "disable", "member1"];
    let answer = kubectl_promote(&scene, &disable).await?;
    let words = [
        "validatingwebhookconfigurations/opt-in.promote.karmada.io deleted",
        "validatingadmissionpolicies/ca-bundle.promote.karmada.io deleted",
    ];
    answer.assert_output(0, &words)?;
    answer.assert_error(0, &["Helm has installed that", "helm uninstall"])?;
    user.until_unasked().await?;
    opt_in(&scene, "web")
        .await?
        .assert_output(0, &["annotated"])?;
    changes_pass(&scene).await?;
    // What the release has besides, Helm takes away.
    host.uninstall().await?;
    nothing_is_left(&host, &untouched).await
}

/// Either of them would undo what the other one does.
#[tokio::test]
async fn helm_does_not_install_over_what_the_plugin_has_installed() -> Result<()> {
    let fleet = fleet::hosted().await?;
    let host = Host::in_member(Arc::clone(&fleet), "member1", "plugin-first").await?;
    let scene = Scene::on(Arc::clone(&fleet), "plugin-first-users").await?;
    let untouched = host.everything().await?;
    let enabled = kubectl_promote(&scene, &["member", "enable", "member1"]).await?;
    enabled.assert_output(0, &["member1 is guarded"])?;

    let installed = host.install(&values_in_member()).await;
    let error = format!("{:#}", installed.err().context("Helm has installed it")?);
    for told in [
        "cannot be imported",
        "karmada-promoter-promote",
        "app.kubernetes.io/managed-by",
    ] {
        ensure!(error.contains(told), "nothing about {told} in: {error}");
    }
    let disable = ["member", "disable", "member1"];
    kubectl_promote(&scene, &disable)
        .await?
        .assert_output(0, &["deleted"])?;
    nothing_is_left(&host, &untouched).await
}

/// Secrets may have longer names than most objects.
#[tokio::test]
async fn authorities_of_clients_are_given_to_the_webhook_where_they_are_named() -> Result<()> {
    let flag = "--client-ca=/etc/karmada-promoter/client-ca/ca.crt";
    let mut values = values_in_member();
    ensure!(!webhook_of(&values).await?.to_string().contains("client-ca"));

    let name = |letter: &str| letter.repeat(253);
    values["webhook"]["clientCA"] = json!({"secretName": name("a"), "key": "authorities.pem"});
    values["webhook"]["certificate"]["secretName"] = json!(name("b"));
    values["webhook"]["karmada"] = json!({"kubeconfig": {"secretName": name("c")}});
    let pod = &webhook_of(&values).await?["spec"]["template"]["spec"];
    let arguments = pod["containers"][0]["args"].as_array();
    ensure!(
        arguments.is_some_and(|all| all.iter().any(|argument| argument == flag)),
        "{pod}"
    );
    let named = |part: &Value| {
        let mut parts = part.as_array().into_iter().flatten();
        parts.find(|part| part["name"] == "client-ca").cloned()
    };
    let mount = named(&pod["containers"][0]["volumeMounts"]).unwrap_or_default();
    ensure!(
        mount["mountPath"] == "/etc/karmada-promoter/client-ca",
        "{pod}"
    );
    let secret = &named(&pod["volumes"]).unwrap_or_default()["secret"];
    ensure!(secret["secretName"] == name("a"), "{pod}");
    let items = json!([{"key": "authorities.pem", "path": "ca.crt"}]);
    ensure!(secret["items"] == items, "{pod}");
    Ok(())
}

/// The webhook's Deployment as the chart renders it.
async fn webhook_of(values: &Value) -> Result<Value> {
    let rendered = chart::render(values).await?;
    let found = rendered
        .into_iter()
        .find(|object| object["kind"] == "Deployment" && object["metadata"]["name"] == WEBHOOK);
    found.context("there is no webhook")
}

/// What the webhook's ServiceAccount may do.
async fn assert_least_rights(host: &Host) -> Result<()> {
    let namespace = host.cluster.namespace();
    let user = format!("system:serviceaccount:{namespace}:{WEBHOOK}");
    let configurations = (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
    );
    let secrets = ("", "secrets");
    for (verb, (group, resource), name, may) in [
        ("get", secrets, CERTIFICATE, true),
        ("update", secrets, CERTIFICATE, true),
        ("get", secrets, "another", false),
        ("list", secrets, "", false),
        ("create", secrets, "", false),
        ("delete", secrets, CERTIFICATE, false),
        ("patch", configurations, OPT_IN_POLICY, true),
        ("patch", configurations, "another", false),
        ("delete", configurations, OPT_IN_POLICY, false),
        ("get", ("apps", "deployments"), "", false),
    ] {
        let attributes = json!({
            "group": group, "name": name, "namespace": namespace, "resource": resource, "verb": verb,
        });
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {"name": ""},
            "spec": {"resourceAttributes": attributes, "user": user},
        });
        let allowed = &host.cluster.create(&review).await?["status"]["allowed"];
        ensure!(*allowed == may, "{verb} {resource} {name}: {allowed}");
    }
    // Of its configurations it may change only whom to believe.
    let identity = Identity {
        name: &user,
        ..Identity::default()
    };
    let webhook = host.acting_as(&identity).await?;
    for kind in [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ] {
        let kind = Kind::new("admissionregistration.k8s.io/v1", kind);
        let configuration = webhook.get(&kind, OPT_IN_POLICY).await?;
        let webhooks = |pointer: &str, value: Value| {
            let mut webhooks = configuration["webhooks"].clone();
            *webhooks.pointer_mut(pointer).expect("it is there") = value;
            json!({"webhooks": webhooks})
        };
        // An API server goes by a policy a moment after it was created.
        eventually("the policy is in force", LIMIT, async || {
            let everything = json!({"webhooks": []});
            let tried = webhook.dry_patch(&kind, OPT_IN_POLICY, &everything).await;
            ensure!(tried.is_err(), "{tried:?}");
            Ok(())
        })
        .await?;
        for (other, is_bundle) in [
            (webhooks("/0/clientConfig/caBundle", json!("")), true),
            (webhooks("/0/clientConfig/service/path", json!("/")), false),
            (
                webhooks("/0/failurePolicy", json!(opposite(&configuration))),
                false,
            ),
            (webhooks("/0/matchConditions", json!([])), false),
            (webhooks("/0/rules/0/resources", json!(["*"])), false),
            (webhooks("/0/timeoutSeconds", json!(30)), false),
            (json!({"webhooks": []}), false),
            (json!({"metadata": {"labels": {"a": "b"}}}), false),
        ] {
            let changed = webhook.dry_patch(&kind, OPT_IN_POLICY, &other).await;
            ensure!(changed.is_ok() == is_bundle, "{other}: {changed:?}");
            if let Err(error) = changed {
                let error = format!("{error:#}");
                ensure!(error.contains("nothing of a configuration but"), "{error}");
            }
        }
    }
    Ok(())
}

fn opposite(configuration: &Value) -> &'static str {
    match configuration["webhooks"][0]["failurePolicy"].as_str() {
        Some("Fail") => "Ignore",
        _ => "Fail",
    }
}
