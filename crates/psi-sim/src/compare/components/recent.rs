//! The latest step.

use crate::compare::{
    same::same,
    subject::{ShownField, Subject, SubjectWrites},
    words::{oracle_clock, oracle_origin},
};
use crate::oracle::{
    OracleAnswer,
    components::recent::{ExpectedLast, RecentStep},
};

impl Subject for RecentStep {
    fn compare(expected: &Option<ExpectedLast>, shown: ShownField<'_>) -> Result<(), String> {
        let last = shown.view.last.as_ref().map(|last| ExpectedLast {
            clock: oracle_clock(last.clock),
            origin: oracle_origin(&last.origin),
            answer: OracleAnswer {
                metrics: last.metrics.to_array(),
                k: last.k,
                novelty: last.novelty,
                attention_gain: last.attention_gain,
            },
        });
        same("last step", expected.clone(), last)
    }

    fn hash(shown: ShownField<'_>, hasher: &mut blake3::Hasher) {
        let Some(last) = &shown.view.last else { return };
        let floats = last.metrics.to_array().into_iter().chain([last.novelty, last.attention_gain]);
        let whole = [last.clock.wall_ms, last.clock.counter.into(), last.k];
        for number in whole.into_iter().chain(floats.map(f64::to_bits)) {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(last.origin.to_string().as_bytes());
    }
}

impl SubjectWrites for RecentStep {}
