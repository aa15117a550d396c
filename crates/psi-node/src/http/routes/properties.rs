//! What addresses and bodies may name: a row each.

pub(in crate::http) mod processes;
pub(in crate::http) mod rollouts;

use super::property::{Kind, Property};

pub(super) const FIELD: Property = Property::text("field", "the field; `default` if left out").optional();
pub(super) const AFTER: Property = Property::text(
    "after",
    "session token: the `token` of an earlier answer, of any node; wait until this node has reached it",
)
.optional();
pub(super) const DEADLINE_MS: Property =
    Property::integer("deadline_ms", "most milliseconds to the answer; 2,000 if left out, at most 60,000").optional();
pub(super) const REPLICATE_TO: Property =
    Property::text("replicate_to", "how far the write is to get first: local, one, majority or all").optional();
pub(super) const REQUEST_ID: Property =
    Property::text("request_id", "a name for this request: sent again to the same node, it is not counted again")
        .optional();

/// What every call that names a field by its address may ask for.
pub(super) const FIELD_PARAMS: &[Property] = &[FIELD];
pub(super) const READ_PARAMS: &[Property] = &[FIELD, AFTER, DEADLINE_MS];
/// What lists that come in pages take.
pub(super) const PAGE_PARAMS: &[Property] = &[
    Property::integer("page_size", "most of a page; 1,000 if left out, which is the most").optional(),
    Property::text("page_token", "`next_page_token` of the page before").optional(),
];
/// What a write may ask for, in its address or, where it is a step, in its body.
pub(in crate::http) const WRITE_PARAMS: [Property; 5] = [FIELD, AFTER, DEADLINE_MS, REPLICATE_TO, REQUEST_ID];

const X: Property = Property::new("x", Kind::Numbers, "the input: as many numbers as the field is wide");
const INPUTS: Property =
    Property::new("inputs", Kind::Vectors, "1 to 4,096 inputs in their order: all are absorbed, or none");
const APPLY_GUARDIAN: Property =
    Property::boolean("apply_guardian", "condition the input first: NaN becomes 0, all is clipped to [-5, 5]")
        .optional();

/// What the body of a step may have, beside what a write may ask for.
pub(in crate::http) const STEP_BODY: &[Property] = &[X, APPLY_GUARDIAN, VERSION, KEY, OUTCOME];
/// Likewise of several steps.
pub(in crate::http) const BATCH_BODY: &[Property] = &[INPUTS, APPLY_GUARDIAN, VERSION, KEYS, OUTCOMES];

const VERSION: Property =
    Property::text("version", "of the model `field`: the step is of the field `field@version`").optional().nullable();
const KEY: Property =
    Property::text("key", "what the step is about, such as a user: 1 to 256 bytes").optional().nullable();
const KEYS: Property =
    Property::new("keys", Kind::Texts, "what each step is about, as `key` of one step; none or one for each")
        .optional()
        .nullable();
const OUTCOMES: Property =
    Property::new("outcomes", Kind::Objects, "how each step went, as `outcome` of one step; none or one for each")
        .optional()
        .nullable();
const OUTCOME: Property =
    Property::object("outcome", "how a step of a version went: `error`, a boolean, and `latency_ms`, 0 to 3,600,000")
        .optional()
        .nullable();

/// What the body for a new field may have. A field that exists is named by its path.
pub(in crate::http) const NEW_FIELD: &[Property] = &[
    Property::text("name", "1 to 64 of A-Z a-z 0-9 . _ -; `model@version` for a version of a model"),
    Property::new("names", Kind::Texts, "of its columns: one line of 1 to 64 bytes without commas for each")
        .optional()
        .nullable(),
    Property::text("engine", "core or synthetic").optional().nullable(),
    Property::integer("width", "numbers in an input vector").optional().nullable(),
    Property::integer("scale_exponent", "inputs are kept in multiples of 2^(this - 56)").optional().nullable(),
    Property::text("seed", "a whole number below 2^64; a JSON number may be at most 2^53").optional().nullable(),
    Property::text("guardian", "watch or intervene").optional().nullable(),
    Property::object("parameters", "parameters of the engine, by name").optional().nullable(),
];
/// What the body for a field that exists may have.
pub(in crate::http) const KNOWN_FIELD: &[Property] = NEW_FIELD.split_at(2).1;
/// What the body of a call that labels a field has.
pub(in crate::http) const LABEL_BODY: &[Property] =
    &[Property::text("label", "one line of at most 256 bytes; null or empty: no label").nullable()];
/// What the body of a call that names the columns of a field has.
pub(in crate::http) const NAMES_BODY: &[Property] = &[Property::new(
    "names",
    Kind::Texts,
    "one line of 1 to 64 bytes without commas for each column, none twice; null or empty: no names",
)
.nullable()];
/// What the body of a call that sets a baseline may have.
pub(in crate::http) const BASELINE_BODY: &[Property] = &[
    Property::text("version", "what the baseline is called: one line of at most 256 bytes").optional().nullable(),
    Property::text("source", "where it comes from").optional().nullable(),
    Property::integer("windowDays", "it covers the last so many days; as much as is kept if left out")
        .optional()
        .nullable(),
    Property::text("setBy", "who sets it").optional().nullable(),
];
