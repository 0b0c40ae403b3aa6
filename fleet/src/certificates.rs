//! The certificates of one cluster: an authority of its own, so that no credential of one cluster
//! is good in another, and what it signs.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The cryptography refused.
    #[error("cannot make the certificate of {subject}")]
    Make {
        /// Whose certificate.
        subject: String,
        /// Why.
        source: rcgen::Error,
    },
    /// What was made before is not there.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The disk refused.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Signs the certificates of one cluster.
pub(crate) struct Authority {
    certificate: String,
    key: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// What a server answers to in this fleet: the names that its own API server knows it by too.
const SERVER_NAMES: [&str; 5] = [
    "localhost",
    "127.0.0.1",
    "kubernetes.default.svc",
    "karmada-aggregated-apiserver.karmada-system.svc",
    "karmada-webhook.karmada-system.svc",
];

impl Authority {
    pub(crate) fn new(cluster: &str) -> Result<Self, CertificateError> {
        let subject = subject(cluster);
        make(&subject, || {
            let key = KeyPair::generate()?;
            let parameters = parameters(&subject);
            Ok(Self {
                certificate: parameters.self_signed(&key)?.pem(),
                key: key.serialize_pem(),
                issuer: Issuer::new(parameters, key),
            })
        })
    }

    /// The authority of a cluster that was made before.
    pub(crate) fn found(cluster: &str, pair: Pair) -> Result<Self, CertificateError> {
        let subject = subject(cluster);
        make(&subject, || {
            let key = KeyPair::from_pem(&pair.key)?;
            Ok(Self {
                issuer: Issuer::new(parameters(&subject), key),
                certificate: pair.certificate,
                key: pair.key,
            })
        })
    }

    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    pub(crate) fn pair(&self) -> Pair {
        Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
        }
    }

    /// A certificate for a user in a group.
    pub(crate) fn client(&self, user: &str, group: Option<&str>) -> Result<Pair, CertificateError> {
        make(user, || {
            let mut parameters = CertificateParams::default();
            parameters.distinguished_name.push(DnType::CommonName, user);
            if let Some(group) = group {
                parameters
                    .distinguished_name
                    .push(DnType::OrganizationName, group);
            }
            self.sign(parameters, ExtendedKeyUsagePurpose::ClientAuth)
        })
    }

    /// A certificate for every server of the cluster.
    pub(crate) fn server(&self) -> Result<Pair, CertificateError> {
        self.server_with(None)
    }

    /// A certificate for one more server, which may be the Service of its name in the namespace
    /// `default`, too.
    pub(crate) fn server_named(&self, name: &str) -> Result<Pair, CertificateError> {
        self.server_with(Some(format!("{name}.default.svc")))
    }

    fn server_with(&self, name: Option<String>) -> Result<Pair, CertificateError> {
        make("the servers", || {
            let names = SERVER_NAMES.map(String::from).into_iter().chain(name);
            let parameters = CertificateParams::new(names.collect::<Vec<_>>())?;
            self.sign(parameters, ExtendedKeyUsagePurpose::ServerAuth)
        })
    }

    fn sign(
        &self,
        mut parameters: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Pair, rcgen::Error> {
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![usage];
        parameters.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        Ok(Pair {
            certificate: parameters.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn subject(cluster: &str) -> String {
    format!("{cluster}-authority")
}

fn parameters(subject: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters
        .distinguished_name
        .push(DnType::CommonName, subject);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    parameters
}

/// A key pair without a certificate, for service account tokens: public key and private key.
pub(crate) fn token_keys() -> Result<(String, String), CertificateError> {
    make("the service accounts", || {
        let key = KeyPair::generate()?;
        Ok((key.public_key_pem(), key.serialize_pem()))
    })
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, contents: &str) -> Result<(), CertificateError> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(contents.as_bytes()))
        .map_err(|source| CertificateError::Write {
            path: path.to_path_buf(),
            source,
        })
}

fn make<T>(
    subject: &str,
    making: impl FnOnce() -> Result<T, rcgen::Error>,
) -> Result<T, CertificateError> {
    making().map_err(|source| CertificateError::Make {
        subject: subject.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_signs_users_and_servers() {
        let authority = Authority::new("member1").unwrap();
        let user = authority
            .client("system:admin", Some("system:masters"))
            .unwrap();
        let server = authority.server().unwrap();
        for pair in [&user, &server, &authority.pair()] {
            assert!(pair.certificate.starts_with("-----BEGIN CERTIFICATE-----"));
            assert!(pair.key.starts_with("-----BEGIN PRIVATE KEY-----"));
        }
        assert_ne!(user.key, server.key);
    }

    #[test]
    fn token_keys_are_a_public_and_a_private_one() {
        let (public, private) = token_keys().unwrap();
        assert!(public.starts_with("-----BEGIN PUBLIC KEY-----"));
        assert!(private.starts_with("-----BEGIN PRIVATE KEY-----"));
    }
}
