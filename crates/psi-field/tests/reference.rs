//! `docs/reference.md` says of settings and commands what their tables say. `UPDATE_REFERENCE=1 cargo test -p psi-field
//! --test reference` writes these sections again; `tests/tests/reference.rs` has the others.

use std::{fs, path::PathBuf};

use psi_cli::reference::{commands, settings, variables};
use psi_node::reference::with_section;

/// What stands before the table of settings.
const SETTINGS: &str = "\
A node takes its settings from one TOML file (`--config`, or the variable `PSI_CONFIG`), from variables, and from flags. \
Variables override the file, and flags override variables. `psi-field node --print-config` shows what holds.";

/// The section below `## Settings`.
fn settings_section() -> String {
    let variables = variables();
    format!("{SETTINGS}\n\n{}\n### Variables of commands\n\n{variables}", settings())
}

fn commands_section() -> String {
    format!("`psi-field COMMAND --help` shows arguments and examples.\n\n{}", commands())
}

#[test]
fn the_reference_is_what_the_tables_say() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference.md");
    let document = fs::read_to_string(&path).expect("docs/reference.md");
    let sections = [("Settings", settings_section()), ("Commands", commands_section())];
    let want =
        sections.iter().fold(document.clone(), |document, (heading, text)| with_section(&document, heading, text));
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(&path, &want).expect("docs/reference.md can be written");
        return;
    }
    assert!(document == want, "docs/reference.md is out of date: run this test with UPDATE_REFERENCE=1");
}
