//! What replicas say to each other is what `tests/transcripts/*.txt` has, scenario by scenario.
//!
//! After a change that is meant, rewrite the files and look at the difference:
//! `UPDATE_TRANSCRIPTS=1 cargo test -p psi-sim --test transcripts`.

#![allow(clippy::unwrap_used, reason = "a panic is the report")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use psi_sim::transcripts::{names, print};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

/// Whether the files are being rewritten; then only the test that writes them looks at them.
fn is_updating() -> bool {
    std::env::var_os("UPDATE_TRANSCRIPTS").is_some()
}

/// The first line that differs.
fn difference(name: &str, kept: &str, said: &str) -> Option<String> {
    let lines = kept.lines().count().max(said.lines().count());
    let line = |text: &str, at: usize| text.lines().nth(at).unwrap_or("(nothing)").to_owned();
    let at = (0..lines).find(|at| line(kept, *at) != line(said, *at))?;
    Some(format!("{name}.txt, line {}:\n  kept: {}\n  said: {}", at + 1, line(kept, at), line(said, at)))
}

#[test]
fn replicas_say_what_the_transcripts_say() {
    let mut differences = Vec::new();
    for name in names() {
        let said = print(name).unwrap();
        let file = folder().join(name).with_extension("txt");
        if is_updating() {
            fs::write(&file, &said).unwrap();
        }
        differences.extend(difference(name, &fs::read_to_string(&file).unwrap_or_default(), &said));
    }
    let update = "if that is meant: UPDATE_TRANSCRIPTS=1 cargo test -p psi-sim --test transcripts";
    assert!(differences.is_empty(), "{}\n{update}", differences.join("\n"));
}

#[test]
fn each_file_is_a_transcript_and_begins_with_what_there_is_to_see() {
    if is_updating() {
        return;
    }
    let files: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(files, names().map(str::to_owned).collect());
    for name in names() {
        let said = print(name).unwrap();
        assert!(said.starts_with("# "), "{name}");
        assert!(said.lines().all(|line| line.chars().count() <= 100), "{name}: lines keep to the width");
    }
}

#[test]
fn there_is_no_transcript_of_another_name() {
    assert_eq!(print("farewell"), None);
}
