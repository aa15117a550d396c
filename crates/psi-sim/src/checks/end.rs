//! What must be true once all is quiet: agreement, and what nodes show when they agree.

use psi_replica::{LinkId, NotReady};
use psi_state::Replica;

use super::full::check_full;
use crate::{
    compare::{oracle_origin, views_hash},
    world::{State, World},
};

impl World<'_> {
    /// Processes that are to agree in the end.
    pub(crate) fn lasting(&self) -> Vec<usize> {
        (0..self.processes.len()).filter(|p| self.processes[*p].is_staying() && !self.is_stranger(*p)).collect()
    }

    /// Whether all that last agree, and none believes that there is more.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_agreed()
            && self.has_ended_all()
            && self.lasting().iter().all(|p| self.processes[*p].replica.gaps() == 0)
    }

    /// Whether all that last hold the same, ready and flushed.
    pub(crate) fn is_agreed(&self) -> bool {
        let lasting = self.lasting();
        let replica = |p: &usize| &self.processes[*p].replica;
        let Some(first) = lasting.first().map(replica) else { return true };
        let settled = |replica: &Replica| !replica.is_dirty() && replica.readiness().is_serving();
        let is_at_rest = |p: usize| self.processes[p].is_staying() || self.processes[p].state == State::Gone;
        (0..self.processes.len()).all(|p| is_at_rest(p) || self.is_stranger(p))
            && lasting.iter().map(replica).all(|replica| settled(replica) && replica.frontier() == first.frontier())
    }

    /// Why there is no agreement, for the report.
    pub(crate) fn describe_disagreement(&self) -> String {
        let mut lines = Vec::new();
        for p in self.lasting() {
            let replica = &self.processes[p].replica;
            let why =
                replica.readiness().for_writing().err().map_or_else(String::new, |why: NotReady| format!(", {why}"));
            #[cfg(feature = "testing")]
            if std::env::var_os("DESCRIBE").is_some() {
                eprintln!("{} {:?} {}", self.label(p), replica.frontier(), replica.describe_votes());
            }
            let hash = replica.frontier().hash().short() >> 32;
            let (origins, lacking) = (replica.frontier().len(), replica.gaps());
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
            links.into_iter().for_each(|connection| self.record_link(p, LinkId(connection)));
        }
        let result = self.check_views(&lasting).and_then(|()| lasting.iter().try_for_each(|p| self.check_end_of(*p)));
        // All show the same bits, so what one shows is what all do.
        let oracle = lasting.first().map_or(Ok(()), |p| self.ask_oracle(*p));
        let counted = lasting.iter().try_for_each(|p| self.check_counted(*p));
        let time = self.check_time_at_end(&lasting);
        if let Err(what) = result.and(oracle).and(counted).and(time) {
            self.found_wrong(what);
        }
        self.check_tokens();
        self.check_rollouts_at_end();
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

    /// A run that lasts has written all seconds that are over.
    fn check_counted(&self, p: usize) -> Result<(), String> {
        let process = &self.processes[p];
        let Some(me) = process.replica.origin().map(oracle_origin) else { return Ok(()) };
        let second = process.replica.time().hybrid.0 / 1000;
        let expected = self.book.oracle.expect(&self.book.frontier_of(&process.replica));
        let open = expected.fields.iter().find(|(_, field)| {
            !field.specs.is_disputed && field.drift.unwritten.get(&me).is_some_and(|open| *open < second)
        });
        match open {
            Some((name, _)) => Err(format!("{} has counted inputs of `{name}` that it never wrote", process.label)),
            None => Ok(()),
        }
    }

    fn check_end_of(&self, p: usize) -> Result<(), String> {
        let (label, process) = (self.label(p), &self.processes[p]);
        let replica = &process.replica;
        if let Some(me) = replica.origin()
            && replica.frontier().version(me) < process.written
        {
            return Err(format!("{label} has accepted version {} and lost it", process.written));
        }
        if let Some((origin, version)) = self.book.missing(replica) {
            return Err(format!("{label} lacks {origin} up to {version}, which a node kept as it advised"));
        }
        self.check_forgotten(p)
    }
}
