//! The deliberate errors of `mutants/` still fit the code. That the simulator notices each of them is for
//! `just mutants`, which takes minutes.
//!
//! Needs git (Debian: `apt-get install git`); without it the test says so and passes, unless the variable CI is set.

#![allow(clippy::unwrap_used, reason = "a panic is the report")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn patches() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut patches: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|end| end == "patch")).collect();
    patches.sort();
    patches
}

/// Whether a patch fits; `None` if there is no git.
fn check(patch: &Path) -> Option<Output> {
    let root = root();
    let mut git = Command::new("git");
    // A tree that is unpacked inside somebody else's repository is none of its files.
    git.env("GIT_CEILING_DIRECTORIES", root.parent().unwrap());
    git.args(["apply", "--check", "--verbose"]).arg(patch).current_dir(&root).output().ok()
}

/// What is wrong with a patch, in git's words; `None` if it fits.
fn misfit(patch: &Path, output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() && !said.contains("Skipped") {
        return None;
    }
    let what = std::fs::read_to_string(patch).unwrap().lines().next().unwrap_or_default().to_owned();
    let reasons: Vec<&str> =
        said.lines().filter(|line| line.starts_with("error:") || line.starts_with("Skipped")).collect();
    Some(format!("{}: {what}\n    {}", patch.file_name().unwrap().display(), reasons.join("\n    ")))
}

#[test]
fn every_deliberate_error_fits_the_code() {
    let patches = patches();
    assert_eq!(patches.len(), 42 + 35 + 9 + 19 + 18, "{patches:?}");
    let mut misfits = Vec::new();
    for patch in &patches {
        let Some(output) = check(patch) else {
            assert!(std::env::var_os("CI").is_none(), "git is missing: apt-get install git");
            eprintln!("SKIPPED: git is missing (apt-get install git), so patches are not checked");
            return;
        };
        misfits.extend(misfit(patch, &output));
    }
    let (count, all) = (misfits.len(), patches.len());
    assert!(
        misfits.is_empty(),
        "{count} of {all} deliberate errors no longer fit; adapt their patches in crates/psi-sim/mutants to the code:\n{}",
        misfits.join("\n")
    );
}
