//! The certificate of the webhook that the chart installs: made by itself, or kept by somebody else,
//! it is changed while people go on opting in.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use promoter_api::marks::ENABLED;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::support::{
    Kind, Kubectl, LIMIT, Scene, Workload,
    chart::{self, CAROL, CERTIFICATE, Host, User, WEBHOOK, bundles, values_in_member},
    eventually, fleet,
};

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
    let mut values = values_in_member();
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
    user.while_opting_in(changed).await?;

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
    host.install(&values_in_member()).await?;
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
    user.while_opting_in(changed).await?;
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
    let mut values = values_in_member();
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

/// An API server shows a certificate once it is configured to, and that of the fleet is not.
#[tokio::test]
async fn an_api_server_without_a_certificate_is_refused_where_authorities_are_named() -> Result<()>
{
    let fleet = fleet::hosted().await?;
    let host = Host::in_member(Arc::clone(&fleet), "member1", "client-ca").await?;
    let scene = Scene::on(Arc::clone(&fleet), "client-ca-users").await?;
    let user = User::new(&scene).await?;
    let kubelet = host.kubelet();
    let authorities = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "api-servers"},
        "stringData": {"ca.crt": Authority::new()?.pem},
    });
    host.cluster.create(&authorities).await?;
    let mut values = values_in_member();
    values["webhook"]["clientCA"] = json!({"secretName": "api-servers"});

    host.install(&values).await?;
    kubelet.until_rolled_out(WEBHOOK).await?;
    scene
        .member("member1")
        .create(Workload::new("web").replicas(0).object())
        .await?;
    let enabled = format!("{ENABLED}=true");
    let annotate = [
        "annotate",
        "deployment",
        "web",
        &enabled,
        "--dry-run=server",
    ];
    let carol = Kubectl::of(&scene, "member1", CAROL);
    eventually("it is refused", LIMIT, async || {
        let answer = carol.run(&annotate).await?;
        answer.assert_error(1, &["failed calling webhook", "certificate required"])
    })
    .await?;

    host.change(&json!({"webhook": {"clientCA": {"secretName": ""}}}))
        .await?;
    kubelet.until_rolled_out(WEBHOOK).await?;
    user.until_stamped().await?;
    host.uninstall().await?;
    kubelet.until_idle().await
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

async fn secret(host: &Host) -> Result<Value> {
    host.cluster.get(&Kind::secret(), CERTIFICATE).await
}

fn decoded(secret: &Value, key: &str) -> Result<String> {
    let value = secret["data"][key].as_str();
    let value = value.with_context(|| format!("the Secret has no {key}"))?;
    Ok(String::from_utf8(BASE64_STANDARD.decode(value)?)?)
}
