//! The log: a line when a node begins to fail, one when it no longer does, and none in between.

use std::collections::BTreeSet;

use tracing::{info, warn};

use super::{round::Round, targets::TARGETS_MAX};

pub(super) struct Told {
    targets: BTreeSet<String>,
    failing: BTreeSet<String>,
    left_out: usize,
}

impl Told {
    /// What was told at the start: the names.
    pub(super) fn new(names: &[String]) -> Self {
        Self { targets: names.iter().cloned().collect(), failing: BTreeSet::new(), left_out: 0 }
    }

    pub(super) fn tell(&mut self, round: &Round) {
        let targets: BTreeSet<String> = round.steps.iter().map(|step| step.target.clone()).collect();
        if self.targets != targets {
            info!(
                nodes = targets.iter().map(String::as_str).collect::<Vec<_>>().join(","),
                "the names stand for these nodes now"
            );
            self.failing.retain(|target| targets.contains(target));
            self.targets = targets;
        }
        if self.left_out != round.left_out {
            self.left_out = round.left_out;
            warn!(left_out = round.left_out, "more than {TARGETS_MAX} nodes, some are not probed");
        }
        for step in &round.steps {
            let target = step.target.as_str();
            match round.fault(target) {
                Some(fault) if self.failing.insert(target.to_owned()) => {
                    warn!(node = target, reason = fault.reason.as_str(), "the node fails: {}", fault.said);
                }
                None if self.failing.remove(target) => info!(node = target, "the node is ok again"),
                _ => {}
            }
        }
    }
}
