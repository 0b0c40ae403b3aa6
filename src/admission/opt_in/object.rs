//! As much of a Deployment or Namespace as is decided on, borrowed from the request.

use std::{borrow::Cow, fmt};

use promoter_api::marks;
use promoter_domain::verdict::SubjectKind;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// An object's part in opting in.
#[derive(Default)]
pub(super) struct Object<'a> {
    /// Whether it has annotations at all.
    pub(super) annotated: bool,
    /// Whether it is being deleted.
    pub(super) deleting: bool,
    /// Its name, and empty where it has none yet.
    pub(super) name: Cow<'a, str>,
    /// Who asked.
    pub(super) stamp: Option<Cow<'a, str>>,
    /// What it says about promotion.
    pub(super) value: Option<Cow<'a, str>>,
}

impl<'a> Object<'a> {
    /// Reads an object; one that is not there says nothing.
    pub(super) fn read(
        object: Option<&'a RawValue>,
        kind: SubjectKind,
    ) -> Result<Self, serde_json::Error> {
        let Some(object) = object else {
            return Ok(Self::default());
        };
        let Whole { metadata } = serde_json::from_str(object.get())?;
        let annotated = metadata.annotations.is_some();
        let annotations = metadata.annotations.unwrap_or_default();
        let value = match kind {
            SubjectKind::Deployment => annotations.enabled,
            SubjectKind::Namespace => metadata.labels.unwrap_or_default().enabled,
        };
        Ok(Self {
            annotated,
            deleting: metadata.deletion_timestamp.is_some(),
            name: metadata.name,
            stamp: annotations.requested_by,
            value,
        })
    }
}

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
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

/// Our labels or annotations of an object. The others may be long, and are passed over.
#[derive(Default)]
struct Marks<'a> {
    enabled: Option<Cow<'a, str>>,
    requested_by: Option<Cow<'a, str>>,
}

/// A text that is borrowed where it can be.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

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
            let mark = match &*key {
                marks::ENABLED => &mut marks.enabled,
                marks::REQUESTED_BY => &mut marks.requested_by,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let Text(text) = map.next_value()?;
            *mark = Some(text);
        }
        Ok(marks)
    }
}
