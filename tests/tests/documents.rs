//! Documents lead somewhere: their links, and the files that ARCHITECTURE.md names. `just shape` measures how long they
//! and their sentences are.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What documents name already and other work brings. It is to become empty.
const TO_COME: &[&str] =
    &["crates/psi-sim/README.md", "docs/reference.md", "crates/psi-sim/tests/transcripts", "crates/psi-state"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The documents at the top, below docs/ and of the crates.
fn documents() -> Vec<PathBuf> {
    let list =
        |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let crates = list(root().join("crates")).map(|folder| folder.join("README.md"));
    let folders = [root(), root().join("docs"), root().join("docs/runbooks")];
    let all = folders.into_iter().flat_map(list).chain(crates);
    all.filter(|path| path.is_file() && path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// What stands between `open` and `close`, each time.
fn between<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split(close).next())
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn has_anchor(document: &Path, wanted: &str) -> bool {
    let text = fs::read_to_string(document).unwrap_or_default();
    text.lines().filter(|line| line.starts_with('#')).any(|heading| anchor(heading) == wanted)
}

fn is_to_come(path: &Path) -> bool {
    TO_COME.iter().any(|start| path.starts_with(root().join(start)))
}

/// The path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part.as_os_str() == ".." {
            plain.pop()
        } else {
            plain.push(part);
            true
        };
    }
    plain
}

#[test]
fn links_lead_to_files_and_headings() {
    let documents = documents();
    assert!(documents.len() > 25, "{documents:?}");
    let mut links = 0;
    for document in documents {
        let text = fs::read_to_string(&document).expect("text");
        for link in between(&text, "](", ')').filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let folder = document.parent().expect("a folder");
            let target = if file.is_empty() { document.clone() } else { plain(&folder.join(file)) };
            links += 1;
            if is_to_come(&target) {
                continue;
            }
            assert!(target.exists(), "{}: {link} leads nowhere", document.display());
            assert!(heading.is_empty() || has_anchor(&target, heading), "{}: no heading {link}", document.display());
        }
    }
    assert!(links > 60, "{links}");
}

#[test]
fn files_that_the_architecture_names_are_there() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("text");
    let is_path = |name: &&str| name.contains('/') && !name.contains([' ', '{', '(', '*']);
    let mut missing = Vec::new();
    for name in between(&text, "`", '`').filter(is_path) {
        let places = [root().join(name), root().join("crates").join(name)];
        let is_there = places.iter().any(|path| path.exists() || is_to_come(path));
        // Inside the crate that the text speaks of.
        let is_inside = || {
            let crates =
                fs::read_dir(root().join("crates")).expect("crates").map(|entry| entry.expect("an entry").path());
            crates.into_iter().any(|folder| folder.join("src").join(name).exists())
        };
        if !is_there && !is_inside() {
            missing.push(name.to_owned());
        }
    }
    // Until the crates stand as ARCHITECTURE.md says, some are not there yet.
    let is_moving = !root().join("crates/psi-state").exists();
    assert!(missing.is_empty() || is_moving, "ARCHITECTURE.md names files that are not there: {missing:#?}");
}
