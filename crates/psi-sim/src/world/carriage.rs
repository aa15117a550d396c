//! Frames: made when a transport has room, carried, and read off at the other end.

use bytes::Bytes;
use prost::Message;
use psi_replica::{FRAME_ENCODED_MAX, FrameError, LinkId, NodeId, decode_frame, proto};

use super::{
    World,
    network::{Fate, FrameCopy},
    process::{QueuedInput, State},
    queue::Occurrence,
};
use crate::report::{frames, markers::Marker};

impl World<'_> {
    /// Sends what a process has to say, as far as its transports have room.
    pub(crate) fn poll_links(&mut self, p: usize) {
        if !self.processes[p].is_running() {
            return;
        }
        let links: Vec<(u64, usize)> = self.processes[p].links.iter().map(|(id, end)| (*id, *end)).collect();
        for (connection, end) in links {
            while self.has_room(connection, end)
                && let Some(frame) = self.poll_frame(p, connection)
            {
                self.send(p, connection, end, &frame);
            }
        }
    }

    /// Whether a transport has room; it is remembered that it had none.
    fn has_room(&mut self, connection: u64, end: usize) -> bool {
        let Some(standing) = self.network.connections.get_mut(&connection) else { return false };
        let direction = &mut standing.directions[end];
        direction.was_full = !direction.has_room();
        !direction.was_full
    }

    fn poll_frame(&mut self, p: usize, connection: u64) -> Option<proto::Frame> {
        let process = &mut self.processes[p];
        let now = process.now(self.now, &self.machines[process.machine]);
        process.replica.poll_frame(now, LinkId(connection))
    }

    fn send(&mut self, p: usize, connection: u64, end: usize, frame: &proto::Frame) {
        let bytes: Bytes = frame.encode_to_vec().into();
        self.counts.frames += 1;
        self.counts.bytes += bytes.len() as u64;
        if matches!(&frame.body, Some(proto::frame::Body::FrontierUpdate(news)) if news.restart && news.number > 1) {
            self.reach(Marker::LISTING_RESTARTED);
        }
        if bytes.len() > FRAME_ENCODED_MAX {
            self.found_wrong(format_args!("{} made a frame of {} bytes", self.label(p), bytes.len()));
        }
        self.trace_frame("send", connection, end, &bytes, || frames::describe(frame));
        if self.loses_withheld(connection, end, frame) {
            return;
        }
        let Some(standing) = self.network.connections.get_mut(&connection) else { return };
        let direction = &mut standing.directions[end];
        if direction.slow_ms == 0 {
            self.carry(connection, end, &bytes);
            return;
        }
        direction.waiting.push_back(bytes);
        if !direction.drains {
            direction.drains = true;
            let at = self.now + direction.slow_ms;
            self.reach(Marker::SLOW_PEER);
            self.schedule(at, Occurrence::Drain { connection, end });
        }
    }

    fn loses_withheld(&mut self, connection: u64, end: usize, frame: &proto::Frame) -> bool {
        let Some(proto::frame::Body::Delta(delta)) = &frame.body else { return false };
        let (Some(origin), Some((_, to))) = (&delta.origin, self.machines_of(connection, end)) else { return false };
        let is_withheld = self.is_withheld(&origin.node, origin.incarnation, to);
        if is_withheld {
            self.trace_frame("lose", connection, end, &[], || "withheld".to_owned());
        }
        is_withheld
    }

    /// A slow transport takes one frame.
    pub(crate) fn drain(&mut self, connection: u64, end: usize) {
        let Some(standing) = self.network.connections.get_mut(&connection) else { return };
        let direction = &mut standing.directions[end];
        let Some(bytes) = direction.waiting.pop_front() else {
            direction.drains = false;
            return;
        };
        let at = self.now + direction.slow_ms;
        let sender = standing.ends[end];
        self.carry(connection, end, &bytes);
        self.schedule(at, Occurrence::Drain { connection, end });
        self.poll_links(sender);
    }

    fn carry(&mut self, connection: u64, end: usize, bytes: &Bytes) {
        let Some(machines) = self.machines_of(connection, end) else { return };
        match self.network.carry(self.now, connection, end, machines, bytes, &mut self.dice.network) {
            Fate::Lost(why) => {
                self.reach(Marker::FRAME_LOST);
                self.trace_frame("lose", connection, end, &[], || why.to_owned());
            }
            Fate::Arrives(copies) => {
                if copies.len() > 1 {
                    self.reach(Marker::FRAME_TWICE);
                }
                for (at, copy) in copies {
                    self.schedule(at, Occurrence::Arrive { connection, end: 1 - end, copy });
                }
            }
        }
    }

    /// A frame arrives at `end` of a connection.
    pub(crate) fn arrive(&mut self, connection: u64, end: usize, copy: FrameCopy) {
        let Some(standing) = self.network.connections.get_mut(&connection) else { return };
        let (sender, receiver) = (standing.ends[1 - end], standing.ends[end]);
        let direction = &mut standing.directions[1 - end];
        direction.on_wire = direction.on_wire.saturating_sub(1);
        let sender_waits = direction.was_full;
        let overtaken = copy.number < direction.arrived;
        direction.arrived = copy.number.max(direction.arrived);
        if overtaken {
            self.reach(Marker::FRAME_OVERTOOK);
        }
        let FrameCopy { bytes, damaged, sent_at, .. } = copy;
        self.record_said(receiver, sender, sent_at);
        match self.processes[receiver].state {
            State::Paused => self.processes[receiver].held.push(QueuedInput::Frame { connection, bytes, damaged }),
            State::Running => self.receive(receiver, connection, &bytes, damaged),
            State::Gone => {}
        }
        if sender_waits {
            self.poll_links(sender);
        }
    }

    /// A process reads a frame off its transport.
    pub(crate) fn receive(&mut self, p: usize, connection: u64, bytes: &Bytes, damaged: bool) {
        let Some(end) = self.processes[p].links.get(&connection).copied() else { return };
        if damaged && let Some(standing) = self.network.connections.get_mut(&connection) {
            standing.is_damaged = true;
        }
        let frame = match decode_frame(bytes.clone()) {
            Ok(frame) => frame,
            Err(FrameError::TooLong { .. }) => {
                self.reach(Marker::OVERSIZED_REFUSED);
                self.hang_up(connection, end, "a frame over the limit");
                return;
            }
            Err(error) => {
                if damaged {
                    self.reach(Marker::CORRUPT_REFUSED);
                } else {
                    self.found_wrong(format_args!("a frame does not decode: {error}"));
                }
                self.hang_up(connection, end, "a frame that can't be read");
                return;
            }
        };
        self.trace_frame("take", connection, end, bytes, || {
            format!("takes {}{}", frames::describe(&frame), if damaged { " DAMAGED" } else { "" })
        });
        self.hand_in(p, connection, end, frame);
    }

    fn hand_in(&mut self, p: usize, connection: u64, end: usize, frame: proto::Frame) {
        let opened = match &frame.body {
            Some(proto::frame::Body::Hello(open)) => NodeId::new(&open.node).ok().map(|node| (node, open.incarnation)),
            _ => None,
        };
        if !self.is_introduced_as_expected(connection, end, opened.as_ref().map(|(node, _)| node)) {
            let reasons = ["another node answers", "its certificate names another node"];
            self.record_misnamed(p, connection, end);
            self.hang_up(connection, end, reasons[end]);
            return;
        }
        let before = (self.processes[p].replica.frontier().hash(), self.processes[p].replica.digest());
        let process = &mut self.processes[p];
        let now = process.now(self.now, &self.machines[process.machine]);
        let result = process.replica.handle_frame(now, LinkId(connection), frame);
        self.check_refusal(p, connection, before, result.as_ref().err());
        if let Some(peer) = self.peer_of(connection, end) {
            let node = self.processes[peer].node.clone();
            self.record_heard(p, node.as_str());
        }
        self.listens_to = Some(connection);
        self.settle(p);
        self.listens_to = None;
        if let Err(error) = result {
            self.hang_up(connection, end, &format!("refused the link: {}", error.reason()));
        } else if let Some(run) = opened {
            self.introduce(p, connection, run);
        }
    }

    /// Whether a node may introduce itself: as the one that was dialled, or that the dialler's certificate names.
    fn is_introduced_as_expected(&self, connection: u64, end: usize, node: Option<&NodeId>) -> bool {
        let expected = self.network.connections.get(&connection).and_then(|standing| standing.expected[end].as_ref());
        node.zip(expected).is_none_or(|(node, expected)| node == expected)
    }

    /// A peer has introduced itself: an older link to it is given up.
    fn introduce(&mut self, p: usize, connection: u64, run: (NodeId, u64)) {
        let earlier = self.processes[p].peers.insert(run, connection);
        if let Some(earlier) = earlier.filter(|earlier| *earlier != connection)
            && let Some(end) = self.processes[p].links.get(&earlier).copied()
        {
            self.hang_up(earlier, end, "a newer link to the peer stands");
        }
    }

    /// The process at the other end.
    pub(crate) fn peer_of(&self, connection: u64, end: usize) -> Option<usize> {
        Some(self.network.connections.get(&connection)?.ends[1 - end])
    }

    pub(crate) fn machines_of(&self, connection: u64, end: usize) -> Option<(usize, usize)> {
        let ends = self.network.connections.get(&connection)?.ends;
        Some((self.processes[ends[end]].machine, self.processes[ends[1 - end]].machine))
    }

    fn trace_frame(
        &mut self,
        kind: &'static str,
        connection: u64,
        end: usize,
        bytes: &[u8],
        what: impl FnOnce() -> String,
    ) {
        let Some(standing) = self.network.connections.get(&connection) else { return };
        let (here, there) = (&self.processes[standing.ends[end]].label, &self.processes[standing.ends[1 - end]].label);
        let arrow = if kind == "take" {
            "◀──"
        } else if kind == "lose" {
            "─╳ "
        } else {
            "──▶"
        };
        self.trace.record(self.now, kind, &[connection, end as u64], bytes, || {
            format!("{here:<6} {arrow} {there:<6} {}", what())
        });
    }
}
