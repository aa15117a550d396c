//! Who is taken to be live, as gossip would have it: late, and at times wrong. And the links that follow from it,
//! dialled by the lower name, kept up with back-off, and given up when nothing is heard.

mod handshake;

use psi_replica::LinkId;

use super::{
    World,
    lives::HAND_OVER_MS,
    process::{Belief, Dial, QueuedInput, State},
    queue::Occurrence,
};
use crate::report::markers::Marker;

/// Time between two rounds of gossip and of the transport's pings.
const GOSSIP_MS: u64 = 500;
/// A node that was not heard of for this long is declared dead.
const DEATH_MS: u64 = 3_000;
/// A connection on which nothing is heard for this long is given up, as by keep-alive in the shell.
const KEEPALIVE_MS: u64 = 5_000;
const BACKOFF_MS: (u64, u64) = (100, 5_000);

impl World<'_> {
    /// One round of gossip and of pings.
    pub(crate) fn gossip(&mut self) {
        for p in 0..self.processes.len() {
            if self.processes[p].is_running() {
                self.receive_gossip(p);
                self.end_if_handed_over(p);
            }
        }
        self.ping();
        self.meet_strangers();
        self.check_gaps();
        self.save_all();
        self.schedule(self.now + GOSSIP_MS, Occurrence::Gossip);
    }

    /// What one process hears of the others in this round.
    fn receive_gossip(&mut self, p: usize) {
        for other in 0..self.processes.len() {
            if other == p {
                continue;
            }
            let heard = self.is_heard(other, p);
            if heard && self.processes[other].node == self.processes[p].node {
                // Word of it takes a few rounds.
                let is_later = self.processes[other].started > self.processes[p].started;
                if is_later && self.dice.gossip.chance(300) && self.proves_its_name(p, other) {
                    self.check_successor(p, other);
                    self.hand_over(p);
                }
                continue;
            }
            self.believe(p, other, heard);
        }
    }

    /// Whether what `from` gossips reaches `to` in this round.
    fn is_heard(&mut self, from: usize, to: usize) -> bool {
        let (sender, receiver) = (&self.processes[from], &self.processes[to]);
        let (sender_at, receiver_at) = (sender.machine, receiver.machine);
        if !sender.is_running() || !self.network.is_open(sender_at, receiver_at) {
            return false;
        }
        if !receiver.identity.opens(&sender.identity) {
            self.record_unread(from, to);
            return false;
        }
        let loss = self.network.weather(sender_at, receiver_at).loss;
        !self.dice.gossip.chance(loss)
    }

    fn believe(&mut self, p: usize, other: usize, heard: bool) {
        let now = self.now;
        match self.processes[p].beliefs.get_mut(&other) {
            // Word of a new member takes a round or two.
            None if heard && self.dice.gossip.chance(500) => {
                self.processes[p].beliefs.insert(other, Belief { heard_at: now, live: true });
                self.check_member(p, other);
                self.trace_belief(p, other, "live");
            }
            None => {}
            Some(belief) if heard => {
                belief.heard_at = now;
                if !std::mem::replace(&mut belief.live, true) {
                    self.trace_belief(p, other, "live again");
                }
            }
            Some(belief) if belief.live && now.saturating_sub(belief.heard_at) >= DEATH_MS => {
                self.declare_dead(p, other);
            }
            Some(_) => {}
        }
        self.keep_link(p, other);
    }

    /// Takes a process for dead, rightly or not.
    pub(crate) fn declare_dead(&mut self, p: usize, other: usize) {
        if let Some(belief) = self.processes[p].beliefs.get_mut(&other) {
            belief.live = false;
        }
        if self.processes[other].is_running() {
            self.reach(Marker::FALSE_DEATH);
            self.check_false_death(p, other);
        }
        self.trace_belief(p, other, "dead");
        self.keep_link(p, other);
    }

    fn trace_belief(&mut self, p: usize, other: usize, what: &str) {
        let subject = self.processes[other].label.clone();
        self.trace_process(p, "gossip", format_args!("takes {subject} to be {what}"));
    }

    /// Dials who is live and has a greater name; gives up the link that was dialled to who is dead.
    fn keep_link(&mut self, p: usize, other: usize) {
        let live = self.processes[p].beliefs.get(&other).is_some_and(|belief| belief.live);
        if self.processes[p].node >= self.processes[other].node {
            return;
        }
        if live {
            let wait = self.dice.gossip.below(100);
            self.dial_after(p, other, wait);
        } else if let Some(connection) = self.processes[p].dials.remove(&other).and_then(|dial| dial.connection) {
            self.hang_up(connection, 0, "the peer was declared dead");
            self.processes[p].dials.remove(&other);
        }
    }

    fn dial_after(&mut self, p: usize, other: usize, wait: u64) {
        let dial = self.processes[p].dials.entry(other).or_default();
        if dial.connection.is_none() && !dial.is_due {
            dial.is_due = true;
            self.schedule(self.now + wait, Occurrence::Dial { from: p, to: other });
        }
    }

    /// Tries to connect.
    pub(crate) fn dial(&mut self, from: usize, to: usize) {
        let answers = self.answering(from, to);
        let (dialler, dialled) = (&self.processes[from], &self.processes[answers]);
        let machines = (dialler.machine, dialled.machine);
        let reached = self.may_link(from)
            && self.may_link(answers)
            && self.network.is_open(machines.0, machines.1)
            && self.network.is_open(machines.1, machines.0);
        let Some(dial) = self.processes[from].dials.get_mut(&to) else { return };
        dial.is_due = false;
        match self.processes[from].state {
            State::Running => {}
            State::Paused => return self.dial_after(from, to, BACKOFF_MS.1),
            State::Gone => return,
        }
        if reached { self.connect(from, to, answers) } else { self.dial_later(from, to) }
    }

    /// Connects to who answers where `to` was dialled, if both ends let the link stand.
    pub(crate) fn connect(&mut self, from: usize, to: usize, answers: usize) {
        let Some(expected) = self.handshake(from, to, answers) else { return self.dial_later(from, to) };
        let machines = (self.processes[from].machine, self.processes[answers].machine);
        let sheltered = [machines.0, machines.1].iter().all(|machine| self.network.sheltered.contains(machine));
        let slow = if sheltered { 0 } else { self.plan.slow };
        let pace = [0, 1].map(|_| if self.dice.network.chance(slow) { self.dice.network.between(5, 400) } else { 0 });
        let connection = self.network.connect(self.now, [from, answers], to, expected, pace);
        self.processes[from].dials.insert(to, Dial { tries: 0, connection: Some(connection), is_due: false });
        self.trace_process(from, "connect", format_args!("connects to {}", self.label(answers)));
        for (end, p) in [from, answers].into_iter().enumerate() {
            self.processes[p].links.insert(connection, end);
        }
        for p in [answers, from] {
            self.with(p, |replica, now| replica.link_up(now, LinkId(connection)));
        }
    }

    fn dial_later(&mut self, p: usize, other: usize) {
        let Some(dial) = self.processes[p].dials.get_mut(&other) else { return };
        dial.connection = None;
        let wait = BACKOFF_MS.1.min(BACKOFF_MS.0 << dial.tries.min(10));
        dial.tries += 1;
        let wait = wait + self.dice.gossip.below(wait);
        self.dial_after(p, other, wait);
    }

    /// One end of a connection goes down, because its process closes it or because it learns that the other did.
    pub(crate) fn hang_up(&mut self, connection: u64, end: usize, why: &str) {
        let Some(standing) = self.network.connections.get(&connection) else { return };
        let (ends, dialled) = (standing.ends, standing.dialled);
        let (p, other) = (ends[end], ends[1 - end]);
        match self.processes[p].state {
            State::Running => {}
            State::Paused => return self.processes[p].held.push(QueuedInput::Hangup { connection }),
            State::Gone => return,
        }
        if self.processes[p].links.remove(&connection).is_none() {
            return;
        }
        self.processes[p].peers.retain(|_, held| *held != connection);
        self.trace_process(p, "close", format_args!("closes the link to {}: {why}", self.label(other)));
        self.drop_end(connection, end);
        self.record_link(p, LinkId(connection));
        self.with(p, |replica, now| replica.link_down(now, LinkId(connection)));
        let dials = |dial: &Dial| dial.connection == Some(connection);
        if end == 0 && self.processes[p].dials.get(&dialled).is_some_and(dials) {
            self.dial_later(p, dialled);
        }
    }

    /// Notes that one end is down; the other hears of it if the way is open.
    pub(crate) fn drop_end(&mut self, connection: u64, end: usize) {
        let Some(machines) = self.machines_of(connection, end) else { return };
        let is_open = self.network.is_open(machines.0, machines.1);
        let Some(standing) = self.network.connections.get_mut(&connection) else { return };
        standing.up[end] = false;
        if !standing.up[1 - end] {
            self.network.connections.remove(&connection);
        } else if is_open {
            let delay = 1 + self.dice.network.below(200);
            self.schedule(self.now + delay, Occurrence::Hangup { connection, end: 1 - end });
        }
    }

    /// Pings of the transports: an end that hears nothing for long closes.
    fn ping(&mut self) {
        let now = self.now;
        let mut silent = Vec::new();
        for (id, connection) in &mut self.network.connections {
            let processes = connection.ends.map(|p| &self.processes[p]);
            let machines = processes.map(|process| process.machine);
            let both_ways = [(0, 1), (1, 0)];
            let is_open = both_ways.iter().all(|(a, b)| !self.network.closed.contains(&(machines[*a], machines[*b])));
            for (end, other) in both_ways {
                let answered = is_open && connection.up[other] && processes[other].is_running();
                if answered || processes[end].state == State::Paused {
                    connection.heard_at[end] = now;
                } else if connection.up[end] && now.saturating_sub(connection.heard_at[end]) >= KEEPALIVE_MS {
                    silent.push((*id, end));
                }
            }
        }
        for (connection, end) in silent {
            self.hang_up(connection, end, "nothing was heard");
        }
    }

    fn end_if_handed_over(&mut self, p: usize) {
        let process = &self.processes[p];
        let Some(by) = process.ends_at else { return };
        let handed_over = process.has_handed_over();
        if self.now >= by || handed_over {
            let is_quiet = self.calm_at.is_some_and(|calm_at| by >= calm_at + HAND_OVER_MS) || self.must_stay_linked();
            if !handed_over && is_quiet {
                self.found_wrong(format_args!("{} ends in quiet times and has not handed over", self.label(p)));
            }
            self.save(p);
            self.record_kept(p);
            self.end(p, "it has handed over, or its time is up");
            // A supervisor starts it again.
            let machine = self.processes[p].machine;
            self.schedule(self.now + 500, Occurrence::Start(machine));
        }
    }
}
