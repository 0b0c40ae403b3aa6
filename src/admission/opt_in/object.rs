//! As much of a Deployment or Namespace as is decided on, borrowed from the request.

use std::{borrow::Cow, fmt};

use promoter_api::marks;
use promoter_domain::verdict::SubjectKind;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

/// An object's part in opting in.
#[derive(Deserialize)]
pub(crate) struct Object<'a> {
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
        let marks = match kind {
            SubjectKind::Deployment => metadata.annotations.as_ref(),
            SubjectKind::Namespace => metadata.labels.as_ref(),
        };
        marks?.enabled.as_deref()
    }
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
