//! What is in the Secret, and whether it is of use.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use promoter_api::marks::{CERTIFICATE, CERTIFICATE_SELF_MANAGED};
use rcgen::{KeyPair, PublicKeyData as _};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use serde_json::{Value, json};

use crate::parsed::{Parsed, blocks, canonical};

const AUTHORITIES: &str = "ca.crt";
const AUTHORITY_KEYS: &str = "ca.key";
const CERTIFICATE_FILE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// The Secret is somebody else's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "it lacks the label {CERTIFICATE}={CERTIFICATE_SELF_MANAGED}, so that it is not ours, and is \
     left as it is; name another one, or delete it if nobody needs it"
)]
pub struct Foreign;

/// Everything in PEM; what is not there is empty.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Contents {
    /// The newest first, which is to sign. The others are still believed.
    pub(crate) authorities: String,
    /// The keys of those that can sign, the newest's first.
    pub(crate) authority_keys: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Which of several authorities signs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signer {
    /// The newest.
    Newest,
    /// The oldest of those that can.
    Oldest,
}

/// A certificate that a server may show.
pub(crate) struct Usable {
    /// What has signed it.
    pub(crate) authority: Parsed,
    pub(crate) by_newest: bool,
    pub(crate) certificate: Parsed,
}

impl Contents {
    /// What is in a Secret of ours. What cannot be read in it is as good as not there.
    pub fn of(secret: &Value) -> Result<Self, Foreign> {
        if secret["metadata"]["labels"][CERTIFICATE] != CERTIFICATE_SELF_MANAGED {
            return Err(Foreign);
        }
        let text = |key: &str| {
            let value = secret["data"][key].as_str().unwrap_or_default();
            let bytes = BASE64_STANDARD.decode(value).unwrap_or_default();
            String::from_utf8(bytes).unwrap_or_default()
        };
        Ok(Self {
            authorities: text(AUTHORITIES),
            authority_keys: text(AUTHORITY_KEYS),
            certificate: text(CERTIFICATE_FILE),
            key: text(KEY),
        })
    }

    /// The same, as a Secret has it in `data`.
    #[must_use]
    pub fn data(&self) -> Value {
        let encoded = |text: &str| BASE64_STANDARD.encode(text);
        json!({
            (AUTHORITIES): encoded(&self.authorities),
            (AUTHORITY_KEYS): encoded(&self.authority_keys),
            (CERTIFICATE_FILE): encoded(&self.certificate),
            (KEY): encoded(&self.key),
        })
    }

    /// The authorities that have not expired, the newest first.
    pub(crate) fn authorities(&self, now: Timestamp) -> Vec<Parsed> {
        let mut authorities = Parsed::all(&self.authorities).unwrap_or_default();
        authorities.retain(|authority| !authority.is_expired(now));
        authorities
    }

    /// The authority that is to sign, where it can.
    pub(crate) fn signer(&self, signer: Signer, now: Timestamp) -> Option<Parsed> {
        let mut authorities = Parsed::all(&self.authorities)?.into_iter();
        let can_sign = |authority: &Parsed| {
            authority.is_authority && !authority.is_expired(now) && self.key_of(authority).is_some()
        };
        match signer {
            Signer::Newest => authorities.next().filter(can_sign),
            Signer::Oldest => authorities.rfind(can_sign),
        }
    }

    /// The key of an authority, in PEM.
    pub(crate) fn key_of(&self, authority: &Parsed) -> Option<&str> {
        let keys = blocks(&self.authority_keys);
        keys.into_iter().find(|key| is_key_of(key, authority))
    }

    /// The certificate, where API servers can believe it for these names.
    pub(crate) fn usable(&self, names: &[String], now: Timestamp) -> Option<Usable> {
        let certificate = Parsed::all(&self.certificate)?.into_iter().next()?;
        let is_for = |name: &String| certificate.names.contains(&canonical(name));
        if certificate.is_expired(now)
            || !names.iter().all(is_for)
            || !is_key_of(&self.key, &certificate)
        {
            return None;
        }
        let authorities = self.authorities(now);
        let mut authorities = authorities.iter().enumerate();
        let (place, authority) =
            authorities.find(|(_, authority)| certificate.is_signed_by(authority))?;
        Some(Usable {
            authority: authority.clone(),
            by_newest: place == 0,
            certificate,
        })
    }

    /// The newest authority only, for when nobody needs the others any more.
    pub(crate) fn with_newest_only(&self) -> Self {
        let first = |pem: &str| blocks(pem).first().map_or(pem, |first| first).to_owned();
        Self {
            authorities: first(&self.authorities),
            authority_keys: first(&self.authority_keys),
            ..self.clone()
        }
    }

    /// What a server shows.
    pub(crate) fn certified_key(&self) -> Result<Arc<CertifiedKey>, rustls::Error> {
        let unreadable = |_| rustls::Error::General("the Secret has not the PEM expected".into());
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes());
        let chain: Result<Vec<_>, _> = chain.collect();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(unreadable)?;
        let provider = aws_lc_rs::default_provider();
        CertifiedKey::from_der(chain.map_err(unreadable)?, key, &provider).map(Arc::new)
    }
}

fn is_key_of(pem: &str, certificate: &Parsed) -> bool {
    KeyPair::from_pem(pem).is_ok_and(|key| key.subject_public_key_info() == certificate.public_key)
}
