//! What every replica is held against at every move of its frontier, and all of them at the end.

mod answers;
pub(crate) mod book;
mod end;
mod ends;
mod full;
mod oracle;
mod rollouts;
pub(crate) mod stranger_book;
mod strangers;
pub(crate) mod time;
mod votes;

use psi_replica::{Digest, JoinStage, LinkError, LinkId, NotReady, Origin, Version};

use self::{full::check_full, oracle::not_expected};
use crate::{
    compare::check_own_entries,
    report::markers::Marker,
    world::{DELTA_BYTES_MAX, World},
};

/// Moves between two checks that fold and hash everything again.
const FULL_EVERY: u64 = 97;
/// Things beyond one for each origin that may wait on a link.
const WAITING_SPARE: usize = 64;

impl World<'_> {
    /// Checks a process whose frontier may have moved.
    pub(crate) fn check(&mut self, p: usize) {
        if self.is_stranger(p) {
            return self.check_stranger(p);
        }
        self.check_peers(p);
        let replica = &self.processes[p].replica;
        let at = (replica.frontier().hash().to_bytes(), replica.is_dirty(), replica.held(&psi_replica::Origin::base()));
        if self.processes[p].checked.replace(at) == Some(at) {
            return;
        }
        self.record_catch_up(p);
        match self.check_move(p) {
            Ok(true) => {
                self.counts.compared += 1;
                self.reach(Marker::FRONTIER_MET_AGAIN);
            }
            Ok(false) => {}
            Err(what) => self.found_wrong(format_args!("{}: {what}", self.label(p))),
        }
    }

    /// Notes when a joiner turns to another member.
    fn record_catch_up(&mut self, p: usize) {
        let process = &mut self.processes[p];
        if process.replica.origin().is_some() {
            return;
        }
        let Err(NotReady::Joining(JoinStage::CatchingUp { member, .. })) = process.replica.readiness().for_writing()
        else {
            return;
        };
        let member = member.to_string();
        let earlier = process.catches_up_with.replace(member.clone());
        if earlier.is_some_and(|earlier| earlier != member) {
            self.reach(Marker::JOINER_SWITCHED);
        }
    }

    /// Notes what a link has carried, when it ends or the run does.
    pub(crate) fn record_link(&mut self, p: usize, link: LinkId) {
        let Some((_, status)) = self.processes[p].replica.links().find(|(id, _)| *id == link) else { return };
        if status.counts.deltas_cut > 0 {
            self.reach(Marker::DELTA_CUT);
        }
        if status.counts.resent > 0 {
            self.reach(Marker::RESENT);
        }
    }

    fn check_move(&mut self, p: usize) -> Result<bool, String> {
        let process = &mut self.processes[p];
        let replica = &mut process.replica;
        self.book.moves += 1;
        if let Some(me) = replica.origin() {
            let version = replica.frontier().version(me);
            let earlier = process.seen.insert(me.clone(), version);
            if earlier.is_some_and(|earlier| earlier > version) {
                return Err(format!("its own version fell from {} to {version}", earlier.unwrap_or_default()));
            }
            if version > Version::ZERO && earlier != Some(version) {
                self.book.record_digest(me, version, replica.origin_digest(me), true)?;
                self.book.record_peak(me, replica.entries(me).count());
                check_own_entries(&mut self.book.oracle, replica, me, process.own_checked).map_err(not_expected)?;
                process.own_checked = version;
                let me = me.clone();
                self.check_registers(p, &me)?;
            }
        }
        self.strangers.check_node(self.processes[p].replica.frontier())?;
        self.check_base(p)?;
        let replica = &mut self.processes[p].replica;
        // Where a run is about rollouts, fields are looked at less often.
        let full_every = if self.plan.rollouts.is_some() { 8 * FULL_EVERY } else { FULL_EVERY };
        if self.book.moves.is_multiple_of(full_every) {
            check_full(replica)?;
            self.check_backlogs(p)?;
            self.ask_oracle(p)?;
            self.check_voters(p)?;
        }
        self.book.compare(&mut self.processes[p].replica)
    }

    /// A process goes on as another run: what the one before held last is on record, unless the others have ended it.
    pub(crate) fn record_reminted(&mut self, p: usize, before: &Origin) {
        self.reach(Marker::REMINTED);
        let process = &mut self.processes[p];
        let checked = std::mem::take(&mut process.own_checked);
        process.written = Version::ZERO;
        let replica = &process.replica;
        let version = replica.frontier().version(before);
        if replica.end_of(before).is_some() || version == Version::ZERO {
            return;
        }
        process.seen.insert(before.clone(), version);
        let written = check_own_entries(&mut self.book.oracle, replica, before, checked).map_err(not_expected);
        let digest = self.processes[p].replica.origin_digest(before);
        if let Err(what) = written.and_then(|()| self.book.record_digest(before, version, digest, true)) {
            self.found_wrong(format_args!("{}: {what}", self.label(p)));
        }
    }

    /// What a run begins with is what somebody wrote.
    pub(crate) fn check_restored(&mut self, p: usize) {
        let seen = self.processes[p].seen.clone();
        for (origin, version) in seen {
            if self.processes[p].replica.end_of(&origin).is_some() {
                continue; // of one that has ended, only the sum of all is held
            }
            let digest = self.processes[p].replica.origin_digest(&origin);
            if let Err(what) = self.book.record_digest(&origin, version, digest, false) {
                self.found_wrong(format_args!("{} restored: {what}", self.label(p)));
            }
        }
    }

    /// Checks what a delta has brought.
    pub(crate) fn record_applied(&mut self, p: usize, origin: &Origin, version: Version) {
        if origin.is_base() {
            return self.reach(Marker::BASE_TAKEN);
        }
        self.record_heard(p, origin.node.as_str());
        self.check_frozen(p, origin, version);
        let process = &mut self.processes[p];
        let held = process.replica.frontier().version(origin);
        let earlier = process.seen.insert(origin.clone(), version);
        let label = process.label.clone();
        if held != version || earlier.is_some_and(|earlier| earlier >= version) {
            self.found_wrong(format_args!("{label} applied {origin} up to {version} and holds {held}"));
        }
        if self.book.unknown.get(origin).is_some_and(|unknown| *unknown <= version) {
            self.reach(Marker::UNKNOWN_LANE);
        }
        if self.processes[p].replica.end_of(origin).is_some() {
            return; // it was all that the run's end waited for
        }
        let digest = self.processes[p].replica.origin_digest(origin);
        if let Err(what) = self.book.record_digest(origin, version, digest, false) {
            self.found_wrong(format_args!("{label}: {what}"));
        }
    }

    /// Checks that a frame that was refused left no trace, and that nothing but faults has frames refused.
    pub(crate) fn check_refusal(
        &mut self,
        p: usize,
        connection: u64,
        before: (Digest, Digest),
        error: Option<&LinkError>,
    ) {
        let Some(error) = error.filter(|_| !self.is_stranger(p)) else { return };
        let replica = &self.processes[p].replica;
        if (replica.frontier().hash(), replica.digest()) != before {
            self.found_wrong(format_args!("{} moved though it refused the link: {error}", self.label(p)));
        }
        let damaged = self.network.connections.get(&connection).is_none_or(|standing| standing.is_damaged);
        if damaged {
            self.reach(Marker::CORRUPT_REFUSED);
        } else if error.reason() != "out_of_turn" {
            // A lost or late `Open` looks like that.
            self.found_wrong(format_args!("{} refused an honest link: {error}", self.label(p)));
        }
    }

    /// What links keep in memory is bounded by the state, not by how slow a peer is.
    fn check_backlogs(&self, p: usize) -> Result<(), String> {
        let process = &self.processes[p];
        let entries: usize = self.book.peaks.values().sum();
        let origins = self.book.minted.len() + self.book.damaged;
        for connection in process.links.keys() {
            let Some(backlog) = process.replica.backlog(LinkId(*connection)) else { continue };
            if backlog.frozen_entries > entries {
                return Err(format!("{} entries are frozen on a link, of {entries} in all", backlog.frozen_entries));
            }
            if backlog.staged_bytes > DELTA_BYTES_MAX {
                return Err(format!("{} bytes are staged on a link, over {DELTA_BYTES_MAX}", backlog.staged_bytes));
            }
            if backlog.waiting > 5 * origins + WAITING_SPARE {
                return Err(format!("{} things wait on a link, of {origins} origins", backlog.waiting));
            }
        }
        Ok(())
    }
}
