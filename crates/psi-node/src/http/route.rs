//! What a row of the table of routes says, and which row a path leads to.

use axum::{Router, routing::MethodRouter};

use super::{
    property::{Group, Property},
    refusal,
    routes::ROUTES,
};
use crate::ops::Ops;

/// One path: a row of [`ROUTES`].
pub(super) struct Route {
    /// `{name}` stands for one segment.
    pub(super) path: &'static str,
    pub(super) operations: &'static [Operation],
}

/// One method of a path.
pub(super) struct Operation {
    pub(super) method: Verb,
    pub(super) help: &'static str,
    /// What the address may ask for.
    pub(super) query: &'static [Property],
    pub(super) body: Body,
    pub(super) answer: Answer,
    /// Why it may be refused, in groups.
    pub(super) reasons: &'static [&'static [&'static str]],
    /// Answers this method and leaves others to the other operations of the path.
    pub(super) handler: fn() -> MethodRouter<Ops>,
}

/// The methods that routes take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Patch,
    Delete,
}

impl Verb {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What a request carries.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// A body is not looked at.
    Ignored,
    Json(&'static [Group]),
    /// Every property may be left out, and so may the body.
    Changes(&'static [Group]),
}

/// What comes back when all is well.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    Json(u16, &'static [Group]),
    Text(&'static str),
}

impl Operation {
    pub(super) const fn new(
        method: Verb,
        help: &'static str,
        answer: Answer,
        handler: fn() -> MethodRouter<Ops>,
    ) -> Self {
        Self { method, help, query: &[], body: Body::Ignored, answer, reasons: &[], handler }
    }

    pub(super) const fn query(self, query: &'static [Property]) -> Self {
        Self { query, ..self }
    }

    pub(super) const fn body(self, body: Body) -> Self {
        Self { body, ..self }
    }

    pub(super) const fn refuses(self, reasons: &'static [&'static [&'static str]]) -> Self {
        Self { reasons, ..self }
    }
}

impl Route {
    /// `GET, POST`.
    pub(super) fn methods(&self) -> String {
        let methods: Vec<&str> = self.operations.iter().map(|operation| operation.method.as_str()).collect();
        methods.join(", ")
    }

    /// What each of its methods does, in their order; once where they do the same.
    pub(super) fn help(&self) -> String {
        let mut help: Vec<&str> = self.operations.iter().map(|operation| operation.help).collect();
        help.dedup();
        help.join("; ")
    }

    fn stands_for(&self, path: &str) -> bool {
        let mut pairs = path.split('/').zip(self.path.split('/'));
        let fits = |(got, want): (&str, &str)| got == want || (want.starts_with('{') && !got.is_empty());
        path.split('/').count() == self.path.split('/').count() && pairs.all(fits)
    }
}

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
        let Operation { method, help, query, body, answer: _, reasons: _, handler: _ } = operation;
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
pub(super) fn router(ops: Ops) -> Router {
    let operations = ROUTES.iter().flat_map(|route| route.operations.iter().map(|operation| (route.path, operation)));
    operations
        .fold(Router::new(), |router, (path, operation)| router.route(path, (operation.handler)()))
        .fallback(refusal::unknown_path)
        .method_not_allowed_fallback(refusal::wrong_method)
        .with_state(ops)
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
}
