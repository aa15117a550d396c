//! The table of routes as a router, and which row a path leads to.

use axum::{
    Router,
    extract::OriginalUri,
    http::{Method, StatusCode, Uri},
};

use super::{
    cors::cors,
    property::Group,
    route::{Body, Operation},
    table::ROUTES,
};
use crate::{
    calls::ops::Ops,
    http::refusal::{Refusal, shorten},
};

/// The row that a path leads to, as the router finds it: one that names the path comes before a pattern.
pub(super) fn find(path: &str) -> Option<usize> {
    let named = ROUTES.iter().position(|route| route.path == path);
    named.or_else(|| ROUTES.iter().position(|route| route.stands_for(path)))
}

/// The row of a path that is in the table.
///
/// # Panics
/// At compile time, if it is not.
pub(super) const fn row_of(path: &str) -> usize {
    let mut row = 0;
    while row < ROUTES.len() {
        if is_equal(ROUTES[row].path.as_bytes(), path.as_bytes()) {
            return row;
        }
        row += 1;
    }
    panic!("no route has this path")
}

const fn is_equal(left: &[u8], right: &[u8]) -> bool {
    let mut at = 0;
    while at < left.len() && at < right.len() && left[at] == right[at] {
        at += 1;
    }
    at == left.len() && at == right.len()
}

/// The rows for people: each call, what it does, what its address may ask for, and what its body may have.
pub(crate) fn table() -> impl Iterator<Item = [String; 4]> {
    let operations = ROUTES.iter().flat_map(|route| route.operations.iter().map(|operation| (route.path, operation)));
    operations.map(|(path, operation)| {
        let Operation { method, need: _, help, query, body, answer: _, reasons: _, handler: _ } = operation;
        let names = |names: Vec<&str>| names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let body = match body {
            Body::Ignored => Vec::new(),
            Body::Json(groups) | Body::Changes(groups) => groups.iter().flat_map(Group::names).collect(),
        };
        let call = format!("{} {path}", method.as_str());
        [call, (*help).to_owned(), names(query.iter().map(|property| property.name).collect()), names(body)]
    })
}

/// The rows as a router.
pub(in crate::http) fn router(ops: Ops) -> Router {
    let operations = ROUTES.iter().flat_map(|route| route.operations.iter().map(|operation| (route.path, operation)));
    let router = operations
        .fold(Router::new(), |router, (path, operation)| router.route(path, (operation.handler)()))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method);
    let origins = &ops.context.settings.web_origins;
    let router = cors(origins).into_iter().fold(router, Router::layer);
    router.with_state(ops)
}

/// Answers for paths that don't exist.
async fn unknown_path(OriginalUri(uri): OriginalUri) -> Refusal {
    let path = shorten(uri.path());
    let advice = match nearest(uri.path()) {
        Some(known) => format!("did you mean {known}?"),
        None => format!("there are: {}", ROUTES.iter().map(|route| route.path).collect::<Vec<_>>().join(" ")),
    };
    Refusal::new(StatusCode::NOT_FOUND, "UNKNOWN_PATH", format!("Not Found: no path is called {path}; {advice}"))
        .with("path", path)
}

/// Answers for paths that exist, with another method. The router adds the header `Allow`.
async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    let known = find(uri.path()).map(|row| ROUTES[row].methods());
    let allowed = known.as_deref().unwrap_or("another method");
    let message = format!("Method Not Allowed: {} takes {allowed}, not {method}", uri.path());
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "WRONG_METHOD", message)
        .with("method", method)
        .with("allowed", allowed)
}

/// The known path that was probably meant.
fn nearest(got: &str) -> Option<&'static str> {
    /// Longer paths are not compared, since the comparison is quadratic.
    const LENGTH_MAX: usize = 64;
    if got.len() > LENGTH_MAX {
        return None;
    }
    let lower = got.trim_end_matches('/').to_lowercase();
    let near = ROUTES.iter().skip(1).map(|route| (strsim::damerau_levenshtein(&lower, route.path), route.path));
    // One slip for every four letters, a guess: far enough from `/step` to `/stop`, too far from `/nope` to `/step`.
    near.filter(|(slips, path)| *slips <= path.len() / 4).min_by_key(|(slips, _)| *slips).map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(path: &str) -> &'static str {
        find(path).map_or("other", |row| ROUTES[row].path)
    }

    #[test]
    fn a_path_leads_to_its_row_or_to_none() {
        for (path, want) in [
            ("/", "/"),
            ("/step", "/step"),
            ("/step/", "other"),
            ("/stepp", "other"),
            ("/fields", "/fields"),
            ("/fields/", "other"),
            ("/fields/a", "/fields/{name}"),
            ("/fields/reset", "/fields/{name}"),
            ("/fields/a/reset", "/fields/{name}/reset"),
            ("/fields/a/rest", "other"),
            ("/fields//reset", "other"),
            ("/fields/a/b", "other"),
            ("/fields/a/b/reset", "other"),
        ] {
            assert_eq!(path_of(path), want, "{path}");
        }
    }

    #[test]
    fn every_path_and_method_has_one_row() {
        for (row, route) in ROUTES.iter().enumerate() {
            assert_eq!(find(route.path), Some(row), "{}", route.path);
            for (place, operation) in route.operations.iter().enumerate() {
                let before = &route.operations[..place];
                assert!(before.iter().all(|other| other.method != operation.method), "{}", route.path);
                for reason in operation.reasons.iter().copied().flatten() {
                    assert!(psi_api::Reason::find(reason).is_some(), "{} {reason}", route.path);
                }
            }
        }
    }

    #[test]
    fn a_slip_in_a_path_is_forgiven_and_a_stranger_is_not() {
        for (got, want) in [
            ("/stpe", Some("/step")),
            ("/stepz", Some("/step")),
            ("/Step/", Some("/step")),
            ("/metric", Some("/metrics")),
            ("/healthz", Some("/health")),
            ("/guardian/nigreda", Some("/guardian/nigredo")),
            ("/guardian/statistic", Some("/guardian/statistics")),
            ("/guardian/verdict", None),
            ("/field", Some("/fields")),
            ("/fields/", Some("/fields")),
            ("/nope", None),
            ("//", None),
            ("/", None),
        ] {
            assert_eq!(nearest(got), want, "{got}");
        }
        assert_eq!(nearest(&format!("/{}", "s".repeat(100))), None);
    }
}
