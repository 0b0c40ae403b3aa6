//! New authorities and certificates: ECDSA on P-256, which costs a server the least.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::OffsetDateTime;

use crate::{
    contents::{Contents, Signer},
    parsed::{Parsed, blocks},
};

/// How long an authority is good for.
pub const AUTHORITY_LIFE: SignedDuration = days(3650);

/// How long a certificate is good for.
pub const CERTIFICATE_LIFE: SignedDuration = days(90);

/// How much earlier than now both begin: clocks differ.
pub const BACKDATED: SignedDuration = SignedDuration::from_hours(1);

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
#[error("no certificate can be made: {0}")]
pub struct Error(#[from] rcgen::Error);

/// A certificate and its key, in PEM.
struct Issued {
    certificate: String,
    key: String,
}

/// An authority, and a certificate for these names.
pub fn begin(names: &[String], now: Timestamp) -> Result<Contents, Error> {
    let Issued { certificate, key } = authority(now)?;
    let issued = certificate_by(&certificate, &key, names, now)?;
    Ok(Contents {
        authorities: certificate,
        authority_keys: key,
        certificate: issued.certificate,
        key: issued.key,
    })
}

/// One authority more, which is to sign later. The certificate stays, and so do the keys of those
/// that sign until then.
pub fn add_authority(contents: &Contents, now: Timestamp) -> Result<Contents, Error> {
    let Issued { certificate, key } = authority(now)?;
    let authorities = contents.authorities(now);
    let keys = authorities
        .iter()
        .filter_map(|authority| contents.key_of(authority));
    Ok(Contents {
        authorities: format!("{certificate}{}", contents.authorities),
        authority_keys: [key.as_str()].into_iter().chain(keys).collect(),
        ..contents.clone()
    })
}

/// A new certificate.
pub fn renew(
    contents: &Contents,
    by: Signer,
    names: &[String],
    now: Timestamp,
) -> Result<Contents, Error> {
    let signer = contents.signer(by, now);
    let is_signer = |block: &&str| Parsed::all(block).and_then(|mut all| all.pop()) == signer;
    let authority = blocks(&contents.authorities).into_iter().find(is_signer);
    let key = signer.as_ref().and_then(|signer| contents.key_of(signer));
    // Without either, the error says so.
    let (authority, key) = (authority.unwrap_or_default(), key.unwrap_or_default());
    let issued = certificate_by(authority, key, names, now)?;
    Ok(Contents {
        certificate: issued.certificate,
        key: issued.key,
        ..contents.clone()
    })
}

fn authority(now: Timestamp) -> Result<Issued, Error> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::default();
    // Whoever looks at two of them wants to tell them apart.
    let name = format!("karmada-promoter authority of {now:.0}");
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (parameters.not_before, parameters.not_after) = life(now, AUTHORITY_LIFE)?;
    Ok(Issued {
        certificate: parameters.self_signed(&key)?.pem(),
        key: key.serialize_pem(),
    })
}

/// A certificate that `authority` signs.
fn certificate_by(
    authority: &str,
    authority_key: &str,
    names: &[String],
    now: Timestamp,
) -> Result<Issued, Error> {
    let issuer = Issuer::from_ca_cert_pem(authority, KeyPair::from_pem(authority_key)?)?;
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(names)?;
    let name = "karmada-promoter webhook";
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.use_authority_key_identifier_extension = true;
    (parameters.not_before, parameters.not_after) = life(now, CERTIFICATE_LIFE)?;
    Ok(Issued {
        certificate: parameters.signed_by(&key, &issuer)?.pem(),
        key: key.serialize_pem(),
    })
}

fn life(now: Timestamp, life: SignedDuration) -> Result<(OffsetDateTime, OffsetDateTime), Error> {
    let date = |offset: SignedDuration| {
        let date = now.as_second().saturating_add(offset.as_secs());
        OffsetDateTime::from_unix_timestamp(date).map_err(|_| Error(rcgen::Error::Time))
    };
    Ok((date(-BACKDATED)?, date(life)?))
}

const fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}
