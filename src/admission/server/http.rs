//! One request over HTTP.

use std::{convert::Infallible, sync::Arc, time::Instant};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue},
};

use super::{
    body::Unread,
    connections::{Connection, Shared},
};
use crate::{Routes, health::respond, review::Answered, routes::Route};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What is answered instead of a review, with a line for whoever looks why.
type Refusal = (StatusCode, String);

/// Answers a request.
pub(super) async fn answer(
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let began = Instant::now();
    connection.place.waits_for_body(began);
    let (head, body) = request.into_parts();
    let Shared {
        metrics, routes, ..
    } = &*connection.shared;
    let route = route(routes, &head.method, head.uri.path(), &head.headers);
    let answered = match &route {
        Ok(route) => review(&connection, *route, body).await,
        Err(refusal) => Err(refusal.clone()),
    };
    let told = answered.as_ref().map_err(|(status, _)| *status);
    let ended = Instant::now();
    metrics.answered(route.ok(), told, ended - began);
    let mut response = match answered {
        Ok(answered) => respond(StatusCode::OK, JSON, answered.body),
        Err((status, why)) => respond(status, TEXT, format!("{why}\n")),
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    connection.place.waits_for_request(ended);
    if !connection.may_stay() {
        // Others wait for a place, or the server is about to stop.
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

async fn review(
    connection: &Connection,
    route: Route<'_>,
    body: Incoming,
) -> Result<Answered, Refusal> {
    let shared = &connection.shared;
    let body = shared
        .budget
        .read(body, &shared.limits)
        .await
        .map_err(|unread| match unread {
            Unread::Broken => (StatusCode::BAD_REQUEST, "the body is broken".to_owned()),
            Unread::Crowded => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too many long bodies at a time; try again".to_owned(),
            ),
            Unread::Late => (
                StatusCode::REQUEST_TIMEOUT,
                format!("no body within {:?}", shared.limits.body_timeout),
            ),
            Unread::TooLong => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("a review has {} bytes at the most", shared.limits.body),
            ),
        })?;
    connection.place.is_busy();
    if body.bytes.is_empty() {
        return Err((StatusCode::BAD_REQUEST, "there is no body".to_owned()));
    }
    let _turn = shared.budget.turn(&body).await;
    shared.routes.answer(route, &body.bytes)
}

fn route<'a>(
    routes: &Routes,
    method: &Method,
    path: &'a str,
    headers: &HeaderMap,
) -> Result<Route<'a>, Refusal> {
    let Some(route) = routes.find(path) else {
        return Err((
            StatusCode::NOT_FOUND,
            format!("nothing is decided at {path}"),
        ));
    };
    if method != Method::POST {
        let why = "reviews are sent by POST".to_owned();
        return Err((StatusCode::METHOD_NOT_ALLOWED, why));
    }
    if !is_json(headers.get(CONTENT_TYPE)) {
        let why = "reviews are application/json".to_owned();
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    Ok(route)
}

fn is_json(content_type: Option<&HeaderValue>) -> bool {
    content_type
        .and_then(|content_type| content_type.to_str().ok())
        .and_then(|content_type| content_type.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_review_is_refused_by_its_header() {
        let json = HeaderMap::from_iter([(CONTENT_TYPE, JSON)]);
        let routes = Routes {
            clusters: Vec::new(),
            hub_user: String::new(),
            index: None,
            opt_ins: Vec::new().into(),
        };
        let status = |method, path, headers: &HeaderMap| {
            route(&routes, &method, path, headers).map_err(|(status, _)| status)
        };
        let path = "/mutate/promotions";
        assert_eq!(status(Method::POST, path, &json), Ok(Route::Promotions));
        assert_eq!(status(Method::POST, "/", &json), Err(StatusCode::NOT_FOUND));
        assert_eq!(
            status(Method::GET, path, &json),
            Err(StatusCode::METHOD_NOT_ALLOWED)
        );
        for other in ["text/plain", "application/json-patch+json", ""] {
            let headers =
                HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(other).unwrap())]);
            assert_eq!(
                status(Method::POST, path, &headers),
                Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            );
        }
    }

    #[test]
    fn a_content_type_may_have_parameters() {
        let value = HeaderValue::from_static("Application/JSON; charset=utf-8");
        assert!(is_json(Some(&value)));
        assert!(!is_json(None));
    }
}
