//! The chart in a member: its administrator installs, changes and removes the webhook with helm, and
//! whoever works there opts Deployments in meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use promoter_api::marks::{ENABLED, OPT_IN_POLICY, REQUESTED_BY};
use promoter_domain::stamp;
use promoter_installation::member::{default_karmada_user, guard, opt_in};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::support::{
    Cluster, Identity, Kind, LIMIT, Scene,
    chart::{self, Host},
    eventually, fleet,
};

const CAROL: &str = "carol";

const CERTIFICATE: &str = "promoter-karmada-promoter-webhook-certificate";

const WEBHOOK: &str = "promoter-karmada-promoter-webhook";

#[tokio::test]
async fn the_webhook_is_installed_changed_and_removed_in_a_member() -> Result<()> {
    let fleet = fleet::hosted().await?;
    let host = Host::in_member(Arc::clone(&fleet), "member1", "webhook").await?;
    let user = User::new(&Scene::on(Arc::clone(&fleet), "opting-in").await?).await?;
    let kubelet = host.kubelet();
    let untouched = host.everything().await?;

    let notes = host.install(&values()).await?;
    for told in [WEBHOOK, "kubectl annotate", "rollout status"] {
        ensure!(notes.contains(told), "nothing about {told} in: {notes}");
    }
    let first = kubelet.until_rolled_out(WEBHOOK).await?;
    ensure!(first.len() == 2, "there are {first:?}");
    let installation = user.until_stamped().await?;
    assert_member_is_as_the_plugin_has_it(&host).await?;
    let bundles = bundles(&host).await?;
    ensure!(bundles[0] == bundles[1], "they differ");
    assert_least_rights(&host).await?;

    // Everything of the pods is changed, while people go on opting in.
    let changed = async {
        host.change(&json!({"log": {"format": "text"}})).await?;
        kubelet.until_rolled_out(WEBHOOK).await
    };
    let (second, opted_in) = user.while_opting_in(changed).await?;
    println!("{opted_in} opted in during the upgrade");
    for process in &first {
        ensure!(!process.is_running()?, "{process:?} runs on");
    }
    let log = std::fs::read_to_string(second[0].log())?;
    ensure!(log.contains("the webhook is running"), "{log}");
    ensure!(user.until_stamped().await? == installation, "another name");
    ensure!(self::bundles(&host).await? == bundles, "another authority");

    host.uninstall().await?;
    // Nobody is blocked, not even while the pods still run.
    user.create("afterwards", json!({})).await?;
    kubelet.until_idle().await?;
    eventually("nothing is left", LIMIT, async || {
        let left = host.everything().await?;
        let more: Vec<_> = left.difference(&untouched).collect();
        let less: Vec<_> = untouched.difference(&left).collect();
        ensure!(more.is_empty() && less.is_empty(), "{more:?}, not {less:?}");
        Ok(())
    })
    .await
}

/// The certificate is given to the chart by a Secret, is changed there, broken and mended.
#[tokio::test]
async fn a_certificate_that_somebody_else_keeps_is_changed_under_load() -> Result<()> {
    let fleet = fleet::hosted().await?;
    let host = Host::in_member(Arc::clone(&fleet), "member1", "supplied").await?;
    let user = User::new(&Scene::on(Arc::clone(&fleet), "supplied-load").await?).await?;
    let kubelet = host.kubelet();
    let authority = Authority::new()?;
    let service = format!("{WEBHOOK}.{}.svc", host.cluster.namespace());
    let secret = authority.secret(&service)?;
    host.cluster.create(&secret).await?;
    let mut values = values();
    // The authority is taken from the Secret.
    values["webhook"]["certificate"] = json!({"source": "Secret", "secretName": "given"});

    host.install(&values).await?;
    let webhooks = kubelet.until_rolled_out(WEBHOOK).await?;
    user.until_stamped().await?;
    let pod = host.cluster.list(&Kind::pod()).await?.remove(0);
    let volumes = pod["spec"]["volumes"].as_array().context("volumes")?;
    let names: Vec<_> = volumes.iter().map(|volume| &volume["name"]).collect();
    ensure!(names == ["certificate"], "the pod has {names:?}");

    let told = |of: usize, what: &'static str| {
        let logs: Vec<_> = webhooks.iter().map(promoter_fleet::Process::log).collect();
        let kubelet = &kubelet;
        async move {
            eventually(what, LIMIT, async || {
                kubelet.sync().await?;
                for log in &logs {
                    let log = std::fs::read_to_string(log)?;
                    ensure!(log.matches(what).count() >= of, "not told: {log}");
                }
                Ok(())
            })
            .await
        }
    };
    let changed = async {
        let put = async |secret: &Value| {
            let patch = json!({"data": null, "stringData": secret["stringData"]});
            host.cluster.patch(&Kind::secret(), "given", &patch).await
        };
        put(&authority.secret(&service)?).await?;
        told(1, "a new certificate is used").await?;
        let mut broken = authority.secret(&service)?;
        broken["stringData"]["tls.key"] = json!("nonsense");
        put(&broken).await?;
        told(1, "the certificate before it is used further on").await?;
        put(&authority.secret(&service)?).await?;
        told(2, "a new certificate is used").await
    };
    let ((), opted_in) = user.while_opting_in(changed).await?;
    println!("{opted_in} opted in meanwhile");

    host.uninstall().await?;
    kubelet.until_idle().await
}

/// The authority is old, and so is the certificate, as they are when the webhook was not there for
/// years.
#[tokio::test]
async fn an_authority_is_changed_with_nobody_noticing() -> Result<()> {
    let fleet = fleet::hosted().await?;
    let host = Host::in_member(Arc::clone(&fleet), "member1", "authority").await?;
    let user = User::new(&Scene::on(Arc::clone(&fleet), "authority-load").await?).await?;
    let kubelet = host.kubelet();
    host.install(&values()).await?;
    kubelet.until_rolled_out(WEBHOOK).await?;
    user.until_stamped().await?;
    let first = secret(&host).await?;

    let then = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * 2500);
    let names = [format!("{WEBHOOK}.{}.svc", host.cluster.namespace())];
    let old = promoter_certificate::issue::begin(&names, then)?;
    let changed = async {
        let patch = json!({"data": old.data()});
        host.cluster
            .patch(&Kind::secret(), CERTIFICATE, &patch)
            .await?;
        let old = decoded(&patch, "ca.crt")?;
        eventually("both authorities are believed", LIMIT, async || {
            kubelet.sync().await?;
            let now = secret(&host).await?;
            let authorities = decoded(&now, "ca.crt")?;
            ensure!(authorities.ends_with(&old), "without the old one");
            ensure!(authorities.len() > old.len(), "without a new one");
            for bundle in bundles(&host).await? {
                ensure!(bundle.starts_with(&authorities), "not yet told");
            }
            Ok(())
        })
        .await?;
        let during = secret(&host).await?;
        eventually("the new authority signs", LIMIT, async || {
            kubelet.sync().await?;
            let now = secret(&host).await?;
            ensure!(now["data"]["ca.crt"] == during["data"]["ca.crt"], "early");
            ensure!(now["data"]["tls.crt"] != during["data"]["tls.crt"], "old");
            Ok(())
        })
        .await
    };
    let ((), opted_in) = user.while_opting_in(changed).await?;
    println!("{opted_in} opted in meanwhile");
    user.until_stamped().await?;

    // What is not the webhook's it leaves as it is, and says so.
    let label = json!({"metadata": {"labels": {"promote.karmada.io/certificate": null}}});
    host.cluster
        .patch(&Kind::secret(), CERTIFICATE, &label)
        .await?;
    let foreign = secret(&host).await?;
    ensure!(foreign["data"] != first["data"], "nothing was changed");
    let pods = kubelet.until_rolled_out(WEBHOOK).await?;
    eventually("it is said", LIMIT, async || {
        kubelet.sync().await?;
        let log = std::fs::read_to_string(pods[0].log())?;
        ensure!(
            log.contains("cannot hold the webhook's certificate"),
            "{log}"
        );
        // Keys are in no log.
        ensure!(!log.contains("PRIVATE KEY"), "{log}");
        Ok(())
    })
    .await?;
    user.until_stamped().await?;
    ensure!(secret(&host).await?["data"] == foreign["data"], "written");
    host.uninstall().await?;
    kubelet.until_idle().await
}

#[tokio::test]
async fn cert_manager_may_keep_the_certificate() -> Result<()> {
    let mut values = values();
    values["webhook"]["certificate"] = json!({
        "source": "CertManager",
        "dnsNames": ["promoter.example"],
        "issuerRef": {"name": "platform", "kind": "ClusterIssuer"},
    });
    let rendered = chart::render(&values).await?;
    let of = |kind: &str| {
        let found = rendered.iter().find(|object| object["kind"] == kind);
        found.with_context(|| format!("no {kind}"))
    };
    let certificate = of("Certificate")?;
    let spec = &certificate["spec"];
    ensure!(spec["secretName"] == CERTIFICATE, "{spec}");
    let service = format!("{WEBHOOK}.default.svc");
    ensure!(
        spec["dnsNames"] == json!([service, "promoter.example"]),
        "{spec}"
    );
    ensure!(spec["issuerRef"]["kind"] == "ClusterIssuer", "{spec}");
    for kind in [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ] {
        let from = &of(kind)?["metadata"]["annotations"]["cert-manager.io/inject-ca-from"];
        ensure!(*from == format!("default/{WEBHOOK}"), "{from}");
    }
    for kind in ["Role", "ClusterRoleBinding", "Secret"] {
        ensure!(of(kind).is_err(), "there is a {kind}");
    }
    let volumes = &of("Deployment")?["spec"]["template"]["spec"]["volumes"];
    ensure!(
        volumes[0]["secret"]["secretName"] == CERTIFICATE,
        "{volumes}"
    );
    Ok(())
}

/// Somebody who may edit in a namespace of member1.
struct User {
    cluster: Cluster,
    count: AtomicUsize,
    member: Cluster,
}

impl User {
    async fn new(scene: &Scene) -> Result<Self> {
        scene.namespace_in("member1").await?;
        let member = scene.member("member1").clone();
        let role =
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"});
        let subject =
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": CAROL});
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": CAROL},
            "roleRef": role,
            "subjects": [subject],
        });
        member.create(&binding).await?;
        let kubeconfig = scene.fleet.member_kubeconfig("member1");
        let identity = Identity {
            name: CAROL,
            ..Identity::default()
        };
        let cluster =
            Cluster::connect_as(&kubeconfig, "member1", &scene.namespace, &identity).await?;
        Ok(Self {
            cluster,
            count: AtomicUsize::new(0),
            member,
        })
    }

    /// Creates a Deployment that runs nothing.
    async fn create(&self, name: &str, annotations: Value) -> Result<Value> {
        let deployment = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "annotations": annotations},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "app", "image": "registry.example/app"}]},
                },
            },
        });
        self.cluster.create(&deployment).await
    }

    /// Opts a new Deployment in, and returns the name of the installation that has stamped it.
    async fn opt_in(&self) -> Result<String> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let created = self
            .create(&format!("app-{count}"), json!({(ENABLED): "true"}))
            .await?;
        let stamp = created["metadata"]["annotations"][REQUESTED_BY].as_str();
        let stamp = stamp.with_context(|| format!("app-{count} has no stamp"))?;
        let installation = stamp.strip_suffix(&format!(":{CAROL}"));
        let installation = installation.with_context(|| format!("the stamp is {stamp}"))?;
        ensure!(stamp::is_installation(installation), "the stamp is {stamp}");
        Ok(installation.to_owned())
    }

    /// Opts in until the member's API server does as it was told.
    async fn until_stamped(&self) -> Result<String> {
        let stamped = eventually("an opt-in is stamped", LIMIT, async || self.opt_in().await);
        let installation = stamped.await?;
        let get = |kind| {
            let kind = Kind::new("admissionregistration.k8s.io/v1", kind);
            async move { self.member.get(&kind, OPT_IN_POLICY).await }
        };
        let policy = get("ValidatingAdmissionPolicy").await?;
        let binding = get("ValidatingAdmissionPolicyBinding").await?;
        let user = default_karmada_user("member1");
        let checked = opt_in::check(Some(&policy), Some(&binding), &user)?;
        ensure!(checked == installation, "{checked}, not {installation}");
        Ok(installation)
    }

    /// Opts one after another in while something goes on. All are stamped.
    async fn while_opting_in<T>(
        &self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<(T, usize)> {
        let over = AtomicBool::new(false);
        let worked = async {
            let done = work.await;
            over.store(true, Ordering::Relaxed);
            done
        };
        let opting = async {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                self.opt_in()
                    .await
                    .with_context(|| format!("after {count}"))?;
                count += 1;
            }
            Ok(count)
        };
        tokio::try_join!(worked, opting)
    }
}

/// Signs certificates that the chart does not make.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key)?.pem();
        let issuer = Issuer::new(parameters, key);
        Ok(Self { issuer, pem })
    }

    fn secret(&self, host: &str) -> Result<Value> {
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new([host.to_owned()])?.signed_by(&key, &self.issuer)?;
        Ok(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "given"},
            "type": "kubernetes.io/tls",
            "stringData": {
                "ca.crt": self.pem,
                "tls.crt": certificate.pem(),
                "tls.key": key.serialize_pem(),
            },
        }))
    }
}

/// What every administrator of a member has to say, and what is another here: the API server calls
/// an unprivileged port, and no node but this machine runs the pods.
fn values() -> Value {
    json!({
        "image": {"repository": "registry.example/karmada-promoter"},
        "hub": {"enabled": false},
        "webhook": {
            "cluster": "member1",
            "enabled": true,
            "nodeSelector": {"kubernetes.io/hostname": "this-machine"},
            "service": {"port": 8443},
            "shutdownDelay": 1,
        },
    })
}

async fn secret(host: &Host) -> Result<Value> {
    host.cluster.get(&Kind::secret(), CERTIFICATE).await
}

fn decoded(secret: &Value, key: &str) -> Result<String> {
    let value = secret["data"][key].as_str();
    let value = value.with_context(|| format!("the Secret has no {key}"))?;
    Ok(String::from_utf8(BASE64_STANDARD.decode(value)?)?)
}

/// The authorities that the member's API server takes the webhook's certificate from.
async fn bundles(host: &Host) -> Result<Vec<String>> {
    let mut bundles = Vec::new();
    for kind in [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ] {
        let kind = Kind::new("admissionregistration.k8s.io/v1", kind);
        let configuration = host.cluster.get(&kind, OPT_IN_POLICY).await?;
        let bundle = configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str();
        let bundle = BASE64_STANDARD.decode(bundle.context("it has no caBundle")?)?;
        bundles.push(String::from_utf8(bundle)?);
    }
    Ok(bundles)
}

async fn assert_member_is_as_the_plugin_has_it(host: &Host) -> Result<()> {
    let get = |kind| {
        let kind = Kind::new("admissionregistration.k8s.io/v1", kind);
        async move { host.cluster.get(&kind, "guard.promote.karmada.io").await }
    };
    let policy = get("ValidatingAdmissionPolicy").await?;
    let binding = get("ValidatingAdmissionPolicyBinding").await?;
    let user = default_karmada_user("member1");
    Ok(guard::check(Some(&policy), Some(&binding), &user)?)
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
    Ok(())
}
