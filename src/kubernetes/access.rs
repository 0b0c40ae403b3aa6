//! Asks API servers what users may do.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use promoter_api::promotion::Requester;
use promoter_domain::authorization::{Access, Place};
use serde_json::{Value, json};

use crate::{
    objects::{self, Objects, Write},
    resource::Resource,
};

/// How many questions are asked at the same time: a Deployment may need hundreds of objects.
const AT_ONCE: usize = 16;

/// An API server could not be asked.
#[derive(Debug, thiserror::Error)]
#[error(
    "it cannot be found out whether user {user} may {access}: {source}; until it can (the hub must \
     be allowed to create subjectaccessreviews.authorization.k8s.io there), nothing is done"
)]
pub struct Error {
    access: Box<Access>,
    source: objects::Error,
    user: String,
}

/// The first of these that a user may not do; nothing, where all of it is allowed. Without a
/// member, nothing is allowed there.
///
/// All of it is asked, whatever comes out: how long it takes tells nothing.
pub async fn first_denied<'a>(
    control_plane: &Objects,
    member: Option<&Objects>,
    requester: &Requester,
    accesses: &'a [Access],
) -> Result<Option<&'a Access>, Error> {
    let mut asked = Vec::new();
    for access in accesses {
        let objects = match (&access.place, member) {
            (Place::ControlPlane, _) => control_plane,
            (Place::Member(_), Some(member)) => member,
            (Place::Member(_), None) => return Ok(Some(access)),
        };
        asked.push(is_allowed(objects, requester, access));
    }
    let answers: Vec<bool> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    let denied = answers.iter().position(|allowed| !allowed);
    Ok(denied.and_then(|index| accesses.get(index)))
}

async fn is_allowed(
    objects: &Objects,
    requester: &Requester,
    access: &Access,
) -> Result<bool, Error> {
    let resource = Resource::SUBJECT_ACCESS_REVIEW;
    let answer = objects
        .create(resource, None, &review(requester, access), Write::ForGood)
        .await
        .map_err(|source| Error {
            access: Box::new(access.clone()),
            source,
            user: requester.username.clone(),
        })?;
    Ok(answer["status"]["allowed"] == true)
}

fn review(requester: &Requester, access: &Access) -> Value {
    let Requester {
        extra,
        groups,
        uid,
        username,
        ..
    } = requester;
    let Access {
        group,
        name,
        namespace,
        resource,
        verb,
        ..
    } = access;
    json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "extra": extra,
            "groups": groups,
            "resourceAttributes": {
                "group": group,
                "name": name,
                "namespace": namespace,
                "resource": resource,
                "verb": verb,
            },
            "uid": uid,
            "user": username,
        },
    })
}

impl Error {
    /// What the API server answered, or why it did not.
    #[must_use]
    pub const fn answer(&self) -> &objects::Error {
        &self.source
    }
}

/// Who asks, as an API server knows them by their credentials.
pub async fn myself(objects: &Objects) -> Result<Requester, objects::Error> {
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "SelfSubjectReview",
    });
    let resource = Resource::SELF_SUBJECT_REVIEW;
    let answer = objects
        .create(resource, None, &review, Write::ForGood)
        .await?;
    Ok(requester(&answer["status"]["userInfo"]))
}

/// A user as authentication describes them.
fn requester(user: &Value) -> Requester {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts = |values: &Value| -> Vec<String> {
        let values = values.as_array().into_iter().flatten();
        values.filter_map(text).collect()
    };
    let extra = user["extra"].as_object().into_iter().flatten();
    Requester {
        cluster: None,
        extra: extra
            .map(|(key, values)| (key.clone(), texts(values)))
            .collect(),
        groups: texts(&user["groups"]),
        uid: text(&user["uid"]).filter(|uid| !uid.is_empty()),
        username: text(&user["username"]).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_is_about_the_whole_user_and_one_access() {
        let user = json!({
            "extra": {"authentication.kubernetes.io/credential-id": ["X509SHA256=1"]},
            "groups": ["team-shop", "system:authenticated"],
            "uid": "7",
            "username": "alice",
        });
        let access = Access {
            group: "apps",
            name: Some("web".to_owned()),
            namespace: "shop".to_owned(),
            place: Place::ControlPlane,
            resource: "deployments",
            verb: "promote",
        };
        let review = review(&requester(&user), &access);
        let spec = &review["spec"];
        assert_eq!(spec["user"], "alice");
        for key in ["extra", "groups", "uid"] {
            assert_eq!(spec[key], user[key], "{key}");
        }
        assert_eq!(
            spec["resourceAttributes"],
            json!({
                "group": "apps",
                "name": "web",
                "namespace": "shop",
                "resource": "deployments",
                "verb": "promote",
            })
        );
    }

    #[test]
    fn a_user_without_an_id_has_none() {
        let requester = requester(&json!({"uid": "", "username": "alice"}));
        assert_eq!(requester.uid, None);
        assert_eq!(requester.username, "alice");
    }
}
