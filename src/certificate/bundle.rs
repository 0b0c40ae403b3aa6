//! What API servers are to know: the authorities, in each webhook of a configuration.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::parsed::{Parsed, blocks};

/// The patch that has a configuration's webhooks believe our authorities, if they do not yet.
///
/// Others that stand there are left until it is `settled` that nobody needs them: a certificate of
/// theirs may still be shown. The patch names the version that it was made for.
#[must_use]
pub fn patch(configuration: &Value, ours: &str, settled: bool) -> Option<Value> {
    let webhooks = configuration["webhooks"].as_array()?;
    let mut changed = webhooks.clone();
    for webhook in &mut changed {
        let current = current(webhook);
        if let Some(bundle) = wanted(&current, ours, settled) {
            webhook["clientConfig"]["caBundle"] = json!(BASE64_STANDARD.encode(bundle));
        }
    }
    (changed != *webhooks).then(|| {
        json!({
            "metadata": {"resourceVersion": configuration["metadata"]["resourceVersion"]},
            "webhooks": changed,
        })
    })
}

/// What is to stand in the place of `current`, if anything.
fn wanted(current: &str, ours: &str, settled: bool) -> Option<String> {
    let own = Parsed::all(ours)?;
    let there = Parsed::all(current).unwrap_or_default();
    let lacks = own.iter().any(|own| !there.contains(own));
    let is_other = |block: &&str| Parsed::all(block).is_some_and(|block| !own.contains(&block[0]));
    let others: Vec<&str> = blocks(current).into_iter().filter(is_other).collect();
    if settled {
        let exactly = !lacks && others.is_empty();
        (!exactly).then(|| ours.to_owned())
    } else {
        lacks.then(|| format!("{ours}{}", others.concat()))
    }
}

fn current(webhook: &Value) -> String {
    let bundle = webhook["clientConfig"]["caBundle"].as_str();
    let bundle = BASE64_STANDARD.decode(bundle.unwrap_or_default());
    String::from_utf8(bundle.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::issue;

    /// Two authorities, each in PEM.
    fn authorities() -> [String; 2] {
        ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"].map(|now| {
            let now: Timestamp = now.parse().unwrap();
            issue::begin(&["webhook".to_owned()], now)
                .unwrap()
                .authorities
        })
    }

    fn configuration(bundles: &[&str]) -> Value {
        let webhooks: Vec<Value> = bundles
            .iter()
            .map(|bundle| json!({"name": "a", "clientConfig": {"service": {"name": "webhook"}, "caBundle": BASE64_STANDARD.encode(bundle)}}))
            .collect();
        json!({"metadata": {"name": "c", "resourceVersion": "7"}, "webhooks": webhooks})
    }

    /// The bundles after a patch.
    fn patched(bundles: &[&str], ours: &str, settled: bool) -> Option<Vec<String>> {
        let patch = patch(&configuration(bundles), ours, settled)?;
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        let webhooks = patch["webhooks"].as_array().unwrap();
        for webhook in webhooks {
            assert_eq!(webhook["name"], "a");
            assert_eq!(webhook["clientConfig"]["service"]["name"], "webhook");
        }
        Some(webhooks.iter().map(current).collect())
    }

    #[test]
    fn each_webhook_gets_what_it_lacks() {
        let [ours, other] = authorities();
        let expected = Some(vec![ours.clone(), ours.clone()]);
        assert_eq!(patched(&["", &ours], &ours, false), expected);
        assert_eq!(patched(&[&ours, &ours], &ours, false), None);
        assert_eq!(patched(&[&ours], &ours, true), None);
        let both = format!("{ours}{other}");
        assert_eq!(patched(&[&other], &both, false), Some(vec![both.clone()]));
        assert_eq!(patched(&[&other], &both, true), Some(vec![both]));
    }

    #[test]
    fn others_stay_while_they_may_be_needed() {
        let [ours, other] = authorities();
        let both = format!("{ours}{other}");
        assert_eq!(patched(&[&other], &ours, false), Some(vec![both.clone()]));
        // The order is nobody's concern.
        let reversed = format!("{other}{ours}");
        assert_eq!(patched(&[&reversed], &ours, false), None);
        assert_eq!(patched(&[&both], &ours, true), Some(vec![ours]));
    }

    #[test]
    fn what_is_no_certificate_does_not_stay() {
        let [ours, other] = authorities();
        for broken in ["nonsense", "-----BEGIN CERTIFICATE-----\n!\n"] {
            assert_eq!(patched(&[broken], &ours, false), Some(vec![ours.clone()]));
        }
        let half = format!("{}{other}", &ours[..100]);
        assert!(patched(&[&half], &ours, false).is_some());
    }

    #[test]
    fn a_configuration_without_webhooks_needs_nothing() {
        let [ours, _] = authorities();
        assert_eq!(patch(&json!({"metadata": {}}), &ours, false), None);
        assert_eq!(patch(&configuration(&[]), &ours, true), None);
    }
}
