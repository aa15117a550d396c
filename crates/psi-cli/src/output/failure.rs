//! How a command fails: one line for people, or one line of JSON, and an exit code that scripts can use.

use std::{collections::BTreeMap, path::Path, process::ExitCode};

use psi_bench::{BenchError, client::refusal_text};
use serde::Serialize;
use tonic::{Code, Status};

use super::{
    format::Output,
    note::note,
    refusal::{broke_off, is_access_refusal, may_go_elsewhere},
};

/// What went wrong, as scripts see it. `--help` documents the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The other side of standard output is gone.
    OutputClosed = 0,
    /// Failed, or refused by the node.
    Failed = 1,
    /// Wrong arguments or settings.
    Usage = 2,
    /// No node reached, or none ready in time.
    Unreachable = 3,
}

/// Why a command ended early.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Names the value, the limit and the way out. Further lines are details.
    pub(crate) message: String,
    reason: Option<String>,
    values: BTreeMap<String, String>,
    /// Nothing was done, and another node may do it.
    elsewhere: bool,
    /// Another access token may help.
    about_access: bool,
    /// The way out, where the message has none.
    hint: Option<&'static str>,
}

#[derive(Serialize)]
struct Report<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    values: &'a BTreeMap<String, String>,
    exit_code: u8,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            reason: None,
            values: BTreeMap::new(),
            elsewhere: false,
            about_access: false,
            hint: None,
        }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self { elsewhere: true, ..Self::new(Exit::Unreachable, message) }
    }

    /// What each of several nodes said, none of which took the call. At least one.
    pub(crate) fn of_all(mut failures: Vec<Self>) -> Self {
        let first = &failures[0];
        // All for one reason: it is said once.
        if failures.len() == 1 || failures.iter().all(|one| one.about_access && one.reason == first.reason) {
            return failures.swap_remove(0);
        }
        let hint = failures.iter().find_map(|failure| failure.hint);
        let messages: Vec<&str> = failures.iter().map(|failure| failure.message.as_str()).collect();
        let messages = messages.join("\n  ");
        // Those that are away may take it later, and hardly if the others do not.
        match failures.into_iter().find(Self::is_about_access) {
            Some(refused) => {
                Self { hint, message: format!("no node accepts the access token:\n  {messages}"), ..refused }
            }
            None => Self { hint, ..Self::unreachable(format!("no node is available:\n  {messages}")) },
        }
    }

    /// No node accepts the access token, so that the command can't go on.
    pub(crate) fn of_lockout(self) -> Self {
        let message = format!("stopped, as no node accepts the access token: {}", self.message);
        Self { exit: Exit::Failed, message, ..self }
    }

    /// What would be written is there, and must not be overwritten.
    pub(crate) fn file_exists(path: &Path) -> Self {
        Self::usage(format!("{} exists already; overwrite it with --force, or name another file", path.display()))
    }

    pub(crate) fn output_closed() -> Self {
        Self::new(Exit::OutputClosed, "")
    }

    /// What the node at `address` answered.
    pub(crate) fn refused(address: &str, status: &Status) -> Self {
        let (reason, values) = psi_api::cause_of(status).unzip();
        let elsewhere = may_go_elsewhere(status);
        let late = status.code() == Code::DeadlineExceeded;
        let exit = if elsewhere || late || broke_off(status) { Exit::Unreachable } else { Exit::Failed };
        Self {
            exit,
            message: format!("{address}: {}", refusal_text(status)),
            reason,
            values: values.unwrap_or_default().into_iter().collect(),
            elsewhere,
            about_access: is_access_refusal(status),
            hint: None,
        }
    }

    /// The node does not accept the access token, or shows a certificate that the token does not trust.
    pub(crate) fn of_access(self) -> Self {
        Self { about_access: true, ..self }
    }

    /// The same with one more detail.
    pub(crate) fn with_detail(self, detail: &str) -> Self {
        Self { message: format!("{}; {detail}", self.message), ..self }
    }

    /// The same with a way out.
    pub(crate) fn with_hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// Whether nothing was done and another node may do it.
    pub(crate) fn may_go_elsewhere(&self) -> bool {
        self.elsewhere
    }

    /// Whether another access token may help.
    pub(crate) fn is_about_access(&self) -> bool {
        self.about_access
    }

    /// The word for programs, such as `UNKNOWN_FIELD`, where the node gave one.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Prints the failure on standard error, and returns the exit code.
    pub(crate) fn report(&self, output: Output) -> ExitCode {
        let code = self.exit as u8;
        if !self.message.is_empty() {
            match output {
                Output::Text => note(format_args!("error: {}", self.text())),
                Output::Json => note(self.json()),
            }
        }
        ExitCode::from(code)
    }

    /// One line for each thing that went wrong, and the way out.
    pub(crate) fn text(&self) -> String {
        // Below several lines, a line of its own.
        let divider = if self.message.contains('\n') { "\n" } else { "; " };
        self.hint.map_or_else(|| self.message.clone(), |hint| format!("{}{divider}{hint}", self.message))
    }

    fn json(&self) -> String {
        let report = Report {
            error: &self.message,
            hint: self.hint,
            reason: self.reason(),
            values: &self.values,
            exit_code: self.exit as u8,
        };
        serde_json::to_string(&report).unwrap_or_else(|_| self.message.clone())
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        Self::failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_a_node_become_exit_codes() {
        for (code, want) in [
            (Code::InvalidArgument, Exit::Failed),
            (Code::NotFound, Exit::Failed),
            (Code::Internal, Exit::Failed),
            (Code::Unavailable, Exit::Unreachable),
            (Code::DeadlineExceeded, Exit::Unreachable),
        ] {
            assert_eq!(Failure::refused("a:1", &Status::new(code, "why")).exit, want, "{code:?}");
        }
    }

    #[test]
    fn json_errors_are_one_line_with_stable_keys() {
        let failure = Failure::usage("two\nlines");
        assert_eq!(failure.json(), r#"{"error":"two\nlines","exit_code":2}"#);
    }
}
