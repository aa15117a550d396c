//! The shape of the workspace: which crates may depend on which, as `cargo` sees it, and what types are called. Needs
//! only `cargo`, which runs this test, and no network. `just shape` measures the rest.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// A crate may depend on those above it only; `psi-tests` holds the clusters that the tests of others start. A new
/// crate takes its place here.
const ORDER: [&str; 20] = [
    "psi-security",
    "psi-stats",
    "psi-engine",
    "psi-replica",
    "psi-ledger",
    "psi-quorum",
    "psi-process",
    "psi-rollout",
    "psi-state",
    "psi-api",
    "psi-client",
    "psi-node",
    "psi-tests",
    "psi-sim",
    "psi-instructions",
    "psi-bench",
    "psi-cli",
    "psi-field",
    "psi-field-example",
    "psi-redis-service",
];

/// Cryptography, arithmetic, folding and the protocol: no I/O, so that they can't block and can be simulated.
const INNER: &[&str] = ORDER.split_at(9).0;

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

fn list(value: &Value) -> Vec<Value> {
    value.as_array().expect("a list").clone()
}

/// The workspace members as `cargo metadata` shows them.
fn members() -> Vec<Value> {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    list(&metadata["packages"])
}

/// Each workspace member with the names of all that its manifest depends on, for building or testing.
fn manifests() -> Vec<(String, Vec<String>)> {
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    members().iter().map(|member| (name(member), list(&member["dependencies"]).iter().map(name).collect())).collect()
}

#[test]
fn inner_crates_never_depend_on_the_shell() {
    let manifests: BTreeMap<_, _> = manifests().into_iter().collect();
    for inner in INNER.iter().filter(|inner| manifests.contains_key(**inner)) {
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
fn crates_say_what_they_are_and_whence() {
    for member in members() {
        for key in ["description", "license", "repository"] {
            assert!(member[key].as_str().is_some_and(|text| !text.is_empty()), "{} has no {key}", member["name"]);
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
        // Its own tests may need a feature of it.
        for dependency in dependencies.into_iter().filter(|dependency| *dependency != member) {
            if let Some(other) = place(&dependency) {
                assert!(other < own, "{member} stands above {dependency} and may not depend on it");
            }
        }
    }
}

// --- What types are called

/// Words as tests/shape/names.json lists them, which `just shape` reads too.
struct Vocabulary(Value);

impl Vocabulary {
    fn read() -> Self {
        Self(serde_json::from_str(include_str!("../shape/names.json")).expect("JSON"))
    }

    fn lists(&self, key: &str, word: &str) -> bool {
        match &self.0[key] {
            Value::Array(words) => words.iter().any(|listed| listed == word),
            words => words.get(word).is_some(),
        }
    }

    /// Whether a type may be called so: its last word says what it is, and must be a noun.
    fn allows(&self, name: &str) -> bool {
        let start = name.rfind(|letter: char| letter.is_ascii_uppercase()).unwrap_or(0);
        let last = name[start..].to_ascii_lowercase();
        let is_participle = last.ends_with("ed") || last.ends_with("ing") || self.lists("participles", &last);
        self.lists("exceptions", name)
            || self.lists("nouns", &last)
            || !(is_participle || self.lists("adjectives", &last))
    }
}

#[test]
fn no_release_has_what_only_tests_need() {
    let has = |name: &str, edges: &str| {
        let tree = cargo(&["tree", "--package", name, "--edges", edges, "--prefix", "none"]);
        tree.contains("feature \"testing\"")
    };
    assert!(has("psi-sim", "normal,dev,features"), "the simulator's tests need it");
    assert!(
        !has("psi-field", "normal,features"),
        "`cargo tree --package psi-field --edges normal,features` shows who asks"
    );
}

/// The files below `folder` with this extension, but for what is built.
fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() && !entry.ends_with("target") {
            files(&entry, extension, found);
        } else if entry.extension().is_some_and(|found| found == extension) {
            found.push(entry);
        }
    }
}

/// The name of the type that a line declares. An alias counts where nothing surrounds it.
fn declared<'a>(line: &'a str, keywords: &[&str]) -> Option<&'a str> {
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
    let keyword = words.next()?;
    let counts = keywords.contains(&keyword) || (keyword == "type" && !line.starts_with(' '));
    let name = words.next().filter(|_| counts)?.split(|letter: char| !letter.is_alphanumeric()).next()?;
    name.starts_with(|letter: char| letter.is_ascii_uppercase()).then_some(name)
}

/// Types by name, each with a file that declares it.
fn types(folder: &str, extension: &str, keywords: &[&str]) -> BTreeMap<String, PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut paths = Vec::new();
    files(&root.join(folder), extension, &mut paths);
    let mut types = BTreeMap::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("text");
        types.extend(
            text.lines().filter_map(|line| declared(line, keywords)).map(|name| (name.to_owned(), path.clone())),
        );
    }
    types
}

#[test]
fn types_are_nouns() {
    let vocabulary = Vocabulary::read();
    for (name, want) in [("Told", false), ("RunLearned", false), ("Staging", false), ("Ready", false)]
        .into_iter()
        .chain([("Seed", true), ("FrontierUpdate", true), ("ReadyNode", true), ("Setting", true)])
    {
        assert_eq!(vocabulary.allows(name), want, "{name}");
    }
    let rust = ["struct", "enum", "union", "trait"];
    let mut types: BTreeMap<_, _> =
        ["crates", "tests", "examples"].iter().flat_map(|folder| types(folder, "rs", &rust)).collect();
    assert!(types.len() > 300, "types were found");
    types.extend(self::types("proto", "proto", &["message", "enum"]));
    types.retain(|name, _| !vocabulary.allows(name));
    assert!(types.is_empty(), "no nouns (tests/shape/names.json takes exceptions, with reasons): {types:#?}");
}
