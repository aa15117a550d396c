//! What web pages of other origins may do, where the setting names any: all that programs may. Others may change nothing.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{
    http::refusal::{Refusal, shorten},
    settings::WebOrigins,
};

/// How long a browser remembers what it was told.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// `None` if no origins are named.
pub(in crate::http) fn cors(origins: &WebOrigins) -> Option<CorsLayer> {
    let allowed = match origins.are_any() {
        _ if origins.is_empty() => return None,
        true => AllowOrigin::any(),
        false => AllowOrigin::list(origins.headers()),
    };
    let named = ["x-tenant-id", "traceparent"].map(HeaderName::from_static);
    let headers = [header::CONTENT_TYPE, header::AUTHORIZATION].into_iter().chain(named).collect::<Vec<_>>();
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(headers)
        .max_age(REMEMBERED);
    Some(layer)
}

/// Refuses what a page of another origin would change. A browser sends some requests without asking first, and keeps
/// only the answer from the page.
///
/// # Errors
/// If the page's origin is not in the setting, and the page is not the node's own.
pub(super) fn check_origin(origins: &WebOrigins, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_own = || host.is_some_and(|host| *origin == format!("http://{host}"));
    if method.is_safe() || origins.allow(origin) || is_own() {
        return Ok(());
    }
    let shown = shorten(origin.to_str().unwrap_or("?"));
    let message =
        format!("pages of {shown} may change nothing here; name that origin in http.cors_origins if they may");
    Err(Refusal::new(StatusCode::FORBIDDEN, "ORIGIN_NOT_ALLOWED", message).with("origin", shown))
}
