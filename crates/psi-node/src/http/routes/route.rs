//! What a row of the table of routes says.

use axum::{http::Method, routing::MethodRouter};
use psi_security::token::Role;

use super::property::{Group, Property};
use crate::{calls::ops::Ops, node::identity::Requirement};

/// One path: a row of the table.
pub(in crate::http) struct Route {
    /// `{name}` stands for one segment.
    pub(in crate::http) path: &'static str,
    pub(super) operations: &'static [Operation],
}

/// One method of a path.
pub(super) struct Operation {
    pub(super) method: Verb,
    pub(super) need: Requirement,
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
    Put,
    Patch,
    Delete,
}

impl Verb {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
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
        need: Requirement,
        help: &'static str,
        answer: Answer,
        handler: fn() -> MethodRouter<Ops>,
    ) -> Self {
        Self { method, need, help, query: &[], body: Body::Ignored, answer, reasons: &[], handler }
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
    /// What a method needs of its caller. That the path does not take it is told to those who may look; what browsers ask
    /// first is open.
    pub(super) fn need(&self, method: &Method) -> Requirement {
        let taken = |operation: &&Operation| operation.method.as_str() == method.as_str();
        // axum answers HEAD as it answers GET.
        let of_head = |operation: &&Operation| *method == Method::HEAD && operation.method == Verb::Get;
        let operation = self.operations.iter().find(|operation| taken(operation) || of_head(operation));
        let unknown = if *method == Method::OPTIONS { Requirement::Nothing } else { Requirement::Role(Role::Read) };
        operation.map_or(unknown, |operation| operation.need)
    }

    /// `GET, POST`.
    pub(in crate::http) fn methods(&self) -> String {
        let methods: Vec<&str> = self.operations.iter().map(|operation| operation.method.as_str()).collect();
        methods.join(", ")
    }

    /// What each of its methods does, in their order; once where they do the same.
    pub(in crate::http) fn help(&self) -> String {
        let mut help: Vec<&str> = self.operations.iter().map(|operation| operation.help).collect();
        help.dedup();
        help.join("; ")
    }

    /// What a path has in place of `{name}`.
    pub(super) fn name_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.split('/').zip(self.path.split('/')).find(|(_, want)| want.starts_with('{')).map(|(got, _)| got)
    }

    pub(super) fn stands_for(&self, path: &str) -> bool {
        let mut pairs = path.split('/').zip(self.path.split('/'));
        let fits = |(got, want): (&str, &str)| got == want || (want.starts_with('{') && !got.is_empty());
        path.split('/').count() == self.path.split('/').count() && pairs.all(fits)
    }
}
