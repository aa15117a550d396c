//! `psi-field demo --drift`: a machine that wears out, watched by all nodes while one of them goes.

mod machine;
mod report;

use std::time::{Duration, Instant};

use psi_api::v1::{self, DriftStatus};
use tokio::time::MissedTickBehavior;

use self::{
    machine::{COLUMNS, Fault, Machine},
    report::FaultReport,
};
use super::{
    board::Board,
    stage::{Stage, until},
};
use crate::output::{Failure, pluralize};

pub(super) use self::report::DriftReport;

const FIELD: &str = "machine";
/// Readings of a week, one a minute.
const WEEK: usize = 7 * 24 * 60;
/// How many are sent at once, to one node after the other.
const BATCH: usize = 20;
/// Time between two batches: 400 readings a second.
const EVERY: Duration = Duration::from_millis(50);
/// Nothing takes longer to find, or to be over.
const READINGS_MAX: usize = 400 * 30;

/// The machine, and the nodes that watch it.
struct Watch<'a> {
    board: &'a Board,
    stage: Stage,
    machine: Machine,
    sent: usize,
    /// The greatest severity that an answer carried since this was asked last.
    severity: f64,
}

/// Plays it.
pub(super) async fn play(board: &Board, nodes: usize) -> Result<(Stage, DriftReport), Failure> {
    let stage = Stage::set(nodes, true).await?;
    let width = u32::try_from(COLUMNS.len()).unwrap_or(u32::MAX);
    let made = stage.actors[0].create(FIELD, width, &COLUMNS).await;
    made.map_err(|status| Failure::refused(&stage.actors[0].name, &status))?;
    until("every node has the field", async || Ok(exists_everywhere(&stage).await)).await?;
    let mut watch = Watch { board, stage, machine: Machine::new(), sent: 0, severity: 0.0 };

    board.say("A machine with six sensors; each second stands for 400 minutes. First, what is usual:");
    let learned = watch.send_until("learning", Fault::None, |drift| drift.status() >= DriftStatus::Stable).await?;
    board.say(&format!("\nA healthy week, {}. One node stops halfway:", pluralize(WEEK as u64, "reading")));
    watch.severity = 0.0;
    watch.send("a healthy week", Fault::None, WEEK / 2).await?;
    let gone = watch.stage.actors.len() - 1;
    watch.stage.leave(gone).await;
    watch.send("a healthy week", Fault::None, WEEK / 2).await?;
    let healthy_severity = watch.severity;

    let mut findings = Vec::new();
    for fault in Fault::ALL {
        board.say(&format!("\n{}:", fault.text()));
        findings.push(watch.find(fault).await?);
        watch.send_until("healthy again", Fault::None, |drift| drift.status() == DriftStatus::Stable).await?;
    }
    let Watch { stage, .. } = watch;
    Ok((stage, DriftReport::new(nodes, learned, WEEK, healthy_severity, findings)))
}

async fn exists_everywhere(stage: &Stage) -> bool {
    for actor in &stage.actors {
        if actor.state(FIELD).await.is_err() {
            return false;
        }
    }
    true
}

impl Watch<'_> {
    /// Sends so many readings.
    async fn send(&mut self, caption: &str, fault: Fault, readings: usize) -> Result<(), Failure> {
        let first = self.sent;
        let end = first + readings;
        self.run(caption, fault, |sent, _| sent >= end).await.map(|_| ())
    }

    /// Sends readings until an answer says what is waited for; returns how many these were.
    async fn send_until(
        &mut self,
        caption: &str,
        fault: Fault,
        is_reached: impl Fn(&v1::Drift) -> bool,
    ) -> Result<usize, Failure> {
        let limit = self.sent + READINGS_MAX;
        let reached = self.run(caption, fault, |sent, drift| sent >= limit || is_reached(drift)).await?;
        if self.sent >= limit {
            return Err(Failure::failed(format!("{caption}: not reached within {READINGS_MAX} readings")));
        }
        Ok(reached)
    }

    async fn run(
        &mut self,
        caption: &str,
        fault: Fault,
        is_over: impl Fn(usize, &v1::Drift) -> bool,
    ) -> Result<usize, Failure> {
        let first = self.sent;
        let mut due = tokio::time::interval(EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut drawn = Instant::now();
        loop {
            due.tick().await;
            let inputs: Vec<Vec<f64>> = (0..BATCH).map(|_| self.machine.reading(fault)).collect();
            let up: Vec<_> = self.stage.actors.iter().filter(|actor| actor.is_up()).collect();
            let actor = up[self.sent / BATCH % up.len()];
            let steps =
                actor.step_batch(FIELD, inputs).await.map_err(|status| Failure::refused(&actor.name, &status))?;
            self.sent += BATCH;
            let drift = steps.into_iter().last().and_then(|last| last.drift).unwrap_or_default();
            self.severity = self.severity.max(drift.severity);
            let sent = self.sent - first;
            if drawn.elapsed() > Duration::from_millis(200) {
                drawn = Instant::now();
                let text = format!("{caption}: {}, severity {:.2}", pluralize(sent as u64, "reading"), drift.severity);
                self.board.draw(&self.stage, FIELD, &text).await;
            }
            if is_over(self.sent, &drift) {
                return Ok(sent);
            }
        }
    }

    /// Sends readings with a fault until it is found and named, and asks every node.
    async fn find(&mut self, fault: Fault) -> Result<FaultReport, Failure> {
        let readings = self.send_until(fault.text(), fault, |drift| fault.is_named(drift)).await?;
        until("all nodes hold the same", async || self.agree().await).await?;
        let mut reports = Vec::new();
        for actor in self.stage.actors.iter().filter(|actor| actor.is_up()) {
            let report = actor.drift(FIELD).await.map_err(|status| Failure::refused(&actor.name, &status))?;
            reports.push((actor.name.clone(), report));
        }
        let finding = FaultReport::new(fault, readings, &reports);
        self.board.say(&format!("  {}", finding.text()));
        Ok(finding)
    }

    async fn agree(&self) -> Result<bool, Failure> {
        let mut first = None;
        for actor in self.stage.actors.iter().filter(|actor| actor.is_up()) {
            let held = actor.agreement().await.map_err(|status| Failure::refused(&actor.name, &status))?;
            if *first.get_or_insert_with(|| held.clone()) != held {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
