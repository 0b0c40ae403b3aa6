//! From a path and a body to an answer.

use http::StatusCode;
use promoter_installation::control_plane::PROMOTIONS_PATH;

use crate::{promotion, review};

/// What is decided under which path, and what has to be known for it.
#[derive(Clone, Debug)]
pub struct Routes {
    /// The user as whom the hub reaches the control plane.
    pub hub_user: String,
}

/// What is decided under a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Route {
    /// Whom a Promotion acts as.
    Promotions,
}

impl Routes {
    /// The route of a path, if there is one.
    pub(crate) fn find(path: &str) -> Option<Route> {
        (path == PROMOTIONS_PATH).then_some(Route::Promotions)
    }

    /// Answers the review in a body. What is none is answered by a status and a line of text.
    pub(crate) fn answer(
        &self,
        route: Route,
        body: &[u8],
    ) -> Result<Vec<u8>, (StatusCode, String)> {
        let answer = match route {
            Route::Promotions => {
                review::answer(body, |request| promotion::decide(request, &self.hub_user))
            }
        };
        answer.map_err(|malformed| (StatusCode::BAD_REQUEST, malformed.to_string()))
    }
}
