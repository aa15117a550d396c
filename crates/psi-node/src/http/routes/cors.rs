//! What web pages of other origins may do, where the setting names any: all that programs may.

use std::time::Duration;

use axum::http::{HeaderName, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::settings::WebOrigins;

/// How long a browser remembers what it was told.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// `None` if no origins are named.
pub(in crate::http) fn cors(origins: &WebOrigins) -> Option<CorsLayer> {
    let allowed = match origins.are_any() {
        _ if origins.is_empty() => return None,
        true => AllowOrigin::any(),
        false => AllowOrigin::list(origins.headers()),
    };
    let headers =
        [header::CONTENT_TYPE, HeaderName::from_static("x-tenant-id"), HeaderName::from_static("traceparent")];
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(headers)
        .max_age(REMEMBERED);
    Some(layer)
}
