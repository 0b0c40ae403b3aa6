//! The certificates and kubeconfigs of one cluster, as files that its components read.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    certificates::{Authority, CertificateError, Pair, token_keys, write_private},
    kubeconfig,
    layout::Layout,
};

/// The name of the control plane among the clusters of a fleet.
pub(crate) const KARMADA: &str = "karmada";

/// The name of the host cluster.
pub(crate) const HOST: &str = "host";

/// Karmada's cluster proxy impersonates by user name, and only names that are bound to
/// `clusters/proxy` reach the members: the binding that Karmada ships is for this one.
const ADMINISTRATOR: &str = "system:admin";
const MASTERS: &str = "system:masters";

pub(crate) struct ClusterFiles {
    pub(crate) name: String,
    folder: PathBuf,
    administrator: PathBuf,
    authority: String,
}

impl ClusterFiles {
    /// Makes all of a cluster's certificates, and its kubeconfigs for an API server on `port`.
    pub(crate) fn create(layout: &Layout, name: &str, port: u16) -> Result<Self, CertificateError> {
        let folder = layout.certificates(name);
        std::fs::create_dir_all(&folder).map_err(|source| CertificateError::Write {
            path: folder.clone(),
            source,
        })?;
        let authority = Authority::new(name)?;
        let files = Self {
            name: name.into(),
            folder,
            administrator: layout.kubeconfig(name),
            authority: authority.certificate().into(),
        };
        files.write_pair("ca", &authority.pair())?;
        // These names are looked for by controller-runtime in karmada-webhook's --cert-dir.
        files.write_pair("tls", &authority.server()?)?;
        files.write_pair(
            "front-proxy",
            &authority.client("front-proxy-client", None)?,
        )?;
        let (public, private) = token_keys()?;
        write_private(&files.token_public_key(), &public)?;
        write_private(&files.token_private_key(), &private)?;
        let write_kubeconfig = |path: &Path, user: &str, group: Option<&str>| {
            let pair = authority.client(user, group)?;
            let text = kubeconfig::render(name, user, port, &files.authority, &pair);
            write_private(path, &text)
        };
        write_kubeconfig(&files.administrator, ADMINISTRATOR, Some(MASTERS))?;
        // Controllers have identities of their own, as in a real cluster: admission tells by them.
        for user in [CONTROLLER_MANAGER, SCHEDULER] {
            write_kubeconfig(&files.kubeconfig_of(user), user, None)?;
        }
        write_kubeconfig(&files.kubeconfig_of(KWOK), KWOK, Some(MASTERS))?;
        Ok(files)
    }

    /// The kubeconfig of one more user of a cluster, made unless it is there.
    pub(crate) fn add_user(
        layout: &Layout,
        name: &str,
        port: u16,
        user: &str,
        group: Option<&str>,
    ) -> Result<PathBuf, CertificateError> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);

        let path = layout.kubeconfig(&format!("{name}-{}", user.replace([':', '/'], "-")));
        if path.exists() {
            return Ok(path);
        }
        let authority = Self::authority_of(layout, name)?;
        let pair = authority.client(user, group)?;
        let text = kubeconfig::render(name, user, port, authority.certificate(), &pair);
        // Nobody who looks for it at the same time reads half of it.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let unfinished = path.with_extension(format!("{}-{count}", std::process::id()));
        write_private(&unfinished, &text)?;
        std::fs::rename(&unfinished, &path).map_err(|source| CertificateError::Write {
            path: path.clone(),
            source,
        })?;
        Ok(path)
    }

    /// Makes a certificate for one more server: the files of the certificate and of its key.
    pub(crate) fn add_server(
        layout: &Layout,
        name: &str,
        server: &str,
    ) -> Result<(PathBuf, PathBuf), CertificateError> {
        let pair = Self::authority_of(layout, name)?.server_named(server)?;
        let file = |end| layout.certificates(name).join(format!("{server}.{end}"));
        let (certificate, key) = (file("crt"), file("key"));
        write_private(&certificate, &pair.certificate)?;
        write_private(&key, &pair.key)?;
        Ok((certificate, key))
    }

    /// The file with a cluster's authority.
    pub(crate) fn authority_file(layout: &Layout, name: &str) -> PathBuf {
        layout.certificates(name).join("ca.crt")
    }

    fn authority_of(layout: &Layout, name: &str) -> Result<Authority, CertificateError> {
        let read = |path: PathBuf| {
            std::fs::read_to_string(&path).map_err(|source| CertificateError::Read { path, source })
        };
        let pair = Pair {
            certificate: read(Self::authority_file(layout, name))?,
            key: read(layout.certificates(name).join("ca.key"))?,
        };
        Authority::found(name, pair)
    }

    /// The administrator's kubeconfig.
    pub(crate) fn administrator(&self) -> &Path {
        &self.administrator
    }

    /// The cluster's authority, in PEM.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn kubeconfig_of(&self, user: &str) -> PathBuf {
        self.folder
            .join(format!("{}.yaml", user.trim_start_matches("system:")))
    }

    pub(super) fn certificate(&self, of: &str) -> PathBuf {
        self.folder.join(format!("{of}.crt"))
    }

    pub(super) fn key(&self, of: &str) -> PathBuf {
        self.folder.join(format!("{of}.key"))
    }

    pub(super) fn token_public_key(&self) -> PathBuf {
        self.folder.join("service-accounts.pub")
    }

    pub(super) fn token_private_key(&self) -> PathBuf {
        self.folder.join("service-accounts.key")
    }

    fn write_pair(&self, name: &str, pair: &Pair) -> Result<(), CertificateError> {
        write_private(&self.certificate(name), &pair.certificate)?;
        write_private(&self.key(name), &pair.key)
    }
}

pub(super) const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";
pub(super) const SCHEDULER: &str = "system:kube-scheduler";
pub(super) const KWOK: &str = "kwok";
