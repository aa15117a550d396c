//! Every row of a group has a turn in each, one after the other and every second round in reverse, so that
//! whatever the machine does meanwhile, and whatever a row leaves behind, falls on all of them. Leaves out what a turn
//! does, and how it looks in the end.

use super::{
    label::Label,
    plan::Plan,
    progress::Progress,
    sample::{Sample, Turn},
};
use crate::error::BenchError;

/// Something that can be measured again and again.
pub(crate) trait Case {
    /// Which row it is.
    fn label(&self) -> &Label;

    /// Measures it once, for the time of the plan.
    ///
    /// # Errors
    /// If this could not be measured; the other rows are.
    async fn turn(&mut self, plan: &Plan) -> Result<Sample, BenchError>;
}

/// Measures all cases in each round; for each case its turns, by round.
pub(crate) async fn interleaved<C: Case>(cases: &mut [C], plan: &Plan, progress: &Progress) -> Vec<Vec<Turn>> {
    let mut turns = vec![Vec::new(); cases.len()];
    for round in 0..plan.rounds {
        for index in order(round, cases.len()) {
            progress.turn(cases[index].label(), round, plan.rounds);
            let turn = cases[index].turn(plan).await;
            turns[index].push(turn.map_err(|error| error.to_string()));
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

    /// Writes down when it had its turn.
    struct TurnRecorder {
        label: Label,
        turns: Rc<RefCell<Vec<String>>>,
    }

    impl Case for TurnRecorder {
        fn label(&self) -> &Label {
            &self.label
        }

        async fn turn(&mut self, _: &Plan) -> Result<Sample, BenchError> {
            let mut turns = self.turns.borrow_mut();
            turns.push(self.label.name.clone());
            if self.label.name == "b" && turns.len() > 3 {
                return Err(BenchError::failed("gone"));
            }
            Ok(Sample { figure: turns.len() as f64, ..Sample::default() })
        }
    }

    #[tokio::test]
    async fn every_second_round_goes_back_and_a_failed_turn_stops_nothing() {
        let seen = Rc::<RefCell<Vec<String>>>::default();
        let mut cases = ["a", "b", "c"].map(|name| TurnRecorder { label: Label::new(name), turns: seen.clone() });
        let plan = Plan { rounds: 3, time: Duration::ZERO };
        let turns = interleaved(&mut cases, &plan, &Progress::hidden()).await;
        assert_eq!(seen.borrow().concat(), "abccbaabc");
        let figures = |index: usize| -> Vec<f64> { turns[index].iter().flatten().map(|turn| turn.figure).collect() };
        assert_eq!(figures(0), [1.0, 6.0, 7.0]);
        assert_eq!(turns[1][1..], [Err("gone".to_owned()), Err("gone".to_owned())]);
        assert_eq!(figures(2), [3.0, 4.0, 9.0]);
    }
}
