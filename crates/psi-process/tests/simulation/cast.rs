//! What all histories are about: one process with two specs, its register, and two buckets of its tasks.

use std::sync::OnceLock;

use psi_process::{Name, Spec, SpecHash, SpecStore, Subject, TaskBucket, TaskName};
use psi_quorum::RegisterName;

/// The register of the process. The others are buckets.
pub(super) const PROCESS: usize = 0;
/// A day in milliseconds.
pub(super) const DAY_MS: u64 = 86_400_000;

/// What ended tasks are kept for, in days: by the first spec, and by the second.
pub(super) const RETAIN_DAYS: [u64; 2] = [1, 2];
/// The score that the gates of each spec ask for.
pub(super) const SCORES: [f64; 2] = [5.0, 6.0];

const SPEC: &str = r#"
name = "small"
mode = "enforce"
retain_days = RETAIN_DAYS

[[phases]]
name = "a"
[[phases.gates]]
name = "score"
kind = "evidence"
document = "report"
thresholds = ["score >= SCORE"]

[[phases]]
name = "b"
severity = "high"
on_fail = "a"
[[phases.gates]]
name = "score"
kind = "evidence"
document = "report"
thresholds = ["score >= SCORE"]

[[phases]]
name = "c"
"#;

/// What only the second spec has.
const LAST_PHASE: &str = "[[phases]]\nname = \"d\"\n";

pub(super) struct Cast {
    pub(super) specs: Vec<Spec>,
    pub(super) store: SpecStore,
    pub(super) registers: Vec<RegisterCast>,
}

/// A register and what may be in it.
pub(super) struct RegisterCast {
    pub(super) name: RegisterName,
    pub(super) subjects: Vec<Subject>,
}

pub(super) fn cast() -> &'static Cast {
    static CAST: OnceLock<Cast> = OnceLock::new();
    CAST.get_or_init(|| {
        let specs: Vec<_> = (0..2).map(spec).collect();
        let mut store = SpecStore::default();
        for spec in &specs {
            store.add(spec.clone());
        }
        let process = specs[0].name().clone();
        let name = RegisterName::new("process/small").unwrap();
        let chain = RegisterCast { name, subjects: vec![Subject::process(process.clone())] };
        // Few names, which are used again and again; and so many long ones that not all have room.
        let registers = vec![chain, bucket(&process, "T-", 4), bucket(&process, &"long-name-".repeat(5), 30)];
        Cast { specs, store, registers }
    })
}

impl Cast {
    /// Which of the two it is.
    pub(super) fn number_of(&self, spec: SpecHash) -> usize {
        self.specs.iter().position(|known| known.hash() == spec).unwrap()
    }
}

pub(super) fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

fn spec(number: usize) -> Spec {
    let text = SPEC.replace("RETAIN_DAYS", &RETAIN_DAYS[number].to_string());
    let text = text.replace("SCORE", &SCORES[number].to_string());
    Spec::parse(&if number == 0 { text } else { text + LAST_PHASE }).unwrap()
}

/// So many tasks that share a bucket.
fn bucket(process: &Name, prefix: &str, count: usize) -> RegisterCast {
    let subject = |number: u32| Subject::task(process.clone(), TaskName::new(&format!("{prefix}{number}")).unwrap());
    let own = TaskBucket::number_of(&subject(0));
    let subjects = (0..).map(subject).filter(|subject| TaskBucket::number_of(subject) == own).take(count).collect();
    let name = RegisterName::new(&format!("tasks/{process}/{}", own.unwrap())).unwrap();
    RegisterCast { name, subjects }
}
