//! What replicas tell: counted, and held against what may happen.

use psi_replica::{Origin, Version};
use psi_state::{Event, StateEvent};

use super::{World, process::Process};
use crate::{
    faults::kind::FaultKind,
    report::{events::EventText, markers::Marker},
};

impl World<'_> {
    /// Takes what a process has to tell.
    pub(crate) fn take_events(&mut self, p: usize) {
        while let Some(event) = self.processes[p].replica.poll_event() {
            self.trace_process(p, "event", EventText(&event));
            if self.is_stranger(p) {
                self.record_event_of_stranger(p, event);
            } else {
                self.record_event(p, event);
            }
        }
    }

    fn record_event(&mut self, p: usize, event: Event) {
        match event {
            Event::Ready { origin } => self.record_ready(p, origin),
            Event::Applied { peer, origin, version, .. } => {
                if peer != origin.node {
                    self.reach(Marker::RELAYED_DELTA);
                }
                self.record_applied(p, &origin, version);
            }
            Event::Superseded { by } => self.record_superseded(p, &by),
            Event::Ended { runs, checkpoint, .. } => {
                self.reach(Marker::RUN_ENDED);
                runs.iter().for_each(|(run, _)| self.check_run_of_cluster(p, "ends", run));
                self.check_ended(p, &runs);
                self.book.record_ends(checkpoint, runs);
                self.spring_trap(p, true);
            }
            Event::Late { origin, held, ended } => self.record_late(p, &origin, held, ended),
            Event::BaseJoined { .. } => self.reach(Marker::BASE_JOINED),
            Event::BaseReplaced { .. } => {
                self.reach(Marker::BASE_REPLACED);
                self.check_replaced(p);
                self.book.replace_ends(&self.processes[p].replica);
                // What had ended in the base that gave way is taken again.
                let own = self.processes[p].origin.clone();
                self.processes[p].seen.retain(|origin, _| Some(origin) == own.as_ref());
            }
            Event::Reminted { before } => self.record_reminted(p, &before),
            Event::Refused(refused) => self.record_refused(p, refused.refusal.reason()),
            Event::Diverged { peer } if !self.is_damaged_link() => {
                self.found_wrong(format_args!("{} has diverged from {peer}", self.label(p)));
            }
            Event::State(StateEvent::StepsDropped { .. }) => self.reach(Marker::STEPS_DROPPED),
            _ => {}
        }
    }

    /// A run learns of a later one. It ends if that answers; else that is gone, and this one goes on.
    fn record_superseded(&mut self, p: usize, by: &Origin) {
        self.check_run_of_cluster(p, "is superseded by", by);
        let node = self.processes[p].node.clone();
        let answers = |process: &Process| process.node == node && process.is_running() && process.is_staying();
        if (p + 1..self.processes.len()).any(|later| answers(&self.processes[later]) && !self.is_stranger(later)) {
            self.reach(Marker::SUPERSEDED);
            self.processes[p].superseded = true;
            self.hand_over(p);
        } else {
            self.reach(Marker::OUTRAN);
        }
    }

    /// What was held of a run came too late. A node that is missing is waited for for seven times as long as one that is
    /// silent: in storms that are shorter it must not happen, unless a run writes on beside a later one of its node.
    fn record_late(&mut self, p: usize, origin: &Origin, held: Version, ended: Option<Version>) {
        self.reach(Marker::LATE);
        self.book.late.insert(origin.clone());
        self.check_late(p, origin, held, ended);
        let may_write_on = |fault: &FaultKind| [FaultKind::LongPause, FaultKind::TwinRun].contains(fault);
        if self.plan.stormy_ms < 7 * self.plan.end_after_ms && !self.plan.faults.iter().any(may_write_on) {
            let label = self.label(p);
            self.found_wrong(format_args!("{label} loses {origin} up to {held}, which ended at {ended:?}"));
        }
    }

    /// A delta was refused, which damage or a clock that is off may bring about, and nothing else.
    fn record_refused(&mut self, p: usize, reason: &'static str) {
        self.reach(Marker::DELTA_REFUSED);
        if reason == "clock_ahead" {
            self.reach(Marker::CLOCK_AHEAD);
        }
        if self.is_damaged_link() {
            self.reach(Marker::CORRUPT_REFUSED);
        } else if ["ended", "ending", "below_horizon"].contains(&reason) {
            self.reach(Marker::TOO_LATE_REFUSED);
        } else if reason != "clock_ahead" || !self.plan.mode.has_clock_jumps() {
            self.found_wrong(format_args!("{} refused an honest delta: {reason}", self.label(p)));
        }
    }

    /// Whether damaged frames have come over the connection that was just listened to.
    fn is_damaged_link(&self) -> bool {
        let connection = self.listens_to.and_then(|id| self.network.connections.get(&id));
        connection.is_none_or(|standing| standing.is_damaged)
    }

    fn record_ready(&mut self, p: usize, origin: Origin) {
        if !self.book.mint(&origin) {
            self.found_wrong(format_args!("{origin} was minted twice"));
        }
        self.check_minted(p, &origin);
        self.processes[p].origin = Some(origin);
    }
}
