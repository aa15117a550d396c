//! What a node must show, by what was decided and by the rollbacks that it holds.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{PlainModel, PlainStage, PlainStatus};

/// A rollback that a node holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SeenRollback {
    /// The rollout.
    pub(crate) id: String,
    /// By a node, not a person.
    pub(crate) is_automatic: bool,
}

/// A rollout as a node shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownRollout {
    pub(crate) id: String,
    pub(crate) status: PlainStatus,
    pub(crate) hundredths: u32,
    pub(crate) is_late: bool,
}

/// What a node shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownModel {
    /// What was decided last, as far as it knows.
    pub(crate) step: u64,
    pub(crate) champion: Option<String>,
    pub(crate) rollout: Option<ShownRollout>,
    /// All else that people see of it: gates, who rolled it back and why.
    pub(crate) text: String,
}

/// What was shown so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShownBook {
    /// By hash of the frontier.
    by_frontier: BTreeMap<[u8; 32], ShownModel>,
    /// By process.
    latest: BTreeMap<usize, ShownModel>,
}

impl ShownBook {
    /// Whether a process may show this. `frontier` is none where its writes are ahead of it. Returns whether another showed
    /// the same frontier before.
    pub(crate) fn check(
        &mut self,
        process: usize,
        (decided, rollbacks): (&PlainModel, &BTreeSet<SeenRollback>),
        frontier: Option<[u8; 32]>,
        shown: ShownModel,
    ) -> Result<bool, String> {
        check_expected(decided, rollbacks, &shown)?;
        if let Some(before) = self.latest.insert(process, shown.clone()) {
            check_order(&before, &shown)?;
        }
        let Some(frontier) = frontier else { return Ok(false) };
        match self.by_frontier.get(&frontier) {
            Some(first) if *first == shown => Ok(true),
            Some(first) => Err(format!("equal frontiers show {first:?} and {shown:?}")),
            None => {
                self.by_frontier.insert(frontier, shown);
                Ok(false)
            }
        }
    }
}

fn check_expected(decided: &PlainModel, rollbacks: &BTreeSet<SeenRollback>, shown: &ShownModel) -> Result<(), String> {
    let expected = decided.rollout.as_ref().map(|rollout| {
        let mut of_it = rollbacks.iter().filter(|rollback| rollback.id == rollout.id);
        let by_person = of_it.clone().any(|rollback| !rollback.is_automatic);
        let is_rolled_back = of_it.next().is_some();
        let status = match rollout.status {
            PlainStatus::Promoted | PlainStatus::RolledBack => rollout.status,
            // What a person cancelled only a person rejects.
            PlainStatus::Cancelled if !by_person => rollout.status,
            _ if is_rolled_back => PlainStatus::RolledBack,
            status => status,
        };
        ShownRollout {
            id: rollout.id.clone(),
            status,
            hundredths: rollout.hundredths_in(status),
            is_late: rollout.is_late || (status == PlainStatus::Promoted && is_rolled_back),
        }
    });
    if shown.rollout != expected {
        return Err(format!("shows {:?}, and it is {expected:?}", shown.rollout));
    }
    let champion = decided.in_stage(PlainStage::Production).first().map(|version| (*version).to_owned());
    if shown.champion == champion {
        Ok(())
    } else {
        Err(format!("shows champion {:?}, and it is {champion:?}", shown.champion))
    }
}

/// A node never goes back in a rollout.
fn check_order(before: &ShownModel, now: &ShownModel) -> Result<(), String> {
    if now.step < before.step {
        return Err(format!("shows step {} after step {}", now.step, before.step));
    }
    let (Some(was), Some(is)) = (&before.rollout, &now.rollout) else { return Ok(()) };
    if was.id != is.id {
        return Ok(());
    }
    let is_back = match was.status {
        PlainStatus::Promoted => is.status != PlainStatus::Promoted,
        // What a node rolled back, a person may have cancelled: the champion answers all in either case.
        PlainStatus::RolledBack => {
            !matches!(is.status, PlainStatus::RolledBack | PlainStatus::Promoted | PlainStatus::Cancelled)
        }
        PlainStatus::Cancelled => !matches!(is.status, PlainStatus::Cancelled | PlainStatus::RolledBack),
        PlainStatus::Pending | PlainStatus::InProgress | PlainStatus::Paused => {
            !is.status.is_end() && is.hundredths < was.hundredths
        }
    };
    if is_back { Err(format!("shows {is:?} after {was:?}")) } else { Ok(()) }
}
