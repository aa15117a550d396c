//! What befalls connections, and the ways between machines.

use crate::{
    report::markers::Marker,
    world::{Occurrence, World},
};

impl World<'_> {
    /// Closes ways for so long, or for a while that is drawn, but none between two machines that are left alone.
    pub(super) fn close(&mut self, ways: Vec<(usize, usize)>, ms: Option<u64>) -> Option<()> {
        let (exposed, closed) = (&self.exposed, &self.network.closed);
        let ways: Vec<(usize, usize)> = ways
            .into_iter()
            .filter(|(from, to)| from != to && (exposed.contains(from) || exposed.contains(to)))
            .filter(|way| !closed.contains(way))
            .collect();
        if ways.is_empty() {
            return None;
        }
        self.network.closed.extend(ways.iter().copied());
        let listed = ways.iter().map(|(from, to)| format!(" n{from}→n{to}")).collect::<String>();
        self.trace.record(self.now, "cut", &[], listed.as_bytes(), || format!("--- closed:{listed}"));
        let ms = ms.unwrap_or_else(|| self.dice.faults.between(100, self.plan.partition_ms));
        self.schedule(self.now + ms, Occurrence::Open(ways));
        Some(())
    }

    pub(crate) fn open_ways(&mut self, ways: &[(usize, usize)]) {
        let mut opened = false;
        for way in ways {
            opened |= self.network.closed.remove(way);
        }
        if opened {
            self.reach(Marker::PARTITION_HEALED);
            let listed = ways.iter().map(|(from, to)| format!(" n{from}→n{to}")).collect::<String>();
            self.trace.record(self.now, "open", &[], listed.as_bytes(), || format!("--- open again:{listed}"));
        }
    }

    pub(crate) fn partition(&mut self) -> Option<()> {
        let machines = 0..self.machines.len();
        let side: Vec<usize> = machines.clone().filter(|_| self.dice.faults.chance(400)).collect();
        let other = machines.filter(|machine| !side.contains(machine));
        let ways = other.flat_map(|there| side.iter().flat_map(move |here| [(*here, there), (there, *here)])).collect();
        self.close(ways, None)
    }

    pub(crate) fn one_way(&mut self) -> Option<()> {
        let machines: Vec<usize> = (0..self.machines.len()).collect();
        let from = *self.dice.faults.pick(&machines)?;
        let all = self.dice.faults.chance(300);
        let one = *self.dice.faults.pick(&machines)?;
        let ways = machines.into_iter().filter(|to| all || *to == one).map(|to| (from, to)).collect();
        self.close(ways, None)?;
        self.reach(Marker::ONE_WAY_PARTITION);
        Some(())
    }

    pub(crate) fn clog(&mut self) -> Option<()> {
        let (connection, end) = self.exposed_connection()?;
        let until = self.now + self.dice.faults.between(100, 5_000);
        self.network.connections.get_mut(&connection)?.directions[end].clogged_until = until;
        self.reach(Marker::CLOGGED);
        let p = self.network.connections.get(&connection)?.ends[end];
        let peer = self.peer_of(connection, end)?;
        let ms = until - self.now;
        self.trace_process(p, "clog", format_args!("nothing reaches {} for {ms} ms", self.label(peer)));
        Some(())
    }
}
