//! What `--wait` waits for, and what it says when the time is over.

use std::{collections::BTreeMap, time::Duration};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use super::listing::{Answer, Row, Verdict};
use crate::output::{Failure, numbers::short_hash};

/// Shows on a terminal what is waited for, until it is cleared or dropped.
pub(super) fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}");
    let spinner = ProgressBar::new_spinner().with_finish(ProgressFinish::AndClear);
    spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    spinner.set_message("asking for the members");
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// What is still waited for, in one line, after a look.
pub(super) fn waits_for(looked: &Result<Answer, Failure>, live_min: usize) -> String {
    let Ok(answer) = looked else { return "waiting for a node that answers".to_owned() };
    let live = answer.members.iter().filter(|row| row.is_live());
    let (count, unready) = (live.clone().count(), live.filter(|row| !row.ready).count());
    let waits_for = match answer.verdict {
        _ if count < live_min => format!("{count} of {live_min} live"),
        _ if unready > 0 => format!("{unready} of {count} not ready"),
        Verdict::CatchingUp => "steps are still on their way".to_owned(),
        Verdict::Diverged => "they diverged".to_owned(),
        Verdict::Unknown => "not all can be asked from here".to_owned(),
        Verdict::Agree => "all agree".to_owned(),
    };
    format!("waiting for live members to be ready and agree: {waits_for}")
}

/// Why the members did not settle in the time that was given: how many were live and wanted, and which were not ready, did
/// not answer, or held other steps.
pub(super) fn unsettled(answer: &Answer, live_min: usize, wait: Duration) -> String {
    let live: Vec<&Row> = answer.members.iter().filter(|row| row.is_live()).collect();
    let names = |rows: &[&Row]| rows.iter().map(|row| row.node.as_str()).collect::<Vec<_>>().join(", ");
    let which = |holds: fn(&Row) -> bool| live.iter().copied().filter(|row| holds(row)).collect::<Vec<_>>();
    let mut problems = Vec::new();
    if live.len() < live_min {
        let shown = if live.is_empty() { String::new() } else { format!(" ({})", names(&live)) };
        problems.push(format!("{} live{shown}, and --live wants {live_min}", live.len()));
    }
    let unready = which(|row| !row.ready);
    if !unready.is_empty() {
        problems.push(format!("not ready: {}", names(&unready)));
    }
    let silent = which(|row| !row.reached);
    if !silent.is_empty() {
        let shown: Vec<String> = silent.iter().map(|row| format!("{} at {}", row.node, row.grpc_address)).collect();
        problems.push(format!("no answer from {}", shown.join(", ")));
    }
    let mut holders = BTreeMap::<&str, Vec<&Row>>::new();
    for row in which(|row| row.reached) {
        holders.entry(&row.agreement.frontier_hash).or_default().push(row);
    }
    if holders.len() > 1 {
        let shown = |(hash, rows): (&&str, &Vec<&Row>)| format!("{} at {}", short_hash(hash), names(rows));
        let shown: Vec<String> = holders.iter().map(shown).collect();
        problems.push(format!("different frontiers: {}", shown.join(", ")));
    }
    let problems = problems.join("; ");
    format!(
        "not settled within the {} s of --wait: {problems}; wait longer, or see those nodes' logs",
        wait.as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use psi_api::v1::MemberState;

    use super::{
        super::{
            listing::{is_minority, tests::row, verdict},
            runs::EndedRuns,
        },
        *,
    };

    fn answer(rows: Vec<Row>) -> Answer {
        Answer {
            cluster: String::new(),
            asked: String::new(),
            verdict: verdict(&rows),
            minority: is_minority(&rows),
            members: rows,
            runs: Vec::new(),
            ended: EndedRuns::default(),
        }
    }

    fn live(ready: bool, said: (&str, &str)) -> Row {
        Row { ready, ..row(MemberState::Live, Some(said)) }
    }

    fn named(node: &str, row: Row) -> Row {
        Row { node: node.to_owned(), grpc_address: format!("{node}:1"), ..row }
    }

    #[test]
    fn a_wait_that_is_over_names_numbers_and_members() {
        let (first, dead) = (named("a", live(true, ("f", "d"))), named("c", row(MemberState::Dead, None)));
        let silent = Row { reached: false, ..live(true, ("f", "d")) };
        for (rows, live_min, want) in [
            (vec![first.clone(), dead.clone()], 3, "1 live (a), and --live wants 3;"),
            (vec![dead], 1, "0 live, and --live wants 1;"),
            (vec![first.clone(), named("b", live(false, ("f", "d")))], 2, ": not ready: b;"),
            (vec![first.clone(), named("b", silent)], 2, ": no answer from b at b:1;"),
            (
                vec![first.clone(), named("b", live(true, ("g", "e"))), named("e", live(true, ("f", "d")))],
                1,
                ": different frontiers: f at a, e, g at b;",
            ),
            (vec![first, named("b", live(false, ("g", "e")))], 3, "wants 3; not ready: b; different frontiers: "),
        ] {
            let said = unsettled(&answer(rows), live_min, Duration::from_millis(2_500));
            assert!(said.starts_with("not settled within the 2.5 s of --wait: ") && said.contains(want), "{said}");
        }
    }

    #[test]
    fn what_is_waited_for_is_said() {
        for (rows, want) in [
            (vec![live(true, ("f", "d")), row(MemberState::Dead, None)], "1 of 2 live"),
            (vec![live(true, ("f", "d")), live(false, ("g", "e"))], "1 of 2 not ready"),
            (vec![live(true, ("f", "d")), live(true, ("g", "e"))], "steps are still on their way"),
            (vec![live(true, ("f", "d")), live(true, ("f", "e"))], "they diverged"),
            (vec![live(true, ("f", "d")), Row { reached: false, ..live(true, ("f", "d")) }], "not all can be asked"),
        ] {
            let said = waits_for(&Ok(answer(rows)), 2);
            assert!(said.contains(want), "{said}");
        }
        assert_eq!(waits_for(&Err(Failure::unreachable("no")), 2), "waiting for a node that answers");
    }
}
