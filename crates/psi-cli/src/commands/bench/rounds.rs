//! Rounds: every row of a group has a turn in each, one after the other and every second round in reverse, so that
//! whatever the machine does meanwhile, and whatever a row leaves behind, falls on all of them. Leaves out what a turn
//! does, and how it looks in the end.

use super::{plan::Plan, progress::Progress, row::Label};
use crate::failure::Failure;

/// What one turn of a row gave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// In the row's unit.
    pub(super) figure: f64,
    /// Half of all took at most this, microseconds; where single calls were timed.
    pub(super) p50_us: Option<f64>,
    /// 99 of 100 took at most this.
    pub(super) p99_us: Option<f64>,
    /// Steps that were taken each second, where the row asks for a rate.
    pub(super) rate: Option<f64>,
}

/// The sample, or why there is none.
pub(super) type Turn = Result<Sample, String>;

/// Something that can be measured again and again.
pub(super) trait Case {
    /// Which row it is.
    fn label(&self) -> &Label;

    /// Measures it once, for the time of the plan.
    ///
    /// # Errors
    /// If this could not be measured; the other rows are.
    async fn turn(&mut self, plan: &Plan) -> Result<Sample, Failure>;
}

/// Measures all cases in each round; for each case its turns, by round.
pub(super) async fn interleaved<C: Case>(cases: &mut [C], plan: &Plan, progress: &Progress) -> Vec<Vec<Turn>> {
    let mut turns = vec![Vec::new(); cases.len()];
    for round in 0..plan.rounds {
        for index in order(round, cases.len()) {
            progress.turn(cases[index].label(), round, plan.rounds);
            let turn = cases[index].turn(plan).await;
            turns[index].push(turn.map_err(|failure| failure.text()));
            progress.done();
        }
    }
    turns
}

/// The order of a round: there, and in the next one back.
fn order(round: u32, count: usize) -> Vec<usize> {
    let there = 0..count;
    if round.is_multiple_of(2) { there.collect() } else { there.rev().collect() }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc, time::Duration};

    use super::*;
    use crate::output::Output;

    /// Writes down when it had its turn.
    struct Noted {
        label: Label,
        turns: Rc<RefCell<Vec<String>>>,
    }

    impl Case for Noted {
        fn label(&self) -> &Label {
            &self.label
        }

        async fn turn(&mut self, _: &Plan) -> Result<Sample, Failure> {
            let mut turns = self.turns.borrow_mut();
            turns.push(self.label.name.clone());
            if self.label.name == "b" && turns.len() > 3 {
                return Err(Failure::failed("gone"));
            }
            Ok(Sample { figure: turns.len() as f64, ..Sample::default() })
        }
    }

    #[tokio::test]
    async fn every_second_round_goes_back_and_a_failed_turn_stops_nothing() {
        let seen = Rc::<RefCell<Vec<String>>>::default();
        let mut cases = ["a", "b", "c"].map(|name| Noted { label: Label::new(name), turns: seen.clone() });
        let plan = Plan { rounds: 3, time: Duration::ZERO };
        let turns = interleaved(&mut cases, &plan, &Progress::new(Output::Json)).await;
        assert_eq!(seen.borrow().concat(), "abccbaabc");
        let figures = |index: usize| -> Vec<f64> { turns[index].iter().flatten().map(|turn| turn.figure).collect() };
        assert_eq!(figures(0), [1.0, 6.0, 7.0]);
        assert_eq!(turns[1][1..], [Err("gone".to_owned()), Err("gone".to_owned())]);
        assert_eq!(figures(2), [3.0, 4.0, 9.0]);
    }
}
