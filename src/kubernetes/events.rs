//! Events on objects of the control plane and of members, for people who describe an object.
//!
//! kube's own recorder is not used: it takes events of one reason for one event and keeps the
//! first note, while a note here says what stands in the way now; and the names that it makes of
//! long names are longer than Kubernetes allows.

use std::time::Duration;

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use promoter_api::marks::FIELD_MANAGER;

pub use kube::runtime::events::EventType;

/// The limits of an event's fields, in bytes.
///
/// Source: Kubernetes' `pkg/apis/core/validation/events.go`.
const LONGEST_NOTE: usize = 1024;
const LONGEST_WORD: usize = 128;

/// How long whoever publishes an event waits for it at the most.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Publishes events to one API server.
#[derive(Clone)]
pub struct Events {
    client: Client,
    /// The process that reports, so that replicas can be told apart.
    instance: String,
}

impl Events {
    /// Events in the API server behind the client, reported by this process.
    ///
    /// `instance` is the name of the pod, or the machine's where there is no pod.
    #[must_use]
    pub fn new(client: Client, instance: &str) -> Self {
        let instance = if instance.is_empty() {
            FIELD_MANAGER
        } else {
            instance
        };
        Self {
            client,
            instance: cut(instance, LONGEST_WORD).to_owned(),
        }
    }

    /// Publishes an event about an object.
    ///
    /// That it cannot be published is only logged: nothing may depend on an event. The note is
    /// cut to what Kubernetes allows.
    pub async fn publish(
        &self,
        object: &ObjectReference,
        type_: EventType,
        reason: &str,
        action: &str,
        note: &str,
    ) {
        let event = self.event(object, type_, reason, action, note);
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let events = Api::<Event>::namespaced(self.client.clone(), &namespace);
        let parameters = PostParams::default();
        let error = match tokio::time::timeout(TIMEOUT, events.create(&parameters, &event)).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {TIMEOUT:?}"),
        };
        tracing::warn!(
            namespace,
            object = object.name.as_deref().unwrap_or_default(),
            reason,
            note,
            "cannot publish an event: {error}"
        );
    }

    fn event(
        &self,
        object: &ObjectReference,
        type_: EventType,
        reason: &str,
        action: &str,
        note: &str,
    ) -> Event {
        // Events about what has no namespace go here, by convention.
        const DEFAULT_NAMESPACE: &str = "default";

        let now = Timestamp::now();
        Event {
            action: Some(cut(action, LONGEST_WORD).to_owned()),
            event_time: Some(MicroTime(now)),
            metadata: ObjectMeta {
                name: Some(event_name(object, now)),
                namespace: Some(
                    object
                        .namespace
                        .clone()
                        .filter(|namespace| !namespace.is_empty())
                        .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
                ),
                ..ObjectMeta::default()
            },
            note: Some(cut(note, LONGEST_NOTE).to_owned()),
            reason: Some(cut(reason, LONGEST_WORD).to_owned()),
            regarding: Some(object.clone()),
            reporting_controller: Some(FIELD_MANAGER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(
                match type_ {
                    EventType::Normal => "Normal",
                    EventType::Warning => "Warning",
                }
                .to_owned(),
            ),
            ..Event::default()
        }
    }
}

/// The object's name with the time, as is the custom, within the length of a name.
fn event_name(object: &ObjectReference, now: Timestamp) -> String {
    const LONGEST_NAME: usize = 253;

    let suffix = format!(".{:x}", now.as_nanosecond());
    let name = object
        .name
        .as_deref()
        .filter(|name| !name.is_empty())
        .unwrap_or(FIELD_MANAGER);
    // No part of a name between dots may end in a hyphen.
    let name = cut(name, LONGEST_NAME.saturating_sub(suffix.len())).trim_end_matches(['-', '.']);
    format!("{name}{suffix}")
}

/// As much of a text as fits into so many bytes, whole characters only.
fn cut(text: &str, longest: usize) -> &str {
    &text[..text.floor_char_boundary(longest)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> ObjectReference {
        ObjectReference {
            name: Some(name.to_owned()),
            ..ObjectReference::default()
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("web", 10), "web");
        assert_eq!(cut("web", 2), "we");
        assert_eq!(cut("wäb", 2), "w");
        assert_eq!(cut("", 2), "");
    }

    #[test]
    fn names_are_the_objects_and_never_too_long() {
        let now = Timestamp::new(1_600_000_000, 1).unwrap();
        assert_eq!(event_name(&object("web"), now), "web.16345785d8a00001");
        assert_eq!(
            event_name(&ObjectReference::default(), now),
            "karmada-promoter.16345785d8a00001"
        );
        let long = event_name(&object(&"a".repeat(253)), now);
        assert_eq!(long.len(), 253);
        let hyphens = format!("{}{}", "a".repeat(200), "-".repeat(53));
        assert_eq!(
            event_name(&object(&hyphens), now),
            format!("{}.16345785d8a00001", "a".repeat(200))
        );
    }
}
