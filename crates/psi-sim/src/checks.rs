//! What every replica is held against at every move of its frontier, and all of them at the end.

use std::collections::{BTreeMap, BTreeSet};

use psi_engine::Action;
use psi_replica::{
    CurrentSpec, Digest, FieldName, Intervention, LinkError, LinkId, NotReady, Origin, Replica, Step, Version,
};

use crate::{
    compare::{
        AcceptedWrite, AnyWrite, check_own_entries, compare, empty_oracle, oracle_action, oracle_clock,
        oracle_frontier, oracle_origin, oracle_spec, record_step, views_hash,
    },
    markers::Marker,
    oracle::{FieldWrite, Oracle, OracleFrontier},
    process::PASS_BYTES_MAX,
    views::check_full,
    workload::Reshaped,
    world::World,
};

/// Frontiers of which views are compared: one in so many, the same ones on every replica.
const VIEWS_OF: u64 = 4;
/// Steps of which the answer is worked out: one in so many, and none of more numbers than this.
const LOOKS_AT: u64 = 16;
const LOOKS_WIDTH_MAX: usize = 16;
/// Moves between two checks that fold and hash everything anew.
const FULL_EVERY: u64 = 97;
/// Things beyond one for each origin that may wait on a link.
const WAITING_SPARE: usize = 64;

/// What was seen in a run, by all replicas together.
#[derive(Debug)]
pub(crate) struct Book {
    minted: BTreeSet<Origin>,
    /// The digest of what an origin held when it had flushed a version.
    digests: BTreeMap<(Origin, Version), Digest>,
    /// Digest and views by the hash of the frontier.
    seen: BTreeMap<[u8; 32], (Digest, Option<[u8; 32]>)>,
    /// Most entries that an origin ever held.
    peaks: BTreeMap<Origin, usize>,
    /// The oracle: all that was accepted.
    oracle: Oracle,
    /// The latest write of an unknown lane, by origin.
    pub(crate) unknown: BTreeMap<Origin, Version>,
    pub(crate) reshaped: Vec<Reshaped>,
    moves: u64,
    /// Frames whose bits were turned may have named origins that there are not.
    pub(crate) damaged: usize,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            minted: BTreeSet::new(),
            digests: BTreeMap::new(),
            seen: BTreeMap::new(),
            peaks: BTreeMap::new(),
            oracle: empty_oracle(),
            unknown: BTreeMap::new(),
            reshaped: Vec::new(),
            moves: 0,
            damaged: 0,
        }
    }
}

impl Book {
    /// Notes that an origin was minted; false if it was before.
    pub(crate) fn mint(&mut self, origin: &Origin) -> bool {
        self.minted.insert(origin.clone())
    }

    /// Checks what is held of an origin at a version against what it first was there.
    fn note_digest(&mut self, origin: &Origin, version: Version, digest: Digest, writes: bool) -> Result<(), String> {
        let place = (origin.clone(), version);
        match self.digests.get(&place) {
            Some(first) if *first == digest => Ok(()),
            Some(_) => Err(format!("{origin} at {version} is not what it wrote")),
            None if writes => {
                self.digests.insert(place, digest);
                Ok(())
            }
            None => Err(format!("{origin} at {version} is held, and it never flushed that version")),
        }
    }

    fn note_peak(&mut self, origin: &Origin, entries: usize) {
        let peak = self.peaks.entry(origin.clone()).or_default();
        *peak = entries.max(*peak);
    }

    /// Compares a replica with whoever had the same frontier before. Tells whether anybody had.
    fn compare(&mut self, replica: &mut Replica) -> Result<bool, String> {
        let (hash, digest) = (replica.frontier().hash(), replica.digest());
        let with_views = hash.short().is_multiple_of(VIEWS_OF) && !replica.is_dirty();
        let views = with_views.then(|| views_hash(replica));
        let Some((first, first_views)) = self.seen.get_mut(&hash.to_bytes()) else {
            self.seen.insert(hash.to_bytes(), (digest, views));
            return Ok(false);
        };
        if *first != digest {
            return Err("equal frontiers, other digests".to_owned());
        }
        match (*first_views, views) {
            (Some(first), Some(views)) if first != views => return Err("equal frontiers, other views".to_owned()),
            (None, Some(_)) => *first_views = views,
            _ => {}
        }
        Ok(true)
    }
}

impl World<'_> {
    /// Checks a process whose frontier may have moved.
    pub(crate) fn check(&mut self, p: usize) {
        let replica = &self.processes[p].replica;
        let at = (replica.frontier().hash().to_bytes(), replica.is_dirty());
        if self.processes[p].checked.replace(at) == Some(at) {
            return;
        }
        self.note_catching_up(p);
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
    fn note_catching_up(&mut self, p: usize) {
        let process = &mut self.processes[p];
        if process.replica.origin().is_some() {
            return;
        }
        let Err(NotReady::Joining(why)) = process.replica.may_write() else { return };
        let member =
            why.strip_prefix("catching up with ").and_then(|rest| rest.split_once(',')).map(|(member, _)| member);
        let Some(member) = member.map(str::to_owned) else { return };
        let earlier = process.catches_up_with.replace(member.clone());
        if earlier.is_some_and(|earlier| earlier != member) {
            self.reach(Marker::JOINER_SWITCHED);
        }
    }

    /// Notes what a link has carried, when it ends or the run does.
    pub(crate) fn note_link(&mut self, p: usize, link: LinkId) {
        let Some((_, status)) = self.processes[p].replica.links().find(|(id, _)| *id == link) else { return };
        if status.counts.passes_cut > 0 {
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
                self.book.note_digest(me, version, replica.origin_digest(me), true)?;
                self.book.note_peak(me, replica.entries(me).count());
                check_own_entries(&mut self.book.oracle, replica, process.own_checked).map_err(not_expected)?;
                process.own_checked = version;
            }
        }
        if self.book.moves.is_multiple_of(FULL_EVERY) {
            check_full(replica)?;
            self.check_backlogs(p)?;
            self.ask_oracle(p)?;
        }
        self.book.compare(&mut self.processes[p].replica)
    }

    /// The oracle records an intervention.
    pub(crate) fn record_intervention(
        &mut self,
        p: usize,
        field: &FieldName,
        (action, done): (Action, &Intervention),
        seen: &OracleFrontier,
    ) {
        let Some(view) = self.processes[p].replica.view(field) else { return };
        let stamp = (oracle_origin(&done.origin), done.version.0, oracle_clock(done.clock));
        let what = AnyWrite::Field(FieldWrite::Interventions(oracle_action(action)));
        self.record_write(p, field, AcceptedWrite { stamp, epoch: view.spec.epoch.0, what, text: String::new() }, seen);
    }

    /// The oracle records a create, reset or drop.
    pub(crate) fn record_spec(&mut self, p: usize, spec: &CurrentSpec) {
        let replica = &self.processes[p].replica;
        let Some(origin) = replica.origin() else { return };
        let stamp = (oracle_origin(origin), replica.version().0, oracle_clock(spec.spec.clock));
        let (seen, what) = (oracle_frontier(replica), AnyWrite::Field(FieldWrite::Specs(oracle_spec(spec))));
        let accepted = AcceptedWrite { stamp, epoch: spec.epoch.0, what, text: String::new() };
        self.record_write(p, &spec.field, accepted, &seen);
    }

    /// The oracle records a write of an origin that had `seen` so much of the others.
    pub(crate) fn record_write(
        &mut self,
        p: usize,
        field: &FieldName,
        AcceptedWrite { stamp, epoch, what, .. }: AcceptedWrite<AnyWrite>,
        seen: &OracleFrontier,
    ) {
        let oracle = &mut self.book.oracle;
        let recorded = match what {
            AnyWrite::Field(write) => oracle.record(stamp, seen, (field.as_str(), epoch), write),
            AnyWrite::Cluster(write) => {
                oracle.record_cluster(stamp, seen, write);
                Ok(())
            }
        };
        self.take_recorded(p, recorded);
    }

    /// The oracle records a step, and looks closely at some.
    pub(crate) fn record_step(
        &mut self,
        p: usize,
        field: &FieldName,
        step: &Step,
        input: &[f64],
        seen: &OracleFrontier,
    ) {
        let looks = self.steps.is_multiple_of(LOOKS_AT) && input.len() <= LOOKS_WIDTH_MAX;
        let recorded = record_step(&mut self.book.oracle, seen, field, step, input, looks);
        self.take_recorded(p, recorded.map_err(|what| format!("step {} of `{field}`: {what}", step.k)));
    }

    fn take_recorded(&mut self, p: usize, result: Result<(), String>) {
        if let Err(what) = result.map_err(not_expected) {
            self.found_wrong(format_args!("{}: {what}", self.label(p)));
        }
        for sight in std::mem::take(&mut self.book.oracle.sights) {
            self.reach(sight);
        }
    }

    /// Holds all views of a replica that has nothing to flush against what the oracle expects at its frontier.
    fn ask_oracle(&mut self, p: usize) -> Result<(), String> {
        let replica = &self.processes[p].replica;
        if replica.is_dirty() {
            return Ok(());
        }
        let expected = self.book.oracle.expect(&oracle_frontier(replica));
        compare(&expected, replica).map_err(not_expected)?;
        for sight in expected.sights() {
            self.reach(sight);
        }
        Ok(())
    }

    /// What a run begins with is what somebody wrote.
    pub(crate) fn check_restored(&mut self, p: usize) {
        let seen = self.processes[p].seen.clone();
        for (origin, version) in seen {
            let digest = self.processes[p].replica.origin_digest(&origin);
            if let Err(what) = self.book.note_digest(&origin, version, digest, false) {
                self.found_wrong(format_args!("{} restored: {what}", self.label(p)));
            }
        }
    }

    /// Checks what a pass has brought.
    pub(crate) fn note_applied(&mut self, p: usize, origin: &Origin, version: Version) {
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
        let digest = self.processes[p].replica.origin_digest(origin);
        if let Err(what) = self.book.note_digest(origin, version, digest, false) {
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
        let replica = &self.processes[p].replica;
        let Some(error) = error else { return };
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
            if backlog.staged_bytes > PASS_BYTES_MAX {
                return Err(format!("{} bytes are staged on a link, over {PASS_BYTES_MAX}", backlog.staged_bytes));
            }
            if backlog.waiting > 5 * origins + WAITING_SPARE {
                return Err(format!("{} things wait on a link, of {origins} origins", backlog.waiting));
            }
        }
        Ok(())
    }

    /// Processes that are to agree in the end.
    pub(crate) fn lasting(&self) -> Vec<usize> {
        (0..self.processes.len()).filter(|p| self.processes[*p].is_staying()).collect()
    }

    /// Whether all that last agree, and none believes that there is more.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_agreed() && self.lasting().iter().all(|p| self.processes[*p].replica.lacking() == 0)
    }

    /// Whether all that last hold the same, ready and flushed.
    pub(crate) fn is_agreed(&self) -> bool {
        let lasting = self.lasting();
        let replica = |p: &usize| &self.processes[*p].replica;
        let Some(first) = lasting.first().map(replica) else { return true };
        let settled = |replica: &Replica| !replica.is_dirty() && replica.may_write().is_ok();
        self.processes.iter().all(|process| process.is_staying() || process.state == crate::process::State::Gone)
            && lasting.iter().map(replica).all(|replica| settled(replica) && replica.frontier() == first.frontier())
    }

    /// Why there is no agreement, for the report.
    pub(crate) fn describe_disagreement(&self) -> String {
        let mut lines = Vec::new();
        for p in self.lasting() {
            let replica = &self.processes[p].replica;
            let why = replica.may_write().err().map_or_else(String::new, |why: NotReady| format!(", {why}"));
            let hash = replica.frontier().hash().short() >> 32;
            let (origins, lacking) = (replica.frontier().len(), replica.lacking());
            let links = self.processes[p].links.len();
            lines.push(format!(
                "{} frontier {hash:08x} of {origins} origins, lacks {lacking}, {links} links{why}",
                self.label(p)
            ));
        }
        lines.join("; ")
    }

    /// What must be true once all is quiet and the frontiers are equal.
    pub(crate) fn check_end(&mut self) {
        let lasting = self.lasting();
        for p in lasting.iter().copied() {
            let links: Vec<u64> = self.processes[p].links.keys().copied().collect();
            links.into_iter().for_each(|connection| self.note_link(p, LinkId(connection)));
        }
        let result = self.check_views(&lasting).and_then(|()| lasting.iter().try_for_each(|p| self.check_end_of(*p)));
        // All show the same bits, so what one shows is what all do.
        let oracle = lasting.first().map_or(Ok(()), |p| self.ask_oracle(*p));
        if let Err(what) = result.and(oracle) {
            self.found_wrong(what);
        }
        self.check_tokens();
        self.check_answers(&lasting);
    }

    fn check_views(&mut self, lasting: &[usize]) -> Result<(), String> {
        let mut first = None;
        for p in lasting.iter().copied() {
            let label = self.label(p);
            let replica = &mut self.processes[p].replica;
            check_full(replica).map_err(|what| format!("{label}: {what}"))?;
            let state = (replica.digest(), views_hash(replica));
            let (other, theirs) = first.get_or_insert_with(|| (label.clone(), state));
            if *theirs != state {
                return Err(format!("{label} and {other} hold the same frontier and other state"));
            }
        }
        Ok(())
    }

    fn check_end_of(&self, p: usize) -> Result<(), String> {
        let (label, process) = (self.label(p), &self.processes[p]);
        let replica = &process.replica;
        if let Some(me) = replica.origin()
            && replica.frontier().version(me) < process.written
        {
            return Err(format!("{label} has accepted version {} and lost it", process.written));
        }
        Ok(())
    }
}

fn not_expected(difference: impl std::fmt::Display) -> String {
    format!("not what the oracle expects: {difference}")
}
