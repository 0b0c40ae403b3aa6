use promoter_api::marks;

use super::*;
use crate::webhook::Address;

const INSTALLATION: &str = "0a1b2c3d4e5f6789";
const USER: &str = "system:serviceaccount:karmada-cluster:karmada-member1";

fn everything() -> Member {
    Member {
        admission: Some(Admission {
            installation: INSTALLATION.to_owned(),
            webhook: Some(Calls {
                cluster: "member1".to_owned(),
                mutating: FailurePolicy::Ignore,
                validating: FailurePolicy::Fail,
                webhook: Webhook {
                    address: Address::Url("https://webhook.example:9443".to_owned()),
                    authorities: Some("PEM".to_owned()),
                },
            }),
        }),
        guard: true,
        karmada_user: USER.to_owned(),
    }
}

fn named(objects: &[Value]) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    objects
        .iter()
        .map(|object| {
            let (kind, name) = (word(&object["kind"]), word(&object["metadata"]["name"]));
            format!("{kind} {name}")
        })
        .collect()
}

fn found<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = objects
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap()
}

fn admission() -> (Value, Value) {
    let objects = everything().objects();
    let of = |kind| found(&objects, kind, OPT_IN_POLICY).clone();
    (
        of("ValidatingAdmissionPolicy"),
        of("ValidatingAdmissionPolicyBinding"),
    )
}

#[test]
fn what_may_refuse_somebody_comes_last() {
    let mut member = everything();
    assert_eq!(
        named(&member.objects()),
        [
            "ValidatingAdmissionPolicy guard.promote.karmada.io",
            "ValidatingAdmissionPolicyBinding guard.promote.karmada.io",
            "ClusterRole karmada-promoter-promote",
            "ValidatingAdmissionPolicy opt-in.promote.karmada.io",
            "ValidatingAdmissionPolicyBinding opt-in.promote.karmada.io",
            "ValidatingAdmissionPolicy federated.promote.karmada.io",
            "ValidatingAdmissionPolicyBinding federated.promote.karmada.io",
            "MutatingWebhookConfiguration opt-in.promote.karmada.io",
            "ValidatingWebhookConfiguration opt-in.promote.karmada.io",
        ]
    );
    member.guard = false;
    if let Some(admission) = &mut member.admission {
        admission.webhook = None;
    }
    assert_eq!(
        named(&member.objects()),
        [
            "ClusterRole karmada-promoter-promote",
            "ValidatingAdmissionPolicy opt-in.promote.karmada.io",
            "ValidatingAdmissionPolicyBinding opt-in.promote.karmada.io",
            "ValidatingAdmissionPolicy federated.promote.karmada.io",
            "ValidatingAdmissionPolicyBinding federated.promote.karmada.io",
        ]
    );
    member.admission = None;
    assert_eq!(member.objects(), Vec::<Value>::new());
}

#[test]
fn all_of_it_is_known_as_ours() {
    for object in everything().objects() {
        let manager = &object["metadata"]["labels"][marks::MANAGED_BY];
        assert_eq!(manager, marks::FIELD_MANAGER, "{object}");
        assert!(object["apiVersion"].is_string(), "{object}");
    }
}

#[test]
fn policies_are_bound_to_what_they_are_for() {
    let objects = everything().objects();
    for (name, action) in [
        (GUARD_POLICY, "Deny"),
        (OPT_IN_POLICY, "Deny"),
        (FEDERATED_POLICY, "Warn"),
    ] {
        let binding = found(&objects, "ValidatingAdmissionPolicyBinding", name);
        assert_eq!(binding["spec"]["policyName"], name);
        assert_eq!(binding["spec"]["validationActions"], json!([action]));
    }
}

#[test]
fn the_webhook_is_asked_about_opt_ins_only() {
    let objects = everything().objects();
    let webhook = |kind| &found(&objects, kind, OPT_IN_POLICY)["webhooks"][0];
    let mutating = webhook("MutatingWebhookConfiguration");
    let validating = webhook("ValidatingWebhookConfiguration");
    assert_eq!(
        mutating["clientConfig"]["url"],
        "https://webhook.example:9443/admit/member1/mutate/0a1b2c3d4e5f6789"
    );
    assert_eq!(
        validating["clientConfig"]["url"],
        "https://webhook.example:9443/admit/member1/validate"
    );
    assert_eq!(mutating["failurePolicy"], "Ignore");
    assert_eq!(validating["failurePolicy"], "Fail");
    for webhook in [mutating, validating] {
        assert_eq!(webhook["clientConfig"]["caBundle"], "UEVN");
        assert_eq!(webhook["sideEffects"], "None");
        assert_eq!(webhook["matchPolicy"], "Equivalent");
        assert_eq!(webhook["timeoutSeconds"], 5);
        let conditions = webhook["matchConditions"].to_string();
        assert!(conditions.contains(USER), "{conditions}");
        assert_eq!(
            webhook["rules"][0]["resources"],
            json!(["deployments", "deployments/status"])
        );
    }
    assert!(
        mutating["matchConditions"]
            .to_string()
            .contains("requested-by")
    );
    assert!(
        !validating["matchConditions"]
            .to_string()
            .contains("requested-by")
    );
}

#[test]
fn a_policy_as_it_is_installed_tells_its_installation() {
    let (policy, binding) = admission();
    let checked = opt_in::check(Some(&policy), Some(&binding), USER);
    assert_eq!(checked.as_deref(), Ok(INSTALLATION));
    assert_eq!(
        opt_in::check(None, Some(&binding), USER),
        Err(Problem::Absent)
    );
    assert_eq!(
        opt_in::check(Some(&policy), None, USER),
        Err(Problem::Absent)
    );
}

#[test]
fn a_policy_that_pins_less_does_not_count() {
    let (policy, binding) = admission();
    let problem = |policy: &Value, binding: &Value, user: &str| {
        opt_in::check(Some(policy), Some(binding), user).unwrap_err()
    };
    let mut lax = policy.clone();
    lax["spec"]["failurePolicy"] = json!("Ignore");
    let mut selective = policy.clone();
    selective["spec"]["matchConstraints"]["objectSelector"] = json!({"matchLabels": {"a": "b"}});
    let mut nameless = policy.clone();
    nameless["spec"]["variables"][0]["expression"] = json!("'0a1b' + '2c3d'");
    let mut short = policy.clone();
    short["spec"]["variables"][0]["expression"] = json!("\"\"");
    // Stamps of another installation than it says.
    let mut other = policy.clone();
    other["spec"]["variables"][0]["expression"] = json!("\"99999999\"");
    let changed = |pointer: &str, value: Value| {
        let mut changed = policy.clone();
        *changed["spec"].pointer_mut(pointer).unwrap() = value;
        changed
    };
    let permissive = changed("/validations/2/expression", json!("true"));
    let absent = changed("/matchConditions/0/expression", json!("false"));
    let labels = json!({"matchLabels": {"a": "b"}});
    let elsewhere = changed("/matchConstraints/namespaceSelector", labels);
    for wrong in [
        &lax,
        &selective,
        &nameless,
        &short,
        &other,
        &permissive,
        &absent,
        &elsewhere,
    ] {
        assert!(matches!(
            problem(wrong, &binding, USER),
            Problem::Policy { .. }
        ));
    }
    assert!(matches!(
        problem(&policy, &binding, "somebody"),
        Problem::Policy { .. }
    ));
    let mut warns = binding;
    warns["spec"]["validationActions"] = json!(["Warn"]);
    assert_eq!(
        problem(&policy, &warns, USER),
        Problem::Binding(OPT_IN_POLICY)
    );
}

#[test]
fn who_may_edit_may_promote() {
    let role = role();
    let labels = &role["metadata"]["labels"];
    for to in ["edit", "admin"] {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{to}");
        assert_eq!(labels[label], "true");
    }
    assert_eq!(
        role["rules"],
        json!([{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["promote"]}])
    );
}

#[test]
fn a_warning_is_about_what_karmada_writes() {
    let policy = federated::policy(USER);
    let edit = policy["spec"]["validations"][0]["expression"].to_string();
    for part in [
        "object.spec.template == oldObject.spec.template",
        "retain-replicas",
        "managed-labels",
        "managed-annotations",
        "promote.karmada.io/guard",
    ] {
        assert!(edit.contains(part), "{part}: {edit}");
    }
    assert_eq!(policy["spec"]["failurePolicy"], "Ignore");
}
