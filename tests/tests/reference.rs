//! `docs/reference.md` says what the tables in the code say. `UPDATE_REFERENCE=1 cargo test -p psi-tests --test reference`
//! writes its sections again.

use std::{fs, path::PathBuf};

use psi_node::reference::{errors_markdown, metrics_markdown, routes_markdown};

/// The document with another text below one of its headings of the second level, up to the next one.
fn with_section(document: &str, heading: &str, text: &str) -> String {
    let line = format!("## {heading}\n");
    let (before, rest) = document.split_once(&line).unwrap_or_else(|| panic!("no section is called {heading}"));
    let after = rest.find("\n## ").map_or("", |at| &rest[at..]);
    format!("{before}{line}{}\n{after}", text.trim_end())
}

#[test]
fn the_reference_is_what_the_tables_say() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reference.md");
    let document = fs::read_to_string(&path).expect("docs/reference.md");
    let sections = [("Metrics", metrics_markdown()), ("Routes", routes_markdown()), ("Errors", errors_markdown())];
    let want =
        sections.iter().fold(document.clone(), |document, (heading, text)| with_section(&document, heading, text));
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(&path, &want).expect("docs/reference.md can be written");
        return;
    }
    assert!(document == want, "docs/reference.md is out of date: run this test with UPDATE_REFERENCE=1");
}
