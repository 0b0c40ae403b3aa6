//! A real admission webhook of a member, served by the test.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Rules, Scene,
    rules::{Probe, create_probe, karmada_in, of_namespace, updates_of_deployments},
};

/// The annotation that the webhook puts on pods.
pub(crate) const INJECTED: &str = "sidecar.example/injected";

/// When the webhook changes pods.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Injects {
    /// Always, as is right.
    Always,
    /// Not in dry runs, so that no rehearsal can find it.
    InSecret,
    /// Nothing: it takes this field away, where it is.
    Less(&'static str),
}

/// A mutating webhook that puts an annotation on the pods of every Deployment of one namespace
/// that is updated. It is served as long as this value lives; its configuration goes with it,
/// however the test ends.
pub(crate) struct Webhook {
    /// How often it was called for the probe.
    calls: Arc<AtomicUsize>,
    rules: Rules,
    server: JoinHandle<()>,
}

impl Webhook {
    /// Serves the webhook and has a member call it. Returns when it is in force.
    pub(crate) async fn start(scene: &Scene, member: &str, injects: Injects) -> Result<Self> {
        let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let authority = BASE64_STANDARD.encode(certificate.cert.pem());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let calls = Arc::new(AtomicUsize::new(0));
        let server = serve(
            listener,
            acceptor(&certificate)?,
            injects,
            Arc::clone(&calls),
        );
        let server = tokio::spawn(server);
        let configuration = configuration(&scene.namespace, address, &authority);
        let rules = Rules::create(scene, member, &[configuration]).await?;
        let webhook = Self {
            calls,
            rules,
            server,
        };
        let probe = Probe::create(scene, member).await?;
        scene
            .eventually("the webhook is called", async || {
                ensure!(webhook.is_called(&probe).await?, "it was not called");
                Ok(())
            })
            .await?;
        Ok(webhook)
    }

    /// Serves the webhook and has the control plane call it for every Deployment that is created in
    /// the namespace. Returns when it is in force.
    pub(crate) async fn in_karmada(scene: &Scene, injects: Injects) -> Result<Self> {
        scene.namespace_in_karmada().await?;
        let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let authority = BASE64_STANDARD.encode(certificate.cert.pem());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let calls = Arc::new(AtomicUsize::new(0));
        let acceptor = acceptor(&certificate)?;
        let server = tokio::spawn(serve(listener, acceptor, injects, Arc::clone(&calls)));
        let mut configuration = configuration(&scene.namespace, address, &authority);
        configuration["webhooks"][0]["rules"][0]["operations"] = json!(["CREATE"]);
        let webhook = Self {
            rules: Rules::create(scene, "karmada", &[configuration]).await?,
            calls,
            server,
        };
        scene
            .eventually("the webhook is called", async || {
                let before = webhook.calls.load(Ordering::SeqCst);
                create_probe(scene).await?;
                let calls = webhook.calls.load(Ordering::SeqCst);
                ensure!(calls > before, "it was not called");
                Ok(())
            })
            .await?;
        Ok(webhook)
    }

    /// Lets the member go on calling it, and answers no more.
    pub(crate) fn hang_up(&self) {
        self.server.abort();
    }

    /// Takes it away before the test ends. Returns when it is called no more.
    pub(crate) async fn stop(mut self, scene: &Scene, member: &str) -> Result<()> {
        self.rules.lift().await?;
        let probe = Probe::create(scene, member).await?;
        scene
            .eventually("the webhook is not called any more", async || {
                ensure!(!self.is_called(&probe).await?, "it was called");
                Ok(())
            })
            .await
    }

    async fn is_called(&self, probe: &Probe<'_>) -> Result<bool> {
        let before = self.calls.load(Ordering::SeqCst);
        probe.write_as(&karmada_in(probe.member), "none").await?;
        Ok(self.calls.load(Ordering::SeqCst) > before)
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn configuration(namespace: &str, address: SocketAddr, authority: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": format!("inject.{namespace}")},
        "webhooks": [{
            "name": "inject.webhook.example",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": format!("https://{address}/mutate"), "caBundle": authority},
            "failurePolicy": "Fail",
            "namespaceSelector": of_namespace(namespace),
            "rules": [updates_of_deployments()],
            "sideEffects": "None",
        }],
    })
}

fn acceptor(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Result<TlsAcceptor> {
    let chain = vec![certificate.cert.der().clone()];
    let key = PrivateKeyDer::Pkcs8(certificate.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    injects: Injects,
    calls: Arc<AtomicUsize>,
) {
    // They end with this future.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, calls) = (acceptor.clone(), Arc::clone(&calls));
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request| answer(request, injects, Arc::clone(&calls)));
            // Whoever hangs up has what it wanted.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    injects: Injects,
    calls: Arc<AtomicUsize>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let review: Value = serde_json::from_slice(&body).unwrap_or_default();
    if review["request"]["name"] == "probe" {
        calls.fetch_add(1, Ordering::SeqCst);
    }
    let template = &review["request"]["object"]["spec"]["template"]["metadata"];
    let mut annotations = template["annotations"].clone();
    let is_dry_run = review["request"]["dryRun"] == true;
    let changes = match injects {
        Injects::Less(path) => {
            let there = review["request"]["object"].pointer(path).is_some();
            there.then(|| json!({"op": "remove", "path": path}))
        }
        Injects::Always | Injects::InSecret => {
            if injects == Injects::Always || !is_dry_run {
                annotations[INJECTED] = json!("true");
            }
            let path = "/spec/template/metadata/annotations";
            Some(json!({"op": "add", "path": path, "value": annotations}))
        }
    };
    let changes: Value = changes.into_iter().collect();
    let answer = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"],
            "allowed": true,
            "patchType": "JSONPatch",
            "patch": BASE64_STANDARD.encode(changes.to_string()),
        },
    });
    let mut response = Response::new(Full::from(answer.to_string()));
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}
