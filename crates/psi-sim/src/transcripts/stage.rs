//! A few replicas, links on which each frame takes a millisecond, and what was said.

use std::{collections::BTreeMap, fmt::Write};

use bytes::Bytes;
use prost::Message;
use psi_replica::{ClusterName, Config, FieldName, LinkId, NodeId, Now, TickMs, WallMs, proto};
use psi_state::Replica;

use crate::{
    plan::WALL_MS,
    report::{
        events::EventText,
        frames::{describe, describe_entry},
    },
};

/// Who is on the stage, by name: one letter.
pub(super) type Actor = &'static str;

/// What happens to the next frame that is a part of a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeltaFault {
    /// The frame of this index is lost.
    Lost(u32),
    /// A byte of an entry's value is turned, in the last frame.
    Damaged,
}

/// Replicas and links, in virtual time.
#[derive(Debug)]
pub(super) struct Stage {
    now: u64,
    replicas: BTreeMap<Actor, Replica>,
    links: Vec<[Actor; 2]>,
    /// Frames on their way: from whom, over which link, to whom.
    on_wire: Vec<(Actor, usize, Actor, Bytes)>,
    fault: Option<DeltaFault>,
    /// What is said now is written down.
    is_recording: bool,
    text: String,
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            now: 0,
            replicas: BTreeMap::new(),
            links: Vec::new(),
            on_wire: Vec::new(),
            fault: None,
            is_recording: true,
            text: String::new(),
        }
    }
}

impl Stage {
    /// Adds a replica that starts a cluster by itself.
    pub(super) fn add_seed(&mut self, actor: Actor) {
        self.add(actor, |config| Config { join_ms: 0, ..config });
    }

    /// Adds a replica that is told a bit more, or less.
    pub(super) fn add(&mut self, actor: Actor, told: impl FnOnce(Config) -> Config) {
        let cluster = ClusterName::new("transcript").expect("a name of letters");
        let config = Config::new(cluster, NodeId::new(actor).expect("a letter"));
        let replica = Replica::new(told(config), self.moment());
        self.replicas.insert(actor, replica);
        self.note(format_args!("{actor} starts"));
        self.call(actor, |replica, now| replica.tick(now));
    }

    /// Connects two replicas.
    pub(super) fn link(&mut self, one: Actor, other: Actor) {
        let link = LinkId(self.links.len() as u64);
        self.links.push([one, other]);
        self.note(format_args!("{one} and {other} are linked"));
        for actor in [one, other] {
            self.call(actor, |replica, now| replica.link_up(now, link));
        }
    }

    /// Lets somebody do something that must succeed.
    pub(super) fn act<T, E: std::fmt::Debug>(
        &mut self,
        actor: Actor,
        what: &str,
        act: impl FnOnce(&mut Replica, Now) -> Result<T, E>,
    ) {
        self.note(format_args!("{actor} {what}"));
        self.call(actor, |replica, now| act(replica, now).expect("replicas of a transcript accept what they are told"));
    }

    /// Somebody takes a step of a field.
    pub(super) fn step(&mut self, actor: Actor, field: &FieldName, input: &[f64]) {
        self.act(actor, &format!("takes a step of `{field}`"), |replica, now| replica.step(now, field, input));
    }

    /// From now on nothing is written down, until [`Stage::scene`].
    pub(super) fn behind_the_curtain(&mut self) {
        self.is_recording = false;
    }

    /// Writes down what is said from now on, under a heading.
    pub(super) fn scene(&mut self, heading: &str) {
        self.is_recording = true;
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.note(heading);
    }

    /// What happens to the next frame of a delta.
    pub(super) fn spoil_next_delta(&mut self, fault: DeltaFault) {
        self.fault = Some(fault);
    }

    /// Lets so many milliseconds pass.
    pub(super) fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now += 1;
            for (from, link, to, bytes) in std::mem::take(&mut self.on_wire) {
                self.deliver(from, link, to, bytes);
            }
            let actors: Vec<Actor> = self.replicas.keys().copied().collect();
            for actor in actors {
                if self.replicas[actor].wake_at().is_some_and(|at| at.0 <= self.now) {
                    self.call(actor, |replica, now| replica.tick(now));
                }
            }
        }
    }

    /// What was written down.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// All clocks are right.
    fn moment(&self) -> Now {
        Now { tick: TickMs(self.now), wall: WallMs(WALL_MS + self.now) }
    }

    fn deliver(&mut self, from: Actor, link: usize, to: Actor, bytes: Bytes) {
        let frame = proto::Frame::decode(bytes).expect("frames arrive as they were sent");
        let result = self.call(to, |replica, now| replica.handle_frame(now, LinkId(link as u64), frame));
        result.unwrap_or_else(|error| panic!("{to} refused the link to {from}: {error}"));
    }

    /// Calls a replica; what it then tells and says is taken.
    fn call<T>(&mut self, actor: Actor, call: impl FnOnce(&mut Replica, Now) -> T) -> T {
        let now = self.moment();
        let replica = self.replicas.get_mut(actor).expect("it was added");
        let result = call(replica, now);
        self.take_events(actor);
        self.take_frames(actor);
        result
    }

    fn take_events(&mut self, actor: Actor) {
        while let Some(event) = self.replicas.get_mut(actor).and_then(|replica| replica.poll_event()) {
            self.line(actor, "", &EventText(&event));
        }
    }

    fn take_frames(&mut self, actor: Actor) {
        let now = self.moment();
        for link in 0..self.links.len() {
            let Some(to) = peer(self.links[link], actor) else { continue };
            let id = LinkId(link as u64);
            while let Some(frame) = self.replicas.get_mut(actor).and_then(|replica| replica.poll_frame(now, id)) {
                self.send(actor, link, to, frame);
            }
        }
    }

    fn send(&mut self, from: Actor, link: usize, to: Actor, mut frame: proto::Frame) {
        let fate = self.spoil(&mut frame);
        self.line(from, to, &format_args!("{}{}", describe(&frame), fate.map_or("", |(words, _)| words)));
        if let Some(proto::frame::Body::Delta(delta)) = &frame.body {
            for entry in &delta.entries {
                self.line("", "", &format_args!("    {}", describe_entry(entry)));
            }
        }
        if fate.is_none_or(|(_, arrives)| arrives) {
            self.on_wire.push((from, link, to, frame.encode_to_vec().into()));
        }
    }

    /// Does what was to happen to a frame, if it is the one: says so, and whether the frame arrives.
    fn spoil(&mut self, frame: &mut proto::Frame) -> Option<(&'static str, bool)> {
        let Some(proto::frame::Body::Delta(delta)) = &mut frame.body else { return None };
        match self.fault? {
            DeltaFault::Lost(index) if index == delta.index => {
                self.fault = None;
                Some(("   -- LOST", false))
            }
            DeltaFault::Damaged if delta.last => {
                self.fault = None;
                let entry = delta.entries.last_mut()?;
                let mut value = entry.value.to_vec();
                *value.last_mut()? ^= 1;
                entry.value = value.into();
                Some(("   -- DAMAGED", true))
            }
            _ => None,
        }
    }

    fn line(&mut self, from: &str, to: &str, what: &dyn std::fmt::Display) {
        let arrow = if to.is_empty() { "  " } else { "->" };
        let at = if from.is_empty() { String::new() } else { self.now.to_string() };
        self.write(&format!("{at:>5}  {from:1} {arrow} {to:1}  {what}"));
    }

    fn note(&mut self, what: impl std::fmt::Display) {
        self.write(&format!("--- {what}"));
    }

    fn write(&mut self, line: &str) {
        if self.is_recording {
            writeln!(self.text, "{}", line.trim_end()).expect("a string takes everything");
        }
    }
}

fn peer([one, other]: [Actor; 2], actor: Actor) -> Option<Actor> {
    if actor == one {
        Some(other)
    } else if actor == other {
        Some(one)
    } else {
        None
    }
}
