//! A running workload becomes a workload of Karmada, with all that it needs.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use promoter_api::promotion::Phase;
use serde_json::{Value, json};

use crate::support::{Before, Kind, Scene, Workload, marks, pull_secret, secret_value};

#[tokio::test]
async fn an_annotated_deployment_is_promoted() -> Result<()> {
    let scene = Scene::new("annotated").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;

    scene.annotate("member1", "web", "true").await?;

    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    scene.assert_absent_elsewhere("member1").await
}

#[tokio::test]
async fn everything_that_it_needs_goes_along_and_nothing_else() -> Result<()> {
    let scene = Scene::new("everything").await?;
    shop().deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "shop").await?;
    let contents = contents_in(&scene, FEDERATED).await?;

    scene.annotate("member1", "shop", "true").await?;

    let promotion = scene.until_phase("shop", Phase::Promoted).await?;
    before.assert_untouched().await?;
    scene.assert_absent_elsewhere("member1").await?;

    assert_eq!(contents_in(&scene, FEDERATED).await?, contents);
    for (kind, name) in FEDERATED {
        let kind = core(kind);
        let template = scene.karmada.get(&kind, name).await?;
        let was = &contents[&format!("{}/{name}", kind.name())];
        assert!(content(&template) == *was, "{name} is another in Karmada");
        until_applied(&scene, &kind, name).await?;
        let live = scene.member("member1").get(&kind, name).await?;
        assert!(marks::is_managed(&live), "{name} is not managed");
    }
    until_applied(&scene, &Kind::deployment(), "shop").await?;
    for (kind, name) in LEFT_ALONE {
        let kind = core(kind);
        let template = scene.karmada.find(&kind, name).await?;
        assert!(template.is_none(), "{name} is in Karmada");
        let live = scene.member("member1").find(&kind, name).await?;
        if let Some(live) = live {
            let traces = marks::traces(&live);
            assert!(traces.is_empty(), "{name} bears {traces:?}");
        }
    }
    assert_dependencies_told(&promotion);
    assert_success_told(&scene, &promotion, "shop").await
}

#[tokio::test]
async fn dependencies_stay_behind_when_they_are_left_out() -> Result<()> {
    let scene = Scene::new("left-out").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;

    let only = json!({"dependencies": ["ConfigMap"]});
    scene.promote_with("web", "member1", only).await?;

    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    let actions = actions(&promotion);
    assert_eq!(actions["ConfigMap/web-settings"], "Created");
    assert_eq!(actions["Secret/web-password"], "Skipped");
    let secret = Kind::secret();
    let template = scene.karmada.find(&secret, "web-password").await?;
    assert!(template.is_none(), "the Secret is in Karmada");
    let live = scene.member("member1").get(&secret, "web-password").await?;
    assert_eq!(marks::traces(&live), Vec::new());
    Ok(())
}

/// What [`shop`] refers to and Karmada must know, by kind and name.
const FEDERATED: &[(&str, &str)] = &[
    ("ConfigMap", "catalogue"),
    ("ConfigMap", "currency"),
    ("ConfigMap", "features"),
    ("ConfigMap", "frozen-rates"),
    ("ConfigMap", "logo"),
    ("ConfigMap", "nginx"),
    ("ConfigMap", "texts"),
    ("Secret", "database"),
    ("Secret", "frozen-key"),
    ("Secret", "migration"),
    ("Secret", "registry"),
    ("Secret", "runner-registry"),
    ("Secret", "tls"),
    ("Secret", "tracing"),
    ("ServiceAccount", "runner"),
];

/// What [`shop`] refers to and belongs to its cluster, or is not there.
const LEFT_ALONE: &[(&str, &str)] = &[
    ("ConfigMap", "kube-root-ca.crt"),
    ("ConfigMap", "promotions"),
    ("Secret", "gift-cards"),
    ("Secret", "runner-token"),
];

/// A Deployment that refers to objects in every way that there is.
fn shop() -> Workload {
    let token = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "runner-token",
            "annotations": {"kubernetes.io/service-account.name": "runner"},
        },
        "type": "kubernetes.io/service-account-token",
    });
    // Text that grows with no encoding, and not to more than a ConfigMap may hold.
    let catalogue = "a spoon, a fork, a knife; ".repeat(40_000);
    Workload::new("shop")
        .service_account("runner", "runner-registry")
        .with(pull_secret("registry"))
        .with(token)
        .with(config_map(
            "catalogue",
            json!({"data": {"items": catalogue}}),
        ))
        .with(config_map("currency", json!({"data": {"code": "EUR"}})))
        .with(config_map("features", json!({"data": {"BASKET": "on"}})))
        .with(config_map(
            "frozen-rates",
            json!({"data": {"vat": "19"}, "immutable": true}),
        ))
        .with(config_map(
            "logo",
            json!({"binaryData": {"logo.png": "iVBORw0KGgoA/wD/"}, "data": {"alt": "a shop"}}),
        ))
        .with(config_map(
            "nginx",
            json!({"data": {"nginx.conf": "server {}\n"}}),
        ))
        .with(config_map(
            "texts",
            json!({"data": {"greeting": "Grüß Gott ✓"}}),
        ))
        .with(secret(
            "database",
            json!({"stringData": {"DATABASE_URL": secret_value("database")}}),
        ))
        .with(secret(
            "frozen-key",
            json!({"data": {"key": "AP8A/w=="}, "immutable": true}),
        ))
        .with(secret(
            "migration",
            json!({"stringData": {"password": secret_value("migration")}}),
        ))
        .with(secret(
            "tls",
            json!({"stringData": {"tls.crt": "c", "tls.key": secret_value("tls")}, "type": "kubernetes.io/tls"}),
        ))
        .with(secret("tracing", json!({"stringData": {"token": secret_value("tracing")}})))
        .pod(|pod| {
            pod["imagePullSecrets"] = json!([{"name": "registry"}]);
            pod["initContainers"] = json!([
                {
                    "name": "migrate",
                    "image": "registry.example/shop/migrate:1.0",
                    "env": [secret_variable("PASSWORD", "migration", "password")],
                },
                {
                    "name": "proxy",
                    "image": "registry.example/shop/proxy:1.0",
                    "restartPolicy": "Always",
                    "env": [secret_variable("TOKEN", "tracing", "token")],
                    "volumeMounts": [{"name": "nginx", "mountPath": "/etc/nginx"}],
                },
            ]);
            pod["containers"][0]["env"] = json!([{
                "name": "CURRENCY",
                "valueFrom": {"configMapKeyRef": {"name": "currency", "key": "code"}},
            }]);
            pod["containers"][0]["envFrom"] = json!([
                {"configMapRef": {"name": "features"}},
                {"configMapRef": {"name": "promotions", "optional": true}},
                {"secretRef": {"name": "database"}},
            ]);
            pod["volumes"] = json!([
                {"name": "catalogue", "configMap": {"name": "catalogue"}},
                {"name": "logo", "configMap": {"name": "logo"}},
                {"name": "nginx", "configMap": {"name": "nginx"}},
                {"name": "frozen-rates", "configMap": {"name": "frozen-rates"}},
                {"name": "frozen-key", "secret": {"secretName": "frozen-key"}},
                {"name": "gift-cards", "secret": {"secretName": "gift-cards", "optional": true}},
                {"name": "token", "secret": {"secretName": "runner-token"}},
                {"name": "all", "projected": {"sources": [
                    {"configMap": {"name": "texts"}},
                    {"secret": {"name": "tls"}},
                    {"configMap": {"name": "kube-root-ca.crt"}},
                    {"serviceAccountToken": {"path": "token"}},
                ]}},
            ]);
        })
}

fn config_map(name: &str, more: Value) -> Value {
    object("ConfigMap", name, more)
}

fn secret(name: &str, more: Value) -> Value {
    object("Secret", name, more)
}

fn object(kind: &str, name: &str, more: Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
    if let Value::Object(more) = more {
        for (key, value) in more {
            object[key] = value;
        }
    }
    object
}

fn secret_variable(name: &str, secret: &str, key: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
}

fn core(kind: &str) -> Kind {
    Kind::new("v1", kind)
}

/// What makes two objects the same to a pod that uses them.
fn content(object: &Value) -> Value {
    let fields = [
        "data",
        "binaryData",
        "immutable",
        "type",
        "imagePullSecrets",
    ];
    fields.iter().map(|field| object[field].clone()).collect()
}

/// The contents in the member, by `Kind/name`.
async fn contents_in(scene: &Scene, objects: &[(&str, &str)]) -> Result<BTreeMap<String, Value>> {
    let mut contents = BTreeMap::new();
    for (kind, name) in objects {
        let object = scene.member("member1").get(&core(kind), name).await?;
        contents.insert(format!("{kind}/{name}"), content(&object));
    }
    Ok(contents)
}

/// Waits until Karmada says that an object is as it should be in every member that it goes to.
async fn until_applied(scene: &Scene, kind: &Kind, name: &str) -> Result<()> {
    let binding = format!("{name}-{}", kind.name().to_lowercase());
    scene
        .eventually(&format!("{binding} is fully applied"), async || {
            let binding = scene
                .karmada
                .get(&Kind::resource_binding(), &binding)
                .await?;
            let conditions = &binding["status"]["conditions"];
            let applied = conditions
                .as_array()
                .into_iter()
                .flatten()
                .any(|it| it["type"] == "FullyApplied" && it["status"] == "True");
            ensure!(applied, "{conditions}");
            assert_eq!(binding["spec"]["clusters"][0]["name"], "member1");
            Ok(())
        })
        .await
}

/// What was done about each dependency, by `Kind/name`, as the status says.
fn actions(promotion: &Value) -> BTreeMap<String, String> {
    let dependencies = promotion["status"]["dependencies"].as_array();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    dependencies
        .into_iter()
        .flatten()
        .map(|it| {
            let key = format!("{}/{}", word(&it["kind"]), word(&it["name"]));
            (key, word(&it["action"]))
        })
        .collect()
}

fn assert_dependencies_told(promotion: &Value) {
    let created = FEDERATED.iter().map(|object| (object, "Created"));
    // Every namespace has its own of that name, which is not worth telling.
    let skipped = LEFT_ALONE
        .iter()
        .filter(|(_, name)| *name != "kube-root-ca.crt")
        .map(|object| (object, "Skipped"));
    let expected: BTreeMap<_, _> = created
        .chain(skipped)
        .map(|((kind, name), action)| (format!("{kind}/{name}"), action.to_owned()))
        .collect();
    assert_eq!(actions(promotion), expected);
    let dependencies = promotion["status"]["dependencies"].as_array();
    for dependency in dependencies.into_iter().flatten() {
        let through_account = dependency["throughServiceAccount"] == true;
        assert_eq!(through_account, dependency["name"] == "runner-registry");
        let explained = dependency["message"].is_string();
        assert_eq!(explained, dependency["action"] == "Skipped", "{dependency}");
    }
}

/// Whoever looks at the Promotion or at the Deployment in the member learns that it was promoted.
async fn assert_success_told(scene: &Scene, promotion: &Value, name: &str) -> Result<()> {
    let status = &promotion["status"];
    let conditions = status["conditions"].as_array();
    let promoted = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Promoted");
    let promoted = promoted.expect("a condition Promoted");
    assert_eq!(promoted["status"], "True");
    assert_eq!(status["placed"], json!(["member1"]));
    assert_eq!(status["clusters"][0]["verdict"], "Unchanged");
    for (cluster, kind) in [
        (&scene.karmada, "Promotion"),
        (scene.member("member1"), "Deployment"),
    ] {
        let what = format!("an event on the {kind} says that it is promoted");
        scene
            .eventually(&what, async || {
                let events = cluster.list(&Kind::event()).await?;
                let told: Vec<_> = events
                    .iter()
                    .filter(|event| {
                        event["regarding"]["kind"] == kind && event["regarding"]["name"] == name
                    })
                    .map(|event| event["reason"].as_str().unwrap_or_default())
                    .collect();
                ensure!(told.contains(&"Promoted"), "{told:?}");
                Ok(())
            })
            .await?;
    }
    Ok(())
}
