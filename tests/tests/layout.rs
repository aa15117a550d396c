//! The shape of the workspace, as `cargo` sees it: which crates may depend on which. Needs only `cargo`, which runs
//! this test, and no network.

use std::process::Command;

use serde_json::Value;

/// A crate may depend on those above it only; `psi-tests` holds the clusters that the tests of others start. A new
/// crate takes its place here.
const ORDER: [&str; 11] = [
    "psi-stats",
    "psi-engine",
    "psi-replica",
    "psi-api",
    "psi-node",
    "psi-tests",
    "psi-sim",
    "psi-instructions",
    "psi-bench",
    "psi-cli",
    "psi-field-example",
];

/// Arithmetic, folding and the protocol: no I/O, so that they can't block and can be simulated.
const INNER: &[&str] = ORDER.split_at(3).0;

/// What only the shell may use, directly or not.
const SHELL: [&str; 4] = ["tokio", "tonic", "chitchat", "prometheus"];

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).args(["--offline", "--locked"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Names of the crates that `name` is built with, at any depth, on this platform. Tests and build scripts are left
/// out.
fn built_with(name: &str) -> Vec<String> {
    let tree = cargo(&["tree", "--package", name, "--edges", "normal", "--prefix", "none"]);
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Each workspace member with the names of all that its manifest depends on, for building or testing.
fn manifests() -> Vec<(String, Vec<String>)> {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let members = list(&metadata["packages"]);
    members.iter().map(|member| (name(member), list(&member["dependencies"]).iter().map(name).collect())).collect()
}

#[test]
fn inner_crates_never_depend_on_the_shell() {
    for inner in INNER {
        let built_with = built_with(inner);
        assert!(built_with.len() > 1, "{inner} has dependencies, and none was found");
        for shell in SHELL {
            let of_shell = |name: &&String| *name == shell || name.starts_with(&format!("{shell}-"));
            if let Some(found) = built_with.iter().find(of_shell) {
                panic!("{inner} is built with {found}: `cargo tree -p {inner} -e normal -i {found}` shows why");
            }
        }
    }
}

#[test]
fn crates_depend_only_on_those_above_them() {
    let place = |name: &str| ORDER.iter().position(|listed| *listed == name);
    let manifests = manifests();
    assert!(manifests.len() >= INNER.len(), "the workspace was found");
    for (member, dependencies) in manifests {
        let own = place(&member).unwrap_or_else(|| panic!("{member} has no place in ORDER"));
        for dependency in dependencies {
            if let Some(other) = place(&dependency) {
                assert!(other < own, "{member} stands above {dependency} and may not depend on it");
            }
        }
    }
}
