//! Who an API server says that somebody is.

use serde_json::json;

use crate::{
    objects::{Error, Objects, Write},
    resource::Resource,
};

/// The name of the user as whom these objects are read and written.
pub async fn user(objects: &Objects) -> Result<String, Error> {
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "SelfSubjectReview",
    });
    let answer = objects
        .create(Resource::SELF_SUBJECT_REVIEW, None, &review, Write::ForGood)
        .await?;
    let user = answer["status"]["userInfo"]["username"].as_str();
    Ok(user.unwrap_or_default().to_owned())
}
