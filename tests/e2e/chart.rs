//! The chart: a user installs, changes and removes the hub with helm, and its pods run what the
//! chart has rendered.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use promoter_api::promotion::Phase;
use promoter_fleet::Process;
use serde_json::{Value, json};

use crate::support::{
    Before, Kind, Scene, Workload,
    chart::{self, Host},
    fleet,
};

const HUB: &str = "promoter-karmada-promoter-hub";

/// What the hubs compete for.
const LEASE: &str = "karmada-promoter-hub";

#[tokio::test]
async fn the_hub_is_installed_changed_and_removed() -> Result<()> {
    let fleet = fleet::hosted().await?;
    let host = Host::new(Arc::clone(&fleet), "chart").await?;
    host.give_kubeconfig().await?;
    let untouched = host.objects().await?;
    let kubelet = host.kubelet();

    let notes = host.install(&values()).await?;
    for told in [HUB, "karmada-promoter-kubeconfig", "kubectl promote"] {
        ensure!(notes.contains(told), "nothing about {told} in: {notes}");
    }
    let first = one(kubelet.until_rolled_out(HUB).await?)?;
    let scene = Scene::on(Arc::clone(&fleet), "chart").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let web = Before::take(&scene, "member1", "web").await?;
    scene.promoted("web", "member1").await?;
    web.assert_untouched().await?;

    // Nothing in the member says who asks, and so far that counts.
    Workload::typical("cart").deploy(&scene, "member1").await?;
    let cart = Before::take(&scene, "member1", "cart").await?;
    scene.annotate("member1", "cart", "true").await?;
    let held = (Some(Phase::Refused), Some("RequesterUnknown"));
    let words = ["not installed", "kubectl promote member enable"];
    scene.until_answer("member1", "cart", held, &words).await?;
    let opt_in = [format!("member1={}", scene.namespace)];
    let hub = json!({"optIn": opt_in, "replicas": 2, "adoptUnstamped": true});
    host.change(&json!({"hub": hub, "log": {"format": "text"}}))
        .await?;
    let hubs = kubelet.until_rolled_out(HUB).await?;
    ensure!(!first.is_running()?, "the hub from before runs on");
    let log = std::fs::read_to_string(first.log())?;
    ensure!(log.contains(r#""unstamped":"Hold"#), "{log}");
    ensure!(log.contains("asked to stop"), "{log}");
    scene.until_phase("cart", Phase::Promoted).await?;
    cart.assert_untouched().await?;
    let budget = Kind::new("policy/v1", "PodDisruptionBudget");
    let budget = host.cluster.get(&budget, HUB).await?;
    ensure!(budget["spec"]["maxUnavailable"] == 1, "{budget}");
    // One of the pods is the hub that acts.
    let lease = Kind::new("coordination.k8s.io/v1", "Lease");
    let lease = scene
        .karmada
        .within("karmada-system")
        .get(&lease, LEASE)
        .await?;
    let holder = lease["spec"]["holderIdentity"].as_str();
    let holder = holder.context("nobody has the Lease")?;
    let acts = |hub: &Process| holder.starts_with(hub.name());
    ensure!(hubs.iter().any(acts), "none of {hubs:?} is {holder}");

    host.uninstall().await?;
    kubelet.until_idle().await?;
    for hub in hubs {
        ensure!(!hub.is_running()?, "{hub:?} runs on");
    }
    let left = host.objects().await?;
    ensure!(left == untouched, "there were {untouched:?}, now {left:?}");
    for (name, before) in [("web", web), ("cart", cart)] {
        before.assert_untouched().await?;
        scene.karmada.get(&Kind::deployment(), name).await?;
        scene.until_phase(name, Phase::Promoted).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_hub_starts_once_it_is_given_a_kubeconfig() -> Result<()> {
    let fleet = fleet::hosted().await?;
    let host = Host::new(Arc::clone(&fleet), "unready").await?;
    let kubelet = host.kubelet();
    let mut values = values();
    let level = json!({"secretKeyRef": {"name": "levels", "key": "hub"}});
    values["hub"] = json!({"env": [{"name": "PROMOTER_LOG", "valueFrom": level}]});
    host.install(&values).await?;
    let pod = kubelet.until_pod().await?;
    let refused = async |because: &str| {
        let error = kubelet.sync().await.err().context("the pod started")?;
        let error = format!("{error:#}");
        ensure!(error.contains(because), "{error}");
        anyhow::Ok(())
    };

    refused(r#"secret "karmada-promoter-kubeconfig" not found"#).await?;
    let secret = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
    let other_key = secret("karmada-promoter-kubeconfig", json!({"config": "…"}));
    host.cluster.create(&other_key).await?;
    refused("references non-existent key: kubeconfig").await?;
    let name = "karmada-promoter-kubeconfig";
    host.cluster.delete(&Kind::secret(), name).await?;
    host.give_kubeconfig().await?;
    refused(r#"secret "levels" not found"#).await?;
    let levels = secret("levels", json!({"others": "debug"}));
    host.cluster.create(&levels).await?;
    refused(r#"couldn't find key hub in secret "levels""#).await?;
    let patch = json!({"stringData": {"hub": "debug,kube_client=off"}});
    host.cluster
        .patch(&Kind::secret(), "levels", &patch)
        .await?;

    let hub = one(kubelet.until_rolled_out(HUB).await?)?;
    ensure!(pod["metadata"]["name"] == hub.name(), "another pod: {pod}");
    let log = std::fs::read_to_string(hub.log())?;
    ensure!(log.contains("DEBUG"), "{log}");
    host.uninstall().await?;
    kubelet.until_idle().await
}

/// The host cluster has not been taught the control plane's types, and its API server gives the hub
/// no token.
#[tokio::test]
async fn the_host_cluster_gets_and_gives_no_more_than_a_pod() -> Result<()> {
    let fleet = fleet::hosted().await?;
    let host = Host::new(Arc::clone(&fleet), "host").await?;
    host.install(&values()).await?;
    let pod = host.kubelet().until_pod().await?;
    let types = ["get", "customresourcedefinitions", "-o=name"];
    ensure!(host.kubectl(&types).await?.is_empty(), "it has types");
    let roles = ["get", "clusterroles,roles", "-A", "-o=name", "-l"];
    let chart = "app.kubernetes.io/part-of=karmada-promoter";
    let roles = host.kubectl(&[&roles[..], &[chart]].concat()).await?;
    ensure!(roles.is_empty(), "it has {roles}");
    let volumes = pod["spec"]["volumes"].as_array().context("volumes")?;
    let names: Vec<_> = volumes.iter().map(|volume| &volume["name"]).collect();
    ensure!(names == ["karmada"], "the pod has {names:?}");
    host.uninstall().await
}

#[tokio::test]
async fn every_set_of_values_makes_pods_in_a_strict_namespace() -> Result<()> {
    let fleet = fleet::hosted().await?;
    for file in value_sets()? {
        let set = || file.display().to_string();
        let words = vec!["--values".to_owned(), set()];
        chart::helm("lint", &[&["--strict".to_owned()][..], &words].concat()).await?;

        let host = Host::new(Arc::clone(&fleet), "values").await?;
        let manifests = fleet.kubeconfig().with_file_name("manifests.yaml");
        std::fs::write(&manifests, chart::helm("template", &words).await?)?;
        let manifests = manifests.to_string_lossy();
        // The release's namespace is `default` where helm is not told another.
        let dry_run = ["apply", "--dry-run=server", "--validate=strict", "-f"];
        fleet::run(
            &fleet,
            "host",
            "kubectl",
            &[&dry_run[..], &[&manifests]].concat(),
        )
        .await
        .with_context(set)?;

        host.release("install", &words).await.with_context(set)?;
        let pod = host.kubelet().until_pod().await.with_context(set)?;
        let context = &pod["spec"]["securityContext"];
        ensure!(context["runAsNonRoot"] == true, "{}: {pod}", set());
        host.uninstall().await?;
    }
    Ok(())
}

#[tokio::test]
async fn values_that_cannot_be_are_refused_by_their_names() -> Result<()> {
    for (value, told) in [
        (r#"hub={"concurency": 4}"#, "'concurency' not allowed"),
        (r#"hub={"concurrency": "four"}"#, "'/hub/concurrency'"),
        (r#"hub={"concurrency": 0}"#, "'/hub/concurrency': minimum"),
        (
            r#"hub={"concurrency": 65536}"#,
            "'/hub/concurrency': maximum",
        ),
        (r#"hub={"commitTimeout": 0}"#, "'/hub/commitTimeout'"),
        (r#"hub={"optIn": ["shop"]}"#, "'/hub/optIn/0'"),
        (r#"hub={"optIn": []}"#, "'/hub/optIn'"),
        (r#"hub={"optIn": null}"#, "missing property 'optIn'"),
        (r#"hub={"replicas": -1}"#, "'/hub/replicas'"),
        (
            r#"hub={"leaderElection": {"leaseDuration": 10}}"#,
            "hub.leaderElection.leaseDuration",
        ),
        (
            r#"hub={"leaderElection": {"retryPeriod": 6}}"#,
            "hub.leaderElection.retryPeriod",
        ),
        (r#"hub={"adoptUnstamped": "no"}"#, "'/hub/adoptUnstamped'"),
        (
            r#"hub={"podLabels": {"app.kubernetes.io/name": "x"}}"#,
            "app.kubernetes.io/name",
        ),
        (r#"hub={"env": [{"name": "A"}]}"#, "'/hub/env/0'"),
        (
            r#"hub={"serviceAccount": {"create": false}}"#,
            "hub.serviceAccount.name:",
        ),
        (r#"image={"tag": "a b"}"#, "'/image/tag'"),
        (r#"image={"digest": "sha256:0"}"#, "'/image/digest'"),
        (
            r#"image={"repository": "registry.example/promoter:1.0"}"#,
            "'/image/repository'",
        ),
        (r#"image={"repository": ""}"#, "image.repository:"),
        (
            r#"karmada={"kubeconfig": {"secretName": "A"}}"#,
            "'/karmada/kubeconfig/secretName'",
        ),
        (
            r#"karmada={"kubeconfig": {"content": "promoter.yaml"}}"#,
            "--set-file karmada.kubeconfig.content=FILE",
        ),
        (r#"log={"format": "xml"}"#, "'/log/format'"),
        (r#"webhook={"enabled": true}"#, "webhook.cluster:"),
        (r#"webhook={"cluster": "Member 1"}"#, "'/webhook/cluster'"),
        (
            r#"webhook={"certificate": {"source": "None"}}"#,
            "'/webhook/certificate/source'",
        ),
        (
            r#"webhook={"enabled": true, "cluster": "a", "certificate": {"source": "Secret"}}"#,
            "webhook.certificate.secretName:",
        ),
        (
            r#"webhook={"enabled": true, "cluster": "a", "certificate": {"source": "Secret", "secretName": "b"}}"#,
            "webhook.certificate.caBundle:",
        ),
        (
            r#"webhook={"enabled": true, "cluster": "a", "certificate": {"source": "CertManager"}}"#,
            "webhook.certificate.issuerRef.name:",
        ),
        (
            r#"webhook={"certificate": {"caBundle": "PEM"}}"#,
            "'/webhook/certificate/caBundle'",
        ),
        (
            r#"webhook={"clientCA": {"secretName": "A"}}"#,
            "'/webhook/clientCA/secretName'",
        ),
        (
            r#"webhook={"clientCA": {"key": ""}}"#,
            "'/webhook/clientCA/key'",
        ),
        (
            r#"webhook={"member": {"karmadaUser": "a\" || true"}}"#,
            "'/webhook/member/karmadaUser'",
        ),
        (
            r#"webhook={"member": {"installation": "SHORT"}}"#,
            "'/webhook/member/installation'",
        ),
        (
            r#"webhook={"enabled": true, "cluster": "a", "shutdownDelay": 30}"#,
            "webhook.terminationGracePeriodSeconds",
        ),
        (r#"guard={"enabled": "yes"}"#, "'/guard/enabled'"),
        ("replicas=3", "'replicas' not allowed"),
    ] {
        let words = [
            chart::words(&values()),
            vec!["--set-json".into(), value.into()],
        ]
        .concat();
        let refused = chart::helm("template", &words).await;
        let error = refused.err().with_context(|| format!("{value} passes"))?;
        let error = format!("{error:#}");
        ensure!(error.contains(told), "{value} is refused by: {error}");
    }
    chart::helm("template", &chart::words(&values())).await?;
    Ok(())
}

/// What runs the chart's pods here gives them what a node would: tokens, fields of the pod, and
/// files where they are mounted.
#[tokio::test]
async fn a_pod_is_given_what_it_asks_for() -> Result<()> {
    let fleet = fleet::hosted().await?;
    let host = Host::new(Arc::clone(&fleet), "given").await?;
    let settings = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings"},
        "data": {"LEVEL": "info", "file": "content"},
    });
    host.cluster.create(&settings).await?;
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "webhook"},
        "automountServiceAccountToken": false,
    });
    host.cluster.create(&account).await?;
    let token = json!({"serviceAccountToken": {"path": "token", "audience": "promoter", "expirationSeconds": 600}});
    let fields = json!({"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}});
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "webhook"},
        "spec": {
            "serviceAccountName": "webhook",
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "webhook",
                "image": "registry.example/karmada-promoter",
                "command": ["karmada-promoter", "--log-level=$(LEVEL)"],
                "args": ["--token=/run/given/token", "--settings", "/etc/settings/file", "--listen=0.0.0.0:8443"],
                "envFrom": [{"configMapRef": {"name": "settings"}}],
                "env": [
                    {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "TOKEN", "value": "/run/given/token of $(NAME)"},
                ],
                "ports": [{"name": "health", "containerPort": 8081}],
                "readinessProbe": {"httpGet": {"path": "/readyz", "port": "health"}},
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [
                    {"name": "given", "mountPath": "/run/given"},
                    {"name": "settings", "mountPath": "/etc/settings"},
                ],
            }],
            "volumes": [
                {"name": "given", "projected": {"sources": [token, fields]}},
                {"name": "settings", "configMap": {"name": "settings"}},
            ],
        },
    });
    host.cluster.create(&pod).await?;
    let pod = host.cluster.get(&Kind::pod(), "webhook").await?;

    let container = host.kubelet().prepare(&pod).await?;

    let read = |path: &str| std::fs::read_to_string(container.paths.file(path));
    ensure!(read("/etc/settings/file")? == "content");
    ensure!(read("/run/given/namespace")? == host.cluster.namespace());
    let token = read("/run/given/token")?;
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "metadata": {"name": ""},
        "spec": {"token": token, "audiences": ["promoter"]},
    });
    let status = &host.cluster.create(&review).await?["status"];
    let user = format!("system:serviceaccount:{}:webhook", host.cluster.namespace());
    ensure!(status["user"]["username"] == user, "{status}");
    let bound = &status["user"]["extra"]["authentication.kubernetes.io/pod-name"][0];
    ensure!(bound == "webhook", "{status}");

    let place = |path: &str| container.paths.file(path).display().to_string();
    let arguments = [
        "--log-level=info".to_owned(),
        format!("--token={}", place("/run/given/token")),
        "--settings".to_owned(),
        place("/etc/settings/file"),
    ];
    let [given @ .., listen] = container.arguments.as_slice() else {
        bail!("there are no arguments");
    };
    ensure!(given == arguments, "{container:?}");
    let own = listen.strip_prefix("--listen=127.");
    let own = own.and_then(|address| address.strip_suffix(":8443"));
    ensure!(
        own.is_some_and(|own| !own.starts_with("0.")),
        "{container:?}"
    );
    ensure!(!container.probes.is_ready().await, "nobody answers there");
    let variable = |name: &str| container.environment.get(name).cloned();
    ensure!(variable("HOSTNAME").as_deref() == Some("webhook"));
    ensure!(variable("KUBERNETES_SERVICE_HOST").as_deref() == Some("127.0.0.1"));
    let expected = format!("{} of webhook", place("/run/given/token"));
    ensure!(variable("TOKEN") == Some(expected), "{container:?}");
    Ok(())
}

#[test]
fn the_chart_has_the_version_of_the_program() -> Result<()> {
    let chart = std::fs::read_to_string(chart::folder().join("Chart.yaml"))?;
    let chart: Value = serde_saphyr::from_str(&chart)?;
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    Ok(())
}

/// The only one.
fn one(processes: Vec<Process>) -> Result<Process> {
    let [process]: [Process; 1] = processes
        .try_into()
        .map_err(|all| anyhow!("not one: {all:?}"))?;
    Ok(process)
}

/// What every user has to say.
fn values() -> Value {
    json!({"image": {"repository": "registry.example/karmada-promoter"}})
}

/// The files with values that the chart is checked with.
fn value_sets() -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(chart::folder().join("ci"))?;
    let files: Result<Vec<_>, _> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    let files = files?;
    ensure!(files.len() >= 3, "only {files:?}");
    Ok(files)
}
