//! What a container refers to: Secrets, ConfigMaps, and fields of its own pod.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::support::{Cluster, Kind};

/// The values of an object by their keys.
pub(super) type Values = BTreeMap<String, Vec<u8>>;

/// A reference to a Secret or a ConfigMap.
pub(super) struct Source<'a> {
    kind: Kind,
    name: &'a str,
    optional: bool,
    reference: &'a Value,
}

impl<'a> Source<'a> {
    /// The reference in one of these fields.
    pub(super) fn of(object: &'a Value, fields: &[&str]) -> Result<Self> {
        let found = fields.iter().find(|field| object[**field].is_object());
        let Some(field) = found else {
            bail!("there is nothing here that could be read: {object}");
        };
        let reference = &object[*field];
        let name = reference["name"].as_str();
        let name = name.or_else(|| reference["secretName"].as_str());
        Ok(Self {
            kind: if field.starts_with("secret") {
                Kind::secret()
            } else {
                Kind::config_map()
            },
            name: name.context("a reference without a name")?,
            optional: reference["optional"] == true,
            reference,
        })
    }

    /// All values; nothing where an optional object is not there.
    pub(super) async fn read(&self, cluster: &Cluster) -> Result<Option<Values>> {
        let Some(object) = cluster.find(&self.kind, self.name).await? else {
            ensure!(self.optional, "{} not found", self.named());
            return Ok(None);
        };
        let entries = |key: &str| {
            let entries = object[key].as_object().cloned().unwrap_or_default();
            let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
            let entries = entries.into_iter();
            entries.map(move |(key, value)| (key, text(value)))
        };
        let is_secret = self.kind == Kind::secret();
        let mut values = Values::new();
        for (key, value) in entries("data") {
            let value = if is_secret {
                BASE64_STANDARD.decode(value)?
            } else {
                value.into_bytes()
            };
            values.insert(key, value);
        }
        for (key, value) in entries("binaryData") {
            values.insert(key, BASE64_STANDARD.decode(value)?);
        }
        Ok(Some(values))
    }

    /// The value of the key that the reference names.
    pub(super) async fn read_key(&self, cluster: &Cluster) -> Result<Option<String>> {
        let key = self.reference["key"].as_str().context("no key is named")?;
        let mut values = self.read(cluster).await?.unwrap_or_default();
        match values.remove(key) {
            Some(value) => Ok(Some(String::from_utf8(value)?)),
            None if self.optional => Ok(None),
            None => bail!("couldn't find key {key} in {}", self.named()),
        }
    }

    /// The files that the reference makes, by their paths.
    pub(super) async fn read_files(&self, cluster: &Cluster) -> Result<Values> {
        let mut values = self.read(cluster).await?.unwrap_or_default();
        let Some(items) = self.reference["items"].as_array() else {
            return Ok(values);
        };
        let mut files = Values::new();
        for item in items {
            let word = |key: &str| item[key].as_str().context("an item has a key and a path");
            match values.remove(word("key")?) {
                Some(value) => {
                    files.insert(word("path")?.to_owned(), value);
                }
                None if self.optional => {}
                None => bail!(
                    "{} references non-existent key: {}",
                    self.named(),
                    word("key")?
                ),
            }
        }
        Ok(files)
    }

    fn named(&self) -> String {
        format!("{} {:?}", self.kind.name().to_lowercase(), self.name)
    }
}

/// A field of a pod.
pub(super) fn field(pod: &Value, path: &str) -> Result<String> {
    let pointer = format!("/{}", path.replace('.', "/"));
    let value = pod.pointer(&pointer).and_then(Value::as_str);
    let value = value.with_context(|| format!("the pod has no {path}"))?;
    Ok(value.to_owned())
}
