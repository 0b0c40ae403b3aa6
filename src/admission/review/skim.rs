//! Reviews in the form in which API servers write them, of which not all is read.
//!
//! The members of the review, of its request, and of an object and its metadata stand in the order
//! in which Go's types declare them: what is small, and who asks, before `object`, that before
//! `oldObject`, and in each object its metadata before all else, with labels and annotations before
//! the managed fields. So all that is decided on is known long before the end.
//!
//! Source: `k8s.io/api/admission/v1`, and `ObjectMeta` of `k8s.io/apimachinery`.

use std::borrow::Cow;

use super::{Answered, Kind, Operation, Outcome, Request, Username};
use crate::json::{Reader, Skim, Unusual, once};

/// How Go writes a review up to its request: the fields stand in the order of their declaration.
const HEAD: &[u8] = br#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":"#;

/// How it writes a review's end.
const TAIL: &[u8] = b"}}";

/// How the answer that allows is written, up to the uid.
const ALLOWED: &[u8] = br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"allowed":true,"uid":""#;

/// The request of a review, if that is written as API servers write it.
///
/// It is what `serde_json` would read of it, unless something is said twice, or what is jumped over or
/// left is no JSON. Where the API server has not chosen a name yet, there is none to be found, and
/// `serde_json` reads it all.
pub(crate) fn skim<'a, N, O, U>(body: &'a [u8]) -> Result<Request<'a, N, O, U>, Unusual>
where
    N: Skim<'a>,
    O: Skim<'a>,
    U: Skim<'a>,
{
    let request = body.strip_prefix(HEAD).ok_or(Unusual)?;
    if !request.trim_ascii_end().ends_with(TAIL) {
        return Err(Unusual);
    }
    Request::skim(&mut Reader::new(request))
}

impl<'a, N: Skim<'a>, O: Skim<'a>, U: Skim<'a>> Skim<'a> for Request<'a, N, O, U> {
    /// Not to its end: once all is known, the rest is of no interest.
    fn skim(reader: &mut Reader<'a>) -> Result<Self, Unusual> {
        let (mut uid, mut kind, mut name, mut namespace) = (None, None, None, None);
        let (mut operation, mut user_info, mut object) = (None, None, None);
        reader.enter()?;
        while let Some(key) = reader.key()? {
            match key {
                b"uid" => once(&mut uid, reader.text()?)?,
                b"kind" => once(&mut kind, Kind::skim(reader)?)?,
                b"name" => once(&mut name, reader.text()?)?,
                b"namespace" => once(&mut namespace, reader.text()?)?,
                b"operation" => once(&mut operation, Operation::skim(reader)?)?,
                b"userInfo" => once(&mut user_info, U::skim(reader)?)?,
                b"object" => once(&mut object, reader.optional()?)?,
                // All the others are declared before it. One that is missing could still come.
                b"oldObject" => {
                    return Ok(Self {
                        kind: kind.ok_or(Unusual)?,
                        name: name.ok_or(Unusual)?,
                        namespace: namespace.ok_or(Unusual)?,
                        object: object.ok_or(Unusual)?,
                        old_object: reader.optional()?,
                        operation: operation.ok_or(Unusual)?,
                        uid: uid
                            .filter(|uid: &Cow<'_, str>| !uid.is_empty())
                            .ok_or(Unusual)?,
                        user_info: user_info.ok_or(Unusual)?,
                    });
                }
                _ => {
                    reader.jump()?;
                }
            }
        }
        Err(Unusual)
    }
}

impl<'a> Skim<'a> for Kind<'a> {
    fn skim(reader: &mut Reader<'a>) -> Result<Self, Unusual> {
        let (mut group, mut kind) = (None, None);
        reader.enter()?;
        while let Some(key) = reader.key()? {
            match key {
                b"group" => once(&mut group, reader.text()?)?,
                b"kind" => once(&mut kind, reader.text()?)?,
                _ => {
                    reader.jump()?;
                }
            }
        }
        Ok(Self {
            group: group.unwrap_or_default(),
            kind: kind.unwrap_or_default(),
        })
    }
}

impl<'a> Skim<'a> for Operation {
    fn skim(reader: &mut Reader<'a>) -> Result<Self, Unusual> {
        Ok(match &*reader.text()? {
            "CREATE" => Self::Create,
            "UPDATE" => Self::Update,
            _ => Self::Other,
        })
    }
}

impl<'a> Skim<'a> for Username<'a> {
    fn skim(reader: &mut Reader<'a>) -> Result<Self, Unusual> {
        let mut username = None;
        reader.enter()?;
        while let Some(key) = reader.key()? {
            if key == b"username" {
                once(&mut username, reader.text()?)?;
            } else {
                reader.jump()?;
            }
        }
        Ok(Self {
            username: username.unwrap_or_default(),
        })
    }
}

/// Allows what a review asks without reading more of it than its beginning and its end; nothing
/// where it does not begin as an API server's reviews do.
///
/// For whoever has seen already that nothing in it concerns us. To read a review of 10 KB as JSON
/// takes longer than all else that is done for it.
pub(crate) fn allow_unread(body: &[u8]) -> Option<Answered> {
    let rest = body.strip_prefix(HEAD)?.strip_prefix(br#"{"uid":""#)?;
    let length = rest.iter().position(|&byte| byte == b'"')?;
    let (uid, rest) = rest.split_at(length);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    if uid.is_empty() || !uid.iter().all(plain) || !rest.trim_ascii_end().ends_with(TAIL) {
        return None;
    }
    Some(Answered {
        body: [ALLOWED, uid, br#""}}"#].concat(),
        outcome: Outcome::Allowed,
    })
}

#[cfg(test)]
mod tests;
