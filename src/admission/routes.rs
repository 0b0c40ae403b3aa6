//! From a path and a body to an answer.

use std::sync::Arc;

use http::StatusCode;
use promoter_domain::{opt_in::OptIns, stamp};
use promoter_installation::control_plane::PROMOTIONS_PATH;

use crate::{
    index::Index,
    opt_in::{self, Asked},
    promotion,
    review::{self, Answered, Decision},
};

/// What is decided under which path, and what has to be known for it.
#[derive(Clone, Debug)]
pub struct Routes {
    /// The members that are answered; empty where it is every one.
    pub clusters: Vec<String>,
    /// The user as whom the hub reaches the control plane.
    pub hub_user: String,
    /// What the control plane has, where that is known.
    pub index: Option<Arc<Index>>,
    /// Which clusters may opt in to which namespaces.
    pub opt_ins: OptIns,
}

/// What is decided under a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Route<'a> {
    /// Whom a Promotion acts as.
    Promotions,
    /// Who opts in, by the name of the installation that pins stamps in the member.
    Stamp(&'a str),
    /// Whether something of this member may opt in.
    Verdict(&'a str),
}

impl Routes {
    /// The route of a path, if there is one.
    pub(crate) fn find<'a>(&self, path: &'a str) -> Option<Route<'a>> {
        if path == PROMOTIONS_PATH {
            return Some(Route::Promotions);
        }
        let (cluster, rest) = path.strip_prefix("/admit/")?.split_once('/')?;
        if !is_cluster(cluster) || !self.answers(cluster) {
            return None;
        }
        match rest.split_once('/') {
            None if rest == "validate" => Some(Route::Verdict(cluster)),
            None if rest == "mutate" => Some(Route::Stamp("")),
            Some(("mutate", installation)) if stamp::is_installation(installation) => {
                Some(Route::Stamp(installation))
            }
            _ => None,
        }
    }

    /// Answers the review in a body. What is none is answered by a status and a line of text.
    pub(crate) fn answer(
        &self,
        route: Route<'_>,
        body: &[u8],
    ) -> Result<Answered, (StatusCode, String)> {
        let answered = match route {
            Route::Promotions => None,
            Route::Stamp(_) | Route::Verdict(_) if opt_in::may_concern(body) => {
                self.skimmed(route, body)
            }
            Route::Stamp(_) | Route::Verdict(_) => review::allow_unread(body),
        };
        match answered {
            Some(answered) => Ok(answered),
            None => self.read(route, body),
        }
    }

    /// Answers about what may opt in, if the review is written as API servers write it.
    pub(crate) fn skimmed(&self, route: Route<'_>, body: &[u8]) -> Option<Answered> {
        let decide: &dyn Fn(&Asked<'_>) -> Decision = match route {
            Route::Promotions => return None,
            Route::Stamp(installation) => &|asked| opt_in::stamp(asked, installation),
            Route::Verdict(cluster) => &|asked| self.verdict(asked, cluster),
        };
        review::skim(body).ok()?.answer(decide).ok()
    }

    /// Answers a review, however it is written.
    pub(crate) fn read(
        &self,
        route: Route<'_>,
        body: &[u8],
    ) -> Result<Answered, (StatusCode, String)> {
        let answered = match route {
            Route::Promotions => review::answer(
                body,
                |request| promotion::decide(request, &self.hub_user).into(),
                |request, error| promotion::unreadable(request, &self.hub_user, error).into(),
            ),
            Route::Stamp(installation) => review::answer(
                body,
                |asked| opt_in::stamp(asked, installation),
                opt_in::unreadable,
            ),
            Route::Verdict(cluster) => review::answer(
                body,
                |asked| self.verdict(asked, cluster),
                opt_in::unreadable,
            ),
        };
        answered.map_err(|malformed| (StatusCode::BAD_REQUEST, malformed.to_string()))
    }

    fn verdict(&self, asked: &Asked<'_>, cluster: &str) -> Decision {
        opt_in::verdict(asked, cluster, &self.opt_ins, self.index.as_deref())
    }

    fn answers(&self, cluster: &str) -> bool {
        self.clusters.is_empty() || self.clusters.iter().any(|name| name == cluster)
    }
}

/// Whether a text can name a cluster, as Karmada allows it: a label of DNS.
fn is_cluster(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(known)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
