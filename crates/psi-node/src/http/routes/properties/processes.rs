//! What the bodies of calls that change processes may name.

use super::super::property::{Kind, Property};

const AFTER: Property =
    Property::text("after", "the transition that it follows: `head` of the process or task; none to begin").optional();
const REASON: Property = Property::text("reason", "why, in words: up to 512 bytes").optional();
const DEADLINE_MS: Property =
    Property::integer("deadline_ms", "most milliseconds to an answer; 5,000 if left out, at most 600,000").optional();
const TASK: Property = Property::text("task", "the task, such as `main`");
const TASK_OR_PROCESS: Property = Property::text("task", "the task; the process itself if left out").optional();
const WORK_ORDER: Property = Property::object(
    "work",
    "what the work was asked to be: the texts requirements, model and persona, the lists of texts gates and artifacts",
)
.optional();

pub(in crate::http) const APPLICATION: &[Property] =
    &[Property::text("spec", "the spec, in TOML: up to 65,536 bytes"), AFTER, REASON, DEADLINE_MS];
pub(in crate::http) const ADVANCE: &[Property] = &[
    TASK,
    AFTER,
    Property::text("client", "who holds the lease of the task, where the spec has one; else `operator`").optional(),
    WORK_ORDER,
    Property::boolean("force", "let the task pass though gates do not; needs a reason").optional(),
    REASON,
    DEADLINE_MS,
];
pub(in crate::http) const ABORTION: &[Property] = &[TASK_OR_PROCESS, AFTER, REASON, DEADLINE_MS];
pub(in crate::http) const MODE: &[Property] =
    &[Property::text("mode", "`watch` or `enforce`"), AFTER, REASON, DEADLINE_MS];
pub(in crate::http) const PROCESS_BASELINE: &[Property] = &[TASK_OR_PROCESS, WORK_ORDER, AFTER, REASON, DEADLINE_MS];
pub(in crate::http) const EVIDENCE: &[Property] = &[
    TASK,
    Property::text("name", "what gates call it"),
    Property::new("document", Kind::Any, "a text, or other JSON as it is written: up to 1 MiB").optional(),
    Property::text("document_base64", "a document of any bytes").optional(),
    Property::text("sha256", "of what is not sent: 64 hexadecimal digits").optional(),
    Property::integer("size", "of what is not sent, in bytes").optional(),
];
pub(in crate::http) const EMERGENCY: &[Property] = &[
    Property::boolean("on", "true: no gate of any process blocks"),
    Property::text("reason", "why; needed to switch it on").optional(),
    DEADLINE_MS,
];
/// What `work` may have.
pub(in crate::http) const WORK: &[Property] = &[
    Property::text("requirements", "").optional(),
    Property::new("gates", Kind::Texts, "").optional(),
    Property::new("artifacts", Kind::Texts, "").optional(),
    Property::text("model", "").optional(),
    Property::text("persona", "").optional(),
];
