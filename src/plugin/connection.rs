//! The way to the control plane and, through it, to its members, with the caller's rights.

use std::{env, path::Path};

use anyhow::{Context as _, bail};
use http::StatusCode;
use kube::{
    Client, Config,
    config::{
        AuthInfo, Cluster, Context, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster,
        NamedContext,
    },
};
use promoter_api::{promotion::Requester, reason::Reason};
use promoter_kubernetes::{access, objects::Objects};

use crate::{arguments, failure::Failure};

/// The control plane, as one user reaches it.
pub(crate) struct Connection {
    config: Config,
    /// Its objects.
    pub(crate) control_plane: Objects,
    /// The namespace that the command is about.
    pub(crate) namespace: String,
    /// A client for watches, which are silent for longer than a request may be.
    pub(crate) watches: Client,
}

impl Connection {
    /// Opens it by kubectl's rules. No request is made yet.
    pub(crate) async fn open(arguments: &arguments::Connection) -> anyhow::Result<Self> {
        let chosen = choose(kubeconfig(arguments.kubeconfig.as_deref())?, arguments)?;
        let mut config =
            Config::from_custom_kubeconfig(chosen, &KubeConfigOptions::default()).await?;
        let watches = Client::try_from(config.clone())?;
        if let Some(limit) = arguments.request_timeout.0 {
            config.connect_timeout = Some(limit);
            config.read_timeout = Some(limit);
            config.write_timeout = Some(limit);
            config.reset_reader_on_write = true;
        }
        Ok(Self {
            control_plane: Objects::new(Client::try_from(config.clone())?, "control plane"),
            namespace: config.default_namespace.clone(),
            config,
            watches,
        })
    }

    /// A member's objects, through Karmada's cluster proxy.
    ///
    /// A request that cannot fail for another reason tells first whether there is such a cluster:
    /// the proxy's answer for one that is unknown is otherwise that of an object that is missing.
    pub(crate) async fn member(&self, cluster: &str) -> Result<Objects, Failure> {
        let mut config = self.config.clone();
        config.cluster_url = proxy_url(&config.cluster_url.to_string(), cluster)
            .parse()
            .context("the proxy's URL cannot be made of the control plane's")?;
        let client = Client::try_from(config).map_err(anyhow::Error::from)?;
        match client.apiserver_version().await {
            Ok(_) => Ok(Objects::new(client, format!("cluster {cluster}"))),
            Err(kube::Error::Api(status)) if status.code == StatusCode::NOT_FOUND.as_u16() => {
                Err(Failure::refused(
                    Reason::ClusterUnknown,
                    format!(
                        "Karmada knows no cluster {cluster}; `kubectl get clusters` lists those \
                         that have joined"
                    ),
                ))
            }
            Err(error) => Err(anyhow::Error::from(error)
                .context(format!(
                    "cluster {cluster} cannot be reached through Karmada's cluster proxy"
                ))
                .into()),
        }
    }

    /// A member's objects, by a kubeconfig of its own.
    pub(crate) async fn direct(
        kubeconfig: &Path,
        context: Option<&str>,
        cluster: &str,
    ) -> anyhow::Result<Objects> {
        let options = KubeConfigOptions {
            context: context.map(str::to_owned),
            ..KubeConfigOptions::default()
        };
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        let client = Client::try_from(config)?;
        Ok(Objects::new(client, format!("cluster {cluster}")))
    }

    /// Who the caller is, as the control plane says: whoever asks for something is who must be
    /// allowed to have it.
    pub(crate) async fn requester(&self) -> anyhow::Result<Requester> {
        access::myself(&self.control_plane).await.with_context(|| {
            format!(
                "the control plane at {} does not say who you are",
                self.config.cluster_url
            )
        })
    }

    /// Whether the control plane knows Promotions at all.
    pub(crate) async fn check_promotions(&self) -> anyhow::Result<()> {
        let answer = self
            .control_plane
            .client()
            .list_api_group_resources("promote.karmada.io/v1alpha1")
            .await;
        match answer {
            Err(kube::Error::Api(status)) if status.code == StatusCode::NOT_FOUND.as_u16() => {
                bail!(
                    "the control plane at {} knows no Promotions: install the promoter into it, with \
                 its chart's CustomResourceDefinitions, and see that the kubeconfig's context is \
                 that of the Karmada control plane",
                    self.config.cluster_url
                )
            }
            Err(error) => {
                Err(error).with_context(|| format!("control plane at {}", self.config.cluster_url))
            }
            Ok(_) => Ok(()),
        }
    }
}

/// Source: Karmada's `pkg/apis/cluster/v1alpha1`, the `proxy` subresource of Clusters.
fn proxy_url(control_plane: &str, cluster: &str) -> String {
    format!(
        "{}/apis/cluster.karmada.io/v1alpha1/clusters/{cluster}/proxy",
        control_plane.trim_end_matches('/')
    )
}

/// The kubeconfig that was named, or those of `KUBECONFIG`, or the one in the home folder.
///
/// As with kubectl, files of a list that do not exist are passed over.
fn kubeconfig(named: Option<&Path>) -> anyhow::Result<Kubeconfig> {
    if let Some(path) = named {
        return Ok(Kubeconfig::read_from(path)?);
    }
    let Some(list) = env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) else {
        let path = env::home_dir().map(|home| home.join(".kube/config"));
        return match path.filter(|path| path.exists()) {
            Some(path) => Ok(Kubeconfig::read_from(path)?),
            None => Ok(Kubeconfig::default()),
        };
    };
    let merged = env::split_paths(&list)
        .filter(|path| path.exists())
        .try_fold(Kubeconfig::default(), |merged, path| {
            merged.merge(Kubeconfig::read_from(path)?)
        })?;
    Ok(merged)
}

/// Reduces a kubeconfig to the one context that the flags choose, with what they override.
fn choose(kubeconfig: Kubeconfig, flags: &arguments::Connection) -> anyhow::Result<Kubeconfig> {
    const CHOSEN: &str = "chosen";
    let context = match flags
        .context
        .as_ref()
        .or(kubeconfig.current_context.as_ref())
    {
        Some(name) => kubeconfig
            .contexts
            .iter()
            .find(|context| context.name == *name)
            .and_then(|context| context.context.clone())
            .with_context(|| format!("the kubeconfig has no context {name:?}"))?,
        None if flags.server.is_some() => Context::default(),
        None => bail!(
            "there is no kubeconfig, or it has no current context: name one of the Karmada \
             control plane by --kubeconfig or KUBECONFIG, and a context by --context"
        ),
    };
    let mut cluster = kubeconfig
        .clusters
        .into_iter()
        .find(|cluster| cluster.name == context.cluster)
        .and_then(|cluster| cluster.cluster)
        .unwrap_or_default();
    let user = flags.user.as_ref().or(context.user.as_ref());
    let mut auth_info = match user {
        Some(name) => {
            let found = kubeconfig
                .auth_infos
                .into_iter()
                .find(|user| user.name == *name)
                .and_then(|user| user.auth_info);
            if found.is_none() && flags.user.is_some() {
                bail!("the kubeconfig has no user {name:?}");
            }
            found.unwrap_or_default()
        }
        None => AuthInfo::default(),
    };
    override_cluster(&mut cluster, flags);
    override_user(&mut auth_info, flags);
    let namespace = flags.namespace.clone().or(context.namespace);
    let context = Context {
        cluster: CHOSEN.to_owned(),
        user: Some(CHOSEN.to_owned()),
        namespace,
        ..Context::default()
    };
    Ok(Kubeconfig {
        clusters: vec![NamedCluster {
            name: CHOSEN.to_owned(),
            cluster: Some(cluster),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: CHOSEN.to_owned(),
            auth_info: Some(auth_info),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: CHOSEN.to_owned(),
            context: Some(context),
            ..NamedContext::default()
        }],
        current_context: Some(CHOSEN.to_owned()),
        ..Kubeconfig::default()
    })
}

fn override_cluster(cluster: &mut Cluster, flags: &arguments::Connection) {
    if flags.server.is_some() {
        cluster.server.clone_from(&flags.server);
    }
    if let Some(path) = &flags.certificate_authority {
        cluster.certificate_authority = Some(path.display().to_string());
        cluster.certificate_authority_data = None;
    }
    if flags.tls_server_name.is_some() {
        cluster.tls_server_name.clone_from(&flags.tls_server_name);
    }
    if let Some(skip) = flags.insecure_skip_tls_verify {
        cluster.insecure_skip_tls_verify = Some(skip);
    }
}

fn override_user(user: &mut AuthInfo, flags: &arguments::Connection) {
    if let Some(token) = &flags.token {
        // Whoever gives a token wants to be its user, not that of a certificate beside it.
        *user = AuthInfo {
            token: Some(token.clone().into()),
            ..AuthInfo::default()
        };
    }
    if let Some(path) = &flags.client_certificate {
        user.client_certificate = Some(path.display().to_string());
        user.client_certificate_data = None;
    }
    if let Some(path) = &flags.client_key {
        user.client_key = Some(path.display().to_string());
        user.client_key_data = None;
    }
    if flags.as_user.is_some() {
        user.impersonate.clone_from(&flags.as_user);
        user.impersonate_groups = (!flags.as_group.is_empty()).then(|| flags.as_group.clone());
        user.impersonate_uid.clone_from(&flags.as_uid);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::Arguments;

    const TWO: &str = "
apiVersion: v1
kind: Config
current-context: karmada
clusters:
- {name: karmada, cluster: {server: 'https://karmada:5443', certificate-authority-data: QQ==}}
- {name: member, cluster: {server: 'https://member:6443'}}
contexts:
- {name: karmada, context: {cluster: karmada, user: admin, namespace: shop}}
- {name: member, context: {cluster: member, user: admin}}
users:
- {name: admin, user: {client-certificate-data: QQ==, client-key-data: QQ==}}
- {name: guest, user: {token: abc}}
";

    fn chosen(kubeconfig: &str, flags: &str) -> anyhow::Result<(Cluster, AuthInfo, Context)> {
        let words = ["kubectl-promote", "status"].into_iter();
        let flags = Arguments::parse_from(words.chain(flags.split_whitespace())).connection;
        let chosen = choose(Kubeconfig::from_yaml(kubeconfig)?, &flags)?;
        let cluster = chosen.clusters[0].cluster.clone().unwrap();
        let user = chosen.auth_infos[0].auth_info.clone().unwrap();
        Ok((cluster, user, chosen.contexts[0].context.clone().unwrap()))
    }

    #[test]
    fn the_current_context_counts_unless_another_is_named() {
        let (cluster, user, context) = chosen(TWO, "").unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://karmada:5443"));
        assert_eq!(context.namespace.as_deref(), Some("shop"));
        assert!(user.client_certificate_data.is_some());

        let (cluster, user, context) = chosen(TWO, "--context member --user guest -n web").unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://member:6443"));
        assert_eq!(context.namespace.as_deref(), Some("web"));
        assert!(user.token.is_some());

        for flags in ["--context nope", "--user nope"] {
            let error = chosen(TWO, flags).unwrap_err().to_string();
            assert!(error.contains("\"nope\""), "{error}");
        }
    }

    #[test]
    fn a_token_takes_the_place_of_every_other_credential() {
        let (_, user, _) = chosen(TWO, "--token abc --as alice --as-group web").unwrap();
        assert!(user.token.is_some());
        assert!(user.client_certificate_data.is_none());
        assert_eq!(user.impersonate.as_deref(), Some("alice"));
        assert_eq!(user.impersonate_groups, Some(vec!["web".to_owned()]));
    }

    #[test]
    fn a_server_needs_no_kubeconfig() {
        let (cluster, ..) = chosen("", "-s https://x:1 --insecure-skip-tls-verify").unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://x:1"));
        assert_eq!(cluster.insecure_skip_tls_verify, Some(true));
        let error = chosen("", "").unwrap_err().to_string();
        assert!(error.contains("--kubeconfig"), "{error}");
    }

    #[test]
    fn a_member_is_behind_the_control_plane() {
        let path = "/apis/cluster.karmada.io/v1alpha1/clusters/member1/proxy";
        for url in ["https://karmada:5443/", "https://rancher/k8s/karmada"] {
            let expected = format!("{}{path}", url.trim_end_matches('/'));
            assert_eq!(proxy_url(url, "member1"), expected);
        }
    }
}
