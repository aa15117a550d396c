//! The latest step.

use crate::oracle::{
    component::{Component, NoWrite, OwnRecords, Scope, Sights},
    known::Knowledge,
    words::{OracleAnswer, OracleClock, OracleOrigin},
};

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct RecentStep;

/// The step with the highest clock.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedLast {
    /// When it was accepted.
    pub clock: OracleClock,
    /// Who accepted it.
    pub origin: OracleOrigin,
    /// What was answered.
    pub answer: OracleAnswer,
}

impl Component for RecentStep {
    const SCOPE: Scope = Scope::Epoch;
    type Write = NoWrite;
    type Record = NoWrite;
    type Expectation = Option<ExpectedLast>;

    fn expect(known: &Knowledge<'_>, _: &OwnRecords<'_, NoWrite>, _: &mut Sights) -> Option<ExpectedLast> {
        known.last_step().map(|last| ExpectedLast {
            clock: last.clock,
            origin: last.origin.clone(),
            answer: last.what.answer.clone(),
        })
    }
}
