//! Who may not have something promoted learns nothing of it.

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::{
    authorization::{PROMOTE, running},
    support::{
        Answer, Kind, Scene,
        user::{Right, User},
    },
};

const SECRET: &str = "web-password";

#[tokio::test]
async fn who_may_not_read_a_secret_learns_nothing_of_it() -> Result<()> {
    let worlds = [
        ("secret-none", None, None),
        ("secret-here", Some("one"), None),
        ("secret-same", Some("one"), Some("one")),
        ("secret-other", Some("one"), Some("another")),
        ("secret-there", None, Some("one")),
    ];
    let seen = worlds.map(|(name, member, karmada)| everything_seen(name, member, karmada));
    let seen = try_join_all(seen).await?;
    for (index, world) in worlds.iter().enumerate().skip(1) {
        for (first, other) in seen[0].iter().zip(&seen[index]) {
            assert_eq!(first, other, "{world:?}");
        }
    }
    let all = seen[0].join("\n");
    for word in [
        "user eve may not get secrets/web-password in namespace NAMESPACE of cluster member1",
        "user mallory may not get secrets/web-password in namespace NAMESPACE of the control plane",
    ] {
        ensure!(all.contains(word), "no {word:?} in {all}");
    }
    Ok(())
}

/// All that two users see who ask for a promotion and for a prediction, where a Secret has these
/// values.
async fn everything_seen(
    name: &str,
    in_member: Option<&str>,
    in_karmada: Option<&str>,
) -> Result<Vec<String>> {
    let scene = Scene::new(name).await?;
    let before = running(&scene).await?;
    let member = scene.member("member1");
    member.delete(&Kind::secret(), SECRET).await?;
    let secret = |value: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET},
            "stringData": {"PASSWORD": value},
        })
    };
    if let Some(value) = in_member {
        member.create(&secret(value)).await?;
    }
    scene.namespace_in_karmada().await?;
    if let Some(value) = in_karmada {
        scene.karmada.create(&secret(value)).await?;
    }
    let secrets: [Right; 1] = [("get", "", "secrets")];
    let users = [
        User::without(&scene, "eve", &secrets, &[]).await?,
        User::without(&scene, "mallory", &[], &secrets).await?,
    ];
    let mut seen = Vec::new();
    for user in users {
        for more in [&["--observe"][..], &[], &[]] {
            let words = [&PROMOTE[..], more].concat();
            let Answer {
                code,
                error,
                output,
            } = user.kubectl_promote(&words).await?;
            ensure!(code == 3, "{output}{error}");
            let output = without_times(&output);
            seen.push(told(&scene, &json!([code, error, output])));
            let promotion = user.karmada.get(&Kind::promotion(), "web").await?;
            seen.push(told(&scene, &promotion));
        }
        scene.karmada.delete(&Kind::promotion(), "web").await?;
        scene
            .until_gone(&scene.karmada, &Kind::promotion(), "web")
            .await?;
    }
    for cluster in [&scene.karmada, member] {
        let events = cluster.list(&Kind::event()).await?;
        let about = events
            .iter()
            .filter(|event| event["reportingController"] == "karmada-promoter");
        let mut about: Vec<_> = about.map(|event| told(&scene, event)).collect();
        about.sort();
        seen.extend(about);
    }
    before.assert_untouched().await?;
    Ok(seen)
}

/// What a command printed, but for how long it took, and whether it was quick enough to see that
/// the Promotion was looked at again.
fn without_times(output: &str) -> Vec<Vec<&str>> {
    let is_time =
        |word: &str| word.ends_with('s') && word.starts_with(|first: char| first.is_ascii_digit());
    output
        .lines()
        .map(|line| -> Vec<_> {
            let words = line.split_whitespace();
            words.filter(|word| !is_time(word)).collect()
        })
        .filter(|words| !words.contains(&"Pending"))
        .collect()
}

/// An object or an answer but for times, random names and ids, and the namespace.
fn told(scene: &Scene, value: &Value) -> String {
    fn strip(value: &mut Value) {
        const VARYING: [&str; 8] = [
            "creationTimestamp",
            "eventTime",
            "lastTransitionTime",
            "requestedAt",
            "resourceVersion",
            "since",
            "time",
            "uid",
        ];
        match value {
            Value::Object(fields) => {
                let event = fields.contains_key("regarding");
                fields.retain(|key, _| !VARYING.contains(&key.as_str()));
                if event {
                    fields.remove("metadata");
                }
                if let Some(asked) = fields.get_mut("promote.karmada.io/requested-at") {
                    asked.take();
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = value.clone();
    strip(&mut value);
    format!("{value:#}").replace(&scene.namespace, "NAMESPACE")
}
