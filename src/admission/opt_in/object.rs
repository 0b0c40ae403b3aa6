//! As much of a Deployment or Namespace as is decided on, borrowed from the request.
//!
//! Each is read in two ways, by `serde_json` and by a [`Reader`]. They come to the same, unless a key
//! is there twice where nothing is looked for any more; no API server writes such an object.

use std::{borrow::Cow, fmt};

use promoter_api::marks;
use promoter_domain::verdict::SubjectKind;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use crate::json::{Reader, Skim, Text, Unusual, once};

/// An object's part in opting in.
#[derive(Deserialize)]
pub(crate) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

/// What an object's part was.
#[derive(Deserialize)]
pub(crate) struct OldObject<'a> {
    #[serde(borrow)]
    metadata: OldMetadata<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    annotations: Option<Marks<'a>>,
    deletion_timestamp: Option<IgnoredAny>,
    #[serde(borrow)]
    labels: Option<Marks<'a>>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct OldMetadata<'a> {
    #[serde(borrow)]
    annotations: Option<Marks<'a>>,
    #[serde(borrow)]
    labels: Option<Marks<'a>>,
}

/// Our labels or annotations of an object. The others may be long, and are passed over.
#[derive(Default)]
struct Marks<'a> {
    enabled: Option<Cow<'a, str>>,
    requested_by: Option<Cow<'a, str>>,
}

impl Object<'_> {
    /// Whether it has annotations at all.
    pub(super) const fn is_annotated(&self) -> bool {
        self.metadata.annotations.is_some()
    }

    /// Whether it is being deleted.
    pub(super) const fn is_going(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Its name, and empty where it has none yet.
    pub(super) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Who asked.
    pub(super) fn stamp(&self) -> Option<&str> {
        let annotations = self.metadata.annotations.as_ref()?;
        annotations.requested_by.as_deref()
    }

    /// What it says about promotion.
    pub(super) fn value(&self, kind: SubjectKind) -> Option<&str> {
        let metadata = &self.metadata;
        enabled(
            kind,
            metadata.annotations.as_ref(),
            metadata.labels.as_ref(),
        )
    }
}

impl OldObject<'_> {
    /// Who had asked.
    pub(super) fn stamp(&self) -> Option<&str> {
        let annotations = self.metadata.annotations.as_ref()?;
        annotations.requested_by.as_deref()
    }

    /// What it said about promotion.
    pub(super) fn value(&self, kind: SubjectKind) -> Option<&str> {
        let metadata = &self.metadata;
        enabled(
            kind,
            metadata.annotations.as_ref(),
            metadata.labels.as_ref(),
        )
    }
}

/// A Deployment opts in by an annotation, a Namespace by a label.
fn enabled<'m>(
    kind: SubjectKind,
    annotations: Option<&'m Marks<'_>>,
    labels: Option<&'m Marks<'_>>,
) -> Option<&'m str> {
    let marks = match kind {
        SubjectKind::Deployment => annotations,
        SubjectKind::Namespace => labels,
    };
    marks?.enabled.as_deref()
}

impl<'a> Skim<'a> for Object<'a> {
    fn skim(reader: &mut Reader<'a>) -> Result<Self, Unusual> {
        let mut metadata = None;
        reader.enter()?;
        while let Some(key) = reader.key()? {
            if key == b"metadata" {
                once(&mut metadata, Metadata::skim(reader)?)?;
            } else {
                reader.jump()?;
            }
        }
        let metadata = metadata.ok_or(Unusual)?;
        Ok(Self { metadata })
    }
}

impl<'a> Skim<'a> for OldObject<'a> {
    /// It is the last that is read: what comes after its metadata is left.
    fn skim(reader: &mut Reader<'a>) -> Result<Self, Unusual> {
        reader.enter()?;
        while let Some(key) = reader.key()? {
            if key == b"metadata" {
                let metadata = OldMetadata::skim(reader)?;
                return Ok(Self { metadata });
            }
            reader.jump()?;
        }
        Err(Unusual)
    }
}

impl<'a> Skim<'a> for Metadata<'a> {
    fn skim(reader: &mut Reader<'a>) -> Result<Self, Unusual> {
        let (mut annotations, mut labels) = (None, None);
        let (mut deletion_timestamp, mut name) = (None, None);
        reader.enter()?;
        while let Some(key) = reader.key()? {
            match key {
                b"annotations" => once(&mut annotations, reader.optional()?)?,
                b"deletionTimestamp" => once(&mut deletion_timestamp, reader.value()?)?,
                b"labels" => once(&mut labels, reader.optional()?)?,
                b"name" => once(&mut name, reader.text()?)?,
                _ => {
                    reader.jump()?;
                }
            }
        }
        Ok(Self {
            annotations: annotations.flatten(),
            deletion_timestamp: deletion_timestamp.flatten(),
            labels: labels.flatten(),
            name: name.unwrap_or_default(),
        })
    }
}

impl<'a> Skim<'a> for OldMetadata<'a> {
    /// As soon as both are known, managed fields and the whole object are left behind.
    fn skim(reader: &mut Reader<'a>) -> Result<Self, Unusual> {
        let (mut annotations, mut labels) = (None, None);
        reader.enter()?;
        while annotations.is_none() || labels.is_none() {
            match reader.key()? {
                Some(b"annotations") => once(&mut annotations, reader.optional()?)?,
                Some(b"labels") => once(&mut labels, reader.optional()?)?,
                Some(_) => {
                    reader.jump()?;
                }
                None => break,
            }
        }
        Ok(Self {
            annotations: annotations.flatten(),
            labels: labels.flatten(),
        })
    }
}

impl<'a> Skim<'a> for Marks<'a> {
    fn skim(reader: &mut Reader<'a>) -> Result<Self, Unusual> {
        let mut marks = Self::default();
        reader.enter()?;
        while let Some(key) = reader.key()? {
            match marks.of(key) {
                Some(mark) => *mark = Some(reader.text()?),
                None => {
                    reader.jump()?;
                }
            }
        }
        Ok(marks)
    }
}

impl<'a> Marks<'a> {
    /// Where the value of a key of ours is noted.
    fn of(&mut self, key: &[u8]) -> Option<&mut Option<Cow<'a, str>>> {
        if key == marks::ENABLED.as_bytes() {
            Some(&mut self.enabled)
        } else if key == marks::REQUESTED_BY.as_bytes() {
            Some(&mut self.requested_by)
        } else {
            None
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Marks<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MarksVisitor)
    }
}

struct MarksVisitor;

impl<'de> Visitor<'de> for MarksVisitor {
    type Value = Marks<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("labels or annotations")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut marks = Marks::default();
        while let Some(Text(key)) = map.next_key()? {
            if let Some(mark) = marks.of(key.as_bytes()) {
                let Text(text) = map.next_value()?;
                *mark = Some(text);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(marks)
    }
}
