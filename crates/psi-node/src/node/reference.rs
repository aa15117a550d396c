//! The tables of this crate as pages of Markdown, for `docs/reference.md`. A test in `tests/tests/reference.rs` holds
//! the document to them.

use std::fmt::Write;

use psi_api::{REASONS, Reason, Surface};

use crate::{
    http::routes::router,
    metrics::{Family, STEP_METRICS, families},
};

/// The document with another text below one of its headings of the second level, up to the next one.
///
/// # Panics
/// If the document has no such heading.
#[must_use]
pub fn with_section(document: &str, heading: &str, text: &str) -> String {
    let line = format!("## {heading}\n");
    let (before, rest) = document.split_once(&line).unwrap_or_else(|| panic!("no section is called {heading}"));
    let after = rest.find("\n## ").map_or("", |at| &rest[at..]);
    format!("{before}{line}{}\n{after}", text.trim_end())
}

/// A table of Markdown; no cell may hold a line's end.
pub fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String; N]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(&head.map(str::to_owned));
    text.push_str(&line(&[const { "---" }; N].map(str::to_owned)));
    rows.into_iter().for_each(|row| text.push_str(&line(&row)));
    text
}

fn code(word: &str) -> String {
    format!("`{word}`")
}

fn codes(words: &[&str]) -> String {
    words.iter().map(|word| code(word)).collect::<Vec<_>>().join(", ")
}

/// Every metric family, and the metrics of a step.
#[must_use]
pub fn metrics_markdown() -> String {
    let row = |family: Family| {
        let Family { name, kind, labels, help } = family;
        [code(name), kind.as_str().to_owned(), codes(labels), help.to_owned()]
    };
    let step = STEP_METRICS.iter().map(|metric| [code(metric.name), code(metric.symbol), metric.meaning.to_owned()]);
    format!(
        "A node answers `GET /metrics` with these. Those by `field` show the merged view, so every node gives the same.\n\n\
         {}\nThe metrics of a step, by their names over gRPC and in series, and by their symbols over HTTP:\n\n{}",
        table(["family", "type", "labels", "what it shows"], families().map(row)),
        table(["name", "symbol", "meaning"], step),
    )
}

/// Every route.
#[must_use]
pub fn routes_markdown() -> String {
    let row = |[call, help, query, body]: [String; 4]| [code(&call), help, query, body];
    format!(
        "`GET /openapi.json` describes bodies, answers and refusals in full.\n\n{}",
        table(["call", "what it does", "query", "body"], router::table().map(row)),
    )
}

/// A section of the catalogue of reasons.
fn reasons(text: &mut String, title: &str, about: &str, is_here: fn(Surface) -> bool) {
    let rows = REASONS.iter().filter(|row| is_here(row.surface)).map(|row| {
        let Reason { name, surface, meaning, remedy } = *row;
        let code_text = match surface {
            Surface::Call(code) | Surface::Token(code) => format!("{}, ", grpc_name(code)),
            Surface::Grpc(code) => grpc_name(code),
            Surface::Http(_) | Surface::Link | Surface::Delta | Surface::Snapshot => String::new(),
        };
        let status = row.http_status().map(|status| status.to_string()).unwrap_or_default();
        [code(name), format!("{code_text}{status}"), meaning.to_owned(), remedy.to_owned()]
    });
    let rows: Vec<[String; 4]> = rows.collect();
    let has = |column: usize| rows.iter().any(|row| !row[column].is_empty());
    let shown = match (has(1), has(3)) {
        (true, true) => table(["reason", "gRPC, HTTP", "what it means", "what to do"], rows),
        (true, false) => table(["reason", "HTTP", "what it means"], rows.into_iter().map(|[a, b, c, _]| [a, b, c])),
        (false, true) => {
            table(["reason", "what it means", "what to do"], rows.into_iter().map(|[a, _, c, d]| [a, c, d]))
        }
        (false, false) => table(["reason", "what it means"], rows.into_iter().map(|[a, _, c, _]| [a, c])),
    };
    // Writing to a string does not fail.
    let _ = write!(text, "### {title}\n{about}\n\n{shown}\n");
}

/// `INVALID_ARGUMENT` for `InvalidArgument`.
fn grpc_name(code: tonic::Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}

/// Every reason of a refusal.
#[must_use]
pub fn errors_markdown() -> String {
    let mut text = "Every refusal names the value, the limit and the way out, and changes nothing. A program reads the reason: over \
                    gRPC from the `google.rpc.ErrorInfo` in the status details (domain `psi-field`, values in `metadata`), \
                    over HTTP from `error.reason` in the body.\n\n"
        .to_owned();
    reasons(&mut text, "Calls", "", |surface| matches!(surface, Surface::Call(_)));
    reasons(&mut text, "Session tokens", "", |surface| matches!(surface, Surface::Token(_)));
    let grpc = "Other refusals of gRPC carry no reason. `INTERNAL` with `RST_STREAM … error code 1` comes from a channel to several \
                nodes (`ipv4:A,B`): grpc sends the list as the request's authority, in which HTTP/2 allows no comma. Give the \
                channel the option `grpc.default_authority`, with any name: \
                [examples/python](../examples/python/README.md#one-channel-to-several-nodes). `RESOURCE_EXHAUSTED` is a message \
                over 4 MiB.";
    reasons(&mut text, "gRPC itself", grpc, |surface| matches!(surface, Surface::Grpc(_)));
    reasons(&mut text, "HTTP itself", "", |surface| matches!(surface, Surface::Http(_)));
    let links = "A link that can't go on is closed with one of these, or with `BAD_NAME`. `psi_replica_refused_total{reason}` \
                 counts them in small letters, and the log names the peer.";
    reasons(&mut text, "Links between nodes", links, |surface| surface == Surface::Link);
    let deltas = "A delta that does not add up is refused by itself: the link goes on, and the peer sends the delta again. \
                  `psi_replica_refused_total{reason}` counts these too.";
    reasons(&mut text, "Deltas", deltas, |surface| surface == Surface::Delta);
    let snapshots = "`psi_snapshot_refused_total{reason}` counts files that were set aside at the start, with the reasons of \
                     deltas and these.";
    reasons(&mut text, "Snapshots", snapshots, |surface| surface == Surface::Snapshot);
    text
}
