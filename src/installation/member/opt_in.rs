//! The ValidatingAdmissionPolicy that pins who has opted in.
//!
//! The hub promotes what bears a stamp for the user whom that names. The API server itself sees to
//! it, with nobody of ours running, that nobody is named but by themselves, that whoever opts in
//! may promote there, and that an opt-in says yes or no.

use promoter_api::marks::{ENABLED, OPT_IN_POLICY, REQUESTED_BY};
use promoter_domain::stamp;
use serde_json::{Value, json};

use super::Problem;
use crate::{
    ADMISSION,
    cel::{literal, not_by, unquoted},
    metadata,
};

/// Whether the opt-in is newly there. Where it is `"false"`, nothing is asked for.
pub(super) fn opts_in() -> String {
    let [now, was] = opt_in();
    format!("({now}).orValue('false') != 'false' && ({now}) != ({was})")
}

/// Whether somebody opts in or stamps.
///
/// What Karmada writes comes from a template. It may say of promotion what it likes and is let
/// through, but for one thing: a stamp that begins as this installation's do would name somebody who
/// has never asked.
pub(super) fn opts_in_or_stamps(installation: &str, karmada_user: &str) -> String {
    let [now, was] = both("annotations", REQUESTED_BY);
    let stamps = format!("({now}).hasValue() && ({now}) != ({was})");
    let not_karmada = not_by(karmada_user);
    let own = literal(&stamp::prefix(installation));
    format!(
        "{stamps} && ({not_karmada} || ({now}).value().startsWith({own})) || {not_karmada} && {}",
        opts_in()
    )
}

/// What is created and updated of the kinds that opt in, by every way on which a stamp or an opt-in
/// can be written.
pub(super) fn rules() -> [Value; 2] {
    let rule = |group, resources: &[&str], scope| {
        json!({
            "apiGroups": [group],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": resources,
            "scope": scope,
        })
    };
    // `namespaces/finalize` takes labels and annotations, too: Kubernetes'
    // `pkg/registry/core/namespace/strategy.go`, `namespaceFinalizeStrategy`.
    let namespaces = ["namespaces", "namespaces/finalize", "namespaces/status"];
    [
        rule("apps", &["deployments", "deployments/status"], "Namespaced"),
        rule("", &namespaces, "Cluster"),
    ]
}

pub(super) fn policy(installation: &str, karmada_user: &str) -> Value {
    let [opt_in, _] = opt_in();
    let [stamp, _] = both("annotations", REQUESTED_BY);
    json!({
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata(OPT_IN_POLICY),
        "spec": {
            "failurePolicy": "Fail",
            "matchConditions": [
                {
                    "name": "opts-in-or-stamps",
                    "expression": opts_in_or_stamps(installation, karmada_user),
                },
            ],
            // With the API server's defaults, so that what is installed can be compared with it.
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "namespaceSelector": {},
                "objectSelector": {},
                "resourceRules": rules(),
            },
            "variables": [
                {"name": "installation", "expression": literal(installation)},
                {"name": "optIn", "expression": opt_in},
                {"name": "stamp", "expression": stamp},
                {"name": "place", "expression": PLACE},
                {"name": "byKarmada", "expression": format!("!({})", not_by(karmada_user))},
            ],
            "validations": [
                {
                    "expression": "variables.byKarmada || \
                                   variables.optIn.orValue('true') in ['true', 'false']",
                    "message": format!("{ENABLED} must be \"true\" or \"false\""),
                    "messageExpression": format!(
                        "{} + variables.optIn.orValue('') + '\"'",
                        literal(&format!("{ENABLED} must be \"true\" or \"false\", not \"")),
                    ),
                    "reason": "Invalid",
                },
                {
                    "expression": format!("variables.byKarmada || {MAY_PROMOTE}"),
                    "message": "you may not promote Deployments here",
                    "messageExpression": format!(
                        "request.userInfo.username + ' may not promote Deployments of namespace ' \
                         + variables.place + {}",
                        literal(REMEDY)
                    ),
                    "reason": "Forbidden",
                },
                {
                    "expression": format!(
                        "!variables.stamp.hasValue() || variables.stamp.value() == \
                         {} + request.userInfo.username",
                        literal(&stamp::prefix(installation))
                    ),
                    "message": format!(
                        "{REQUESTED_BY} says who has opted in, and names nobody else: it is set \
                         by the promoter's admission, which has not answered. Leave it out, or \
                         take it off (`{REQUESTED_BY}-` of kubectl annotate), in the control plane \
                         where a template has it"
                    ),
                    "reason": "Forbidden",
                },
            ],
        },
    })
}

/// Whether what is installed pins stamps, for Karmada's user. Tells the installation's name, which
/// every stamp that it lets pass begins with. Only such a name is kept when it is installed anew:
/// otherwise somebody may have stamped what they liked meanwhile, and the name is written on
/// everything that opts in, and so is no secret from those who wait for such a moment.
pub fn check(
    policy: Option<&Value>,
    binding: Option<&Value>,
    karmada_user: &str,
) -> Result<String, Problem> {
    let (Some(found), Some(binding)) = (policy, binding) else {
        return Err(Problem::Absent);
    };
    // Where it names none, it is not what is wanted, whatever the name.
    let installation = named(found).unwrap_or_default();
    let wanted = self::policy(&installation, karmada_user);
    super::check(OPT_IN_POLICY, (found, &wanted), binding, karmada_user)?;
    Ok(installation)
}

/// The installation's name, as a policy has it.
fn named(policy: &Value) -> Option<String> {
    let variables = policy["spec"]["variables"].as_array()?;
    let variable = variables
        .iter()
        .find(|variable| variable["name"] == "installation")?;
    let name = unquoted(variable["expression"].as_str()?)?;
    stamp::is_installation(&name).then_some(name)
}

/// The namespace that it is about; `namespace` is a word of CEL's own.
const PLACE: &str = "request.kind.kind == 'Namespace' ? object.metadata.name : request.namespace";

/// What is asked of a Namespace is asked for all that is in it. A name that is to be generated may
/// not be known yet.
const MAY_PROMOTE: &str = "\
authorizer.group('apps').resource('deployments').namespace(variables.place)\
.name(request.kind.kind == 'Namespace' ? '' : object.metadata.?name.orValue(''))\
.check('promote').allowed()";

const REMEDY: &str = ": that takes the verb \"promote\" on deployments.apps, which the roles \
                      \"edit\" and \"admin\" have there; ask whoever administers this cluster";

/// The opt-in as it is to be and as it was: an annotation of a Deployment, a label of a Namespace.
fn opt_in() -> [String; 2] {
    let [annotation, annotated] = both("annotations", ENABLED);
    let [label, labelled] = both("labels", ENABLED);
    [(label, annotation), (labelled, annotated)].map(|(label, annotation)| {
        format!("request.kind.kind == 'Namespace' ? ({label}) : ({annotation})")
    })
}

/// A label or annotation as it is to be and as it was, which is nothing in what is created.
fn both(field: &str, key: &str) -> [String; 2] {
    let of = |object: &str| format!("{object}.metadata.?{field}[?{}]", literal(key));
    [
        of("object"),
        format!("oldObject == null ? optional.none() : {}", of("oldObject")),
    ]
}
