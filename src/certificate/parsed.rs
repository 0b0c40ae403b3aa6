//! What is read of a certificate.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use x509_parser::{
    extensions::GeneralName,
    parse_x509_certificate,
    pem::Pem,
    prelude::{ASN1Time, X509Certificate},
};

/// A certificate, as far as something depends on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) der: Vec<u8>,
    pub(crate) is_authority: bool,
    /// The hosts that it is for, as [`canonical`] has them.
    pub(crate) names: Vec<String>,
    pub(crate) not_after: Timestamp,
    pub(crate) not_before: Timestamp,
    /// The public key with its algorithm, in DER.
    pub(crate) public_key: Vec<u8>,
}

impl Parsed {
    /// Every certificate of a text, or nothing where one of them is none.
    pub(crate) fn all(pem: &str) -> Option<Vec<Self>> {
        let blocks = Pem::iter_from_buffer(pem.as_bytes());
        let blocks: Result<Vec<_>, _> = blocks.collect();
        blocks.ok()?.into_iter().map(Self::of).collect()
    }

    fn of(block: Pem) -> Option<Self> {
        if block.label != "CERTIFICATE" {
            return None;
        }
        let (_, certificate) = parse_x509_certificate(&block.contents).ok()?;
        let date = |date: ASN1Time| Timestamp::from_second(date.timestamp()).ok();
        let validity = certificate.validity();
        let (not_after, not_before) = (date(validity.not_after)?, date(validity.not_before)?);
        Some(Self {
            is_authority: certificate.is_ca(),
            names: names(&certificate),
            not_after,
            not_before,
            public_key: certificate.public_key().raw.to_vec(),
            der: block.contents,
        })
    }

    pub(crate) fn is_signed_by(&self, authority: &Self) -> bool {
        let ours = parse_x509_certificate(&self.der);
        let authority = parse_x509_certificate(&authority.der);
        let (Ok((_, ours)), Ok((_, authority))) = (ours, authority) else {
            return false;
        };
        ours.issuer() == authority.subject()
            && ours.verify_signature(Some(authority.public_key())).is_ok()
    }

    /// When two thirds of its life are over.
    pub(crate) fn due(&self) -> Timestamp {
        let life = self.not_after.duration_since(self.not_before);
        self.not_after - life / 3
    }

    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.due()
    }

    /// Whether it is over before so much time is.
    pub(crate) fn ends_within(&self, time: SignedDuration, now: Timestamp) -> bool {
        self.not_after.duration_since(now) <= time
    }

    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.not_after
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(canonical(name)),
            GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// A host's name or address, in the one form of those that mean the same.
pub(crate) fn canonical(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => name.to_ascii_lowercase(),
    }
}

/// The parts of a text in PEM, each by itself.
pub(crate) fn blocks(pem: &str) -> Vec<&str> {
    const BEGIN: &str = "-----BEGIN ";
    let places: Vec<usize> = pem.match_indices(BEGIN).map(|(place, _)| place).collect();
    let ends = places.iter().skip(1).copied().chain([pem.len()]);
    let ranges = places.iter().zip(ends);
    ranges.map(|(&from, to)| &pem[from..to]).collect()
}
