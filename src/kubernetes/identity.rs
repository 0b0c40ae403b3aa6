//! Who an API server says that somebody is.

use crate::{
    access,
    objects::{Error, Objects},
};

/// The name of the user as whom these objects are read and written.
pub async fn user(objects: &Objects) -> Result<String, Error> {
    Ok(access::myself(objects).await?.username)
}
