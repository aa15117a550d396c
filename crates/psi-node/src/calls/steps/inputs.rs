//! The inputs of calls that step.

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    slice,
};

use psi_replica::{DEFAULT_FIELD, FieldName};

/// A call that steps, once or in a batch.
#[derive(Clone, Debug)]
pub(crate) struct StepCall {
    /// Empty means `default`.
    pub(crate) field: String,
    /// The version of it, if the call names one.
    pub(crate) version: Option<String>,
    pub(crate) inputs: Inputs,
    /// What the call says of each input; none if it says nothing.
    pub(crate) remarks: Remarks,
    /// Whether the inputs are conditioned first.
    pub(crate) guardian: bool,
}

/// What a call says of its inputs, unchecked: of each, or nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Remarks {
    pub(crate) keys: Vec<String>,
    pub(crate) outcomes: Vec<RequestedOutcome>,
}

/// How a step went, unchecked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RequestedOutcome {
    pub(crate) error: bool,
    pub(crate) latency_ms: Option<f64>,
}

#[derive(Clone, Debug)]
pub(crate) enum Inputs {
    One(Vec<f64>),
    Batch(Vec<Vec<f64>>),
}

impl Inputs {
    pub(crate) fn is_batch(&self) -> bool {
        matches!(self, Self::Batch(_))
    }

    pub(super) fn len(&self) -> usize {
        self.iter().len()
    }

    pub(crate) fn iter(&self) -> slice::Iter<'_, Vec<f64>> {
        match self {
            Self::One(input) => slice::from_ref(input).iter(),
            Self::Batch(inputs) => inputs.iter(),
        }
    }

    pub(super) fn condition(&mut self) {
        let inputs = match self {
            Self::One(input) => slice::from_mut(input),
            Self::Batch(inputs) => inputs.as_mut_slice(),
        };
        inputs.iter_mut().for_each(|input| psi_engine::guardian::condition(input));
    }
}

/// A hash of the steps that a call asks for: a repetition has the same, whatever its options.
pub(crate) fn content_of_steps(hasher: &RandomState, field: &FieldName, call: &StepCall) -> u64 {
    let mut content = hasher.build_hasher();
    let StepCall { field: named, version, inputs, remarks: Remarks { keys, outcomes }, guardian } = call;
    // The name of the field as it was checked, with its version. Where the node picked that, it may pick another now.
    let field = match version {
        None if named.is_empty() => DEFAULT_FIELD,
        None => named,
        Some(_) => field.as_str(),
    };
    ("steps", field, guardian, inputs.is_batch(), keys, outcomes.len()).hash(&mut content);
    for RequestedOutcome { error, latency_ms } in outcomes {
        (error, latency_ms.map(f64::to_bits)).hash(&mut content);
    }
    for input in inputs.iter() {
        input.len().hash(&mut content);
        input.iter().for_each(|number| number.to_bits().hash(&mut content));
    }
    content.finish()
}
