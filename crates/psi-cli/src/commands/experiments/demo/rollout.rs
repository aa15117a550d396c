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

/// Plays it.
pub(super) async fn play(board: &Board) -> Result<(Stage, RolloutReport), Failure> {
    board.say("Three nodes with disks, n1 to n3, vote on versions of a model.");
    let stage = Stage::set_on_disk(&NODES.map(str::to_owned)).await?;
    let mut show = Show::new(board, stage);
    let mut acts = vec![acts::champion(&mut show).await?];
    let (act, rollback) = acts::bad_version(&mut show).await?;
    acts.push(act);
    let (act, promotion) = acts::good_version(&mut show).await?;
    acts.push(act);
    let (act, records) = ledgers::act(&show).await?;
    acts.push(act);
    Ok((show.stage, RolloutReport::new(acts, rollback, promotion, records)))
}
