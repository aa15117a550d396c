//! `docs/reference.md` says what the tables in the code say. `UPDATE_REFERENCE=1 cargo test -p psi-tests --test
//! reference` writes its sections again.

use std::{fs, path::PathBuf};

use psi_node::reference::{errors_markdown, metrics_markdown, routes_markdown, with_section};

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
