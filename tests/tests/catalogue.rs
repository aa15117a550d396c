//! The catalogue of reasons (`psi_api::REASONS`, shown in `docs/reference.md`) lists every reason that a program can
//! meet.

use std::{collections::BTreeSet, fs, path::Path};

use psi_api::REASONS;

/// All Rust sources below a folder, tests left out.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") && !["tests.rs", "reasons.rs", "routes.rs"].contains(&name) {
            found.push(fs::read_to_string(&path).expect("a source"));
        }
    }
}

/// Quoted words in capitals: reasons of calls and links.
fn capitals(source: &str) -> impl Iterator<Item = &str> {
    let is_reason =
        |text: &&str| text.contains('_') && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    source.split('"').skip(1).step_by(2).filter(is_reason)
}

/// What the functions `reason` give: reasons of deltas, links and snapshots.
fn of_functions(source: &str) -> impl Iterator<Item = &str> {
    let bodies = source.split("fn reason(&self)").skip(1).filter_map(|rest| rest.split("\n    }").next());
    bodies.flat_map(|body| body.split('"').skip(1).step_by(2))
}

#[test]
fn every_reason_is_in_the_catalogue() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for folder in ["crates/psi-api/src", "crates/psi-node/src", "crates/psi-replica/src", "crates/psi-state/src"] {
        sources(&root.join(folder), &mut found);
    }
    let reasons: BTreeSet<&str> =
        found.iter().flat_map(|source| capitals(source).chain(of_functions(source))).collect();
    assert!(reasons.len() > 70, "{reasons:?}");
    // A link's reason is in capitals over gRPC and in small letters in metrics.
    let is_listed = |reason: &&&str| {
        let capitals = reason.to_ascii_uppercase();
        REASONS.iter().any(|row| [**reason, capitals.as_str()].contains(&row.name))
    };
    // Variables of the build, what names of lanes begin with, and the type of plans.
    let others = ["CARGO_PKG_VERSION", "OUT_DIR", "LANE_ENDED", "DRIFT_REMEDIATION"];
    let missing: Vec<&&str> =
        reasons.iter().filter(|reason| !others.contains(reason)).filter(|reason| !is_listed(reason)).collect();
    assert_eq!(missing, [] as [&&str; 0], "psi_api::REASONS does not list them");
}
