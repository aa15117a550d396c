//! How many inputs a field took, and their mean, variance and deviation.

use crate::oracle::{
    arithmetic::Columns,
    component::{Component, NoWrite, OwnRecords, Scope, Sights},
    known::Knowledge,
    words::OracleSpec,
};

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct Moments;

/// Of the inputs, one number a dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedMoments {
    /// Steps in the epoch.
    pub count: u64,
    /// `None` before the first step.
    pub mean: Option<Vec<f64>>,
    /// `None` before the second step.
    pub variance: Option<Vec<f64>>,
    /// `None` before the second step.
    pub standard_deviation: Option<Vec<f64>>,
}

impl Component for Moments {
    const SCOPE: Scope = Scope::Epoch;
    type Write = NoWrite;
    type Record = NoWrite;
    type Expectation = ExpectedMoments;

    fn expect(known: &Knowledge<'_>, _: &OwnRecords<'_, NoWrite>, _: &mut Sights) -> ExpectedMoments {
        let inputs = inputs(known, known.spec.expect("a field that exists has a spec"));
        ExpectedMoments {
            count: inputs.count,
            mean: inputs.mean(),
            variance: inputs.variance(),
            standard_deviation: inputs.standard_deviation(),
        }
    }
}

/// The inputs, summed up.
pub(in crate::oracle) fn inputs(known: &Knowledge<'_>, spec: &OracleSpec) -> Columns {
    Columns::of(known.steps().map(|step| &step.what.input[..]), spec.width, spec.scale_exponent)
}
