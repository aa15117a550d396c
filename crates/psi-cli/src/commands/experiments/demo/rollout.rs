//! `psi-field demo --rollout`: a bad version of a model is rolled back though no majority is left, and a good one takes
//! over by itself.

mod acts;
mod callers;
mod desk;
mod ledgers;
mod record;
mod report;
mod show;

use self::show::{NODES, Show};
use super::{board::Board, stage::Stage};
use crate::output::Failure;

pub(super) use self::report::RolloutReport;

/// Plays it, up to the first act that does not go as promised.
pub(super) async fn play(board: &Board) -> Result<(Stage, RolloutReport), Failure> {
    board.say("Three nodes with disks, n1 to n3, vote on versions of a model.");
    let stage = Stage::set_on_disk(&NODES.map(str::to_owned)).await?;
    let (mut show, mut report) = (Show::new(board, stage), RolloutReport::default());
    if let Err(failure) = play_acts(&mut show, &mut report).await {
        report.break_off(&failure);
    }
    report.conclude();
    Ok((show.stage, report))
}

async fn play_acts(show: &mut Show<'_>, report: &mut RolloutReport) -> Result<(), Failure> {
    acts::champion(show, report.begin("v1 answers everything")).await?;
    if report.holds() {
        report.rollback = Some(acts::bad_version(show, report.begin("v2, a bad version")).await?);
    }
    if report.holds() {
        report.promotion = Some(acts::good_version(show, report.begin("v3, a good version")).await?);
    }
    if report.holds() {
        let act = report.begin("The ledgers, as `psi-field ledger verify` reads them");
        report.records = ledgers::verify_all(show, act).await?;
    }
    Ok(())
}
