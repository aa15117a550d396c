//! Documents lead somewhere: their links, the files that ARCHITECTURE.md names, and what docs/protocol.md quotes. `just
//! shape` measures how long they and their sentences are.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// A file, by its path from the top.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("text")
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
            assert!(target.exists(), "{}: {link} leads nowhere", document.display());
            assert!(heading.is_empty() || has_anchor(&target, heading), "{}: no heading {link}", document.display());
        }
    }
    assert!(links > 60, "{links}");
}

/// Whether `name` is a path from the top, from `crates/`, or from the sources of a crate.
fn is_there(name: &str) -> bool {
    let crates = fs::read_dir(root().join("crates")).expect("crates").map(|entry| entry.expect("an entry").path());
    let sources = crates.map(|folder| folder.join("src"));
    [root(), root().join("crates")].into_iter().chain(sources).any(|folder| folder.join(name).exists())
}

#[test]
fn files_that_the_architecture_names_are_there() {
    let text = read("ARCHITECTURE.md");
    let is_path = |name: &&str| name.contains('/') && !name.contains([' ', '{', '(', '*']);
    let names: Vec<_> = between(&text, "`", '`').filter(is_path).collect();
    assert!(names.len() > 60, "{names:?}");
    let missing: Vec<_> = names.into_iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names files that are not there: {missing:#?}");
}

/// The items of a numbered list, as far as they are one path each.
fn numbered_paths(text: &str) -> Vec<(usize, &str)> {
    text.lines()
        .filter_map(|line| {
            let (number, path) = line.split_once(". `")?;
            Some((number.parse().ok()?, path.strip_suffix('`')?))
        })
        .collect()
}

#[test]
fn a_step_passes_through_at_most_thirty_files() {
    let text = read("ARCHITECTURE.md");
    let section = between(&text, "## A step, end to end", '#').next().expect("a section");
    let files = numbered_paths(section);
    let numbers: Vec<_> = files.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=files.len()).collect::<Vec<_>>());
    let distinct: BTreeSet<_> = files.iter().map(|(_, path)| *path).collect();
    assert_eq!(distinct.len(), files.len(), "a file is listed once");
    assert!((20..=30).contains(&files.len()), "{}", files.len());
    assert!(section.contains(&format!("{} files", files.len())), "the text names the number");
}

#[test]
fn what_the_protocol_quotes_is_in_the_transcripts() {
    let text = read("docs/protocol.md");
    let mut quoted = 0;
    for part in text.split("\nFrom `").skip(1) {
        let (name, rest) = part.split_once('`').expect("a name");
        let excerpt = between(rest, "```text\n", '`').next().expect("an excerpt");
        let transcript = read(&format!("crates/psi-sim/tests/transcripts/{name}"));
        assert!(transcript.contains(excerpt), "{name} does not hold\n{excerpt}");
        quoted += 1;
    }
    assert!(quoted >= 2, "{quoted}");
    let transcripts = fs::read_dir(root().join("crates/psi-sim/tests/transcripts")).expect("transcripts");
    for name in transcripts.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")) {
        assert!(text.contains(&format!("](../crates/psi-sim/tests/transcripts/{name})")), "no link to {name}");
    }
}

/// A command that is typed as it stands, with the node and the field of the alert in place of HOST and FIELD.
#[test]
fn commands_of_runbooks_name_the_node_and_the_field() {
    const LOCAL: [&str; 3] = ["psi-field node", "psi-field check-config", "psi-field ledger verify"];
    let mut commands = 0;
    for page in documents().iter().filter(|page| page.parent().is_some_and(|folder| folder.ends_with("runbooks"))) {
        let runbook = fs::read_to_string(page).expect("text");
        let blocks = runbook.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        let lines = blocks.flat_map(str::lines).filter(|line| line.contains("psi-field "));
        for line in lines.filter(|line| !LOCAL.iter().any(|local| line.contains(local))) {
            assert!(line.contains(" --node "), "{}: {line}", page.display());
            commands += 1;
        }
        assert!(!runbook.contains("--field default"), "{}: the alert says which field", page.display());
        for (placeholder, label) in [("HOST:", "instance"), ("FIELD ", "field"), ("MODEL ", "model")] {
            let is_said = !runbook.contains(placeholder) || runbook.contains(&format!("label `{label}`"));
            assert!(is_said, "{}: whence {placeholder}", page.display());
        }
    }
    assert!(commands > 20, "{commands}");
}
