//! What is played, and why: one row a transcript.

use psi_replica::{Config, FieldName};
use psi_state::{Setup, Shape};

use super::stage::{DeltaFault, Stage};

/// A transcript to be made.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// What there is to see, for who reads the transcript.
    pub(super) about: &'static str,
    pub(super) play: fn(&mut Stage),
}

/// Until links have said all that there is to say, and before the next heartbeat.
const SETTLED_MS: u64 = 600;
/// From one heartbeat to the next, and a bit.
const HEARTBEAT_MS: u64 = 2_100;

/// All transcripts, in the order in which they are best read.
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "hello",
        about: "Two replicas meet: introductions, listing, heartbeats.

Both sides send Hello at once, and nothing else before the other's has come. Then each lists what
it holds, by FrontierUpdates: an origin is named once and has a number from then on (#0, #1, ...),
and +N says by how much its version is greater than what was said last. A FrontierUpdate is sent
again until its FrontierAck comes. Node a has written before it met b. A writer pushes its own
entries, so they come as a Delta without being asked for. Every two seconds each side sends a
Heartbeat: equal frontiers must come with equal digests.",
        play: hello,
    },
    Scenario {
        name: "delta",
        about: "A step travels: Delta and Ack.

A write is flushed after at most 20 ms: it takes the origin's next version, and the entries that
it touched have it. What the peer lacks is pushed as a Delta: the entries of one origin above the
version that the peer holds. It is applied whole and acknowledged. The Ack also tells a what b now
holds, so that no FrontierUpdate has to. A second step is a second Delta, with only those entries
that have changed.",
        play: delta,
    },
    Scenario {
        name: "cut",
        about: "A delta of several frames, of which one is lost.

Frames here hold few bytes, so that the Delta is cut into several. It was frozen when it began:
all its frames show one version, and the receiver stages them and applies all of them at once. One
frame is lost. Nothing is applied and no Ack comes, so the Delta is sent again from its beginning,
by the same number. Frame 1 completes it; frame 2, which comes after that, is acknowledged again.",
        play: cut,
    },
    Scenario {
        name: "refusal",
        about: "A damaged delta is refused, and sent again.

The last frame of a Delta carries the origin's digest at its version. A byte of an entry is turned
on the way, so the digest does not fit: nothing is applied, and a Nack says why and what is held.
The sender tries again after a second, by a new number; each further Nack doubles that time.
Meanwhile the receiver pulls without success, every 100 ms.",
        play: refusal,
    },
    Scenario {
        name: "reset",
        about: "A reset raises the epoch of a field.

Both replicas have taken steps. Then a resets the field: in one write it removes its own older
entries by a tombstone and writes the spec of the new epoch. When b has applied that, the greater
epoch holds for it too. It leaves its own older entries by a tombstone of its own, and repeats the
spec in the same write, byte by byte: so a peer that hears of the tombstone hears of the epoch as
well. Nobody drops the entries of another origin.",
        play: reset,
    },
    Scenario {
        name: "join",
        about: "A joiner catches up, and becomes ready.

Node c is no seed: it says that it is not ready, and takes no writes. It is linked to b alone.
What b holds when the two meet is c's target. What b wrote is pushed to it; what a wrote it pulls
from b. When all has come, c is ready, mints its origin, and says so by a Heartbeat. Then it takes
a step. That reaches a through b: b says in a FrontierUpdate what it now holds, and a pulls it.",
        play: join,
    },
];

fn default() -> FieldName {
    FieldName::default_field()
}

/// A field that others than `default` are named like.
fn field() -> FieldName {
    FieldName::new("pumps").expect("letters")
}

/// A field whose inputs are of so many numbers.
fn setup(width: usize) -> Setup {
    Setup { shape: Shape { width, ..Shape::default() }, ..Setup::default() }
}

/// Two replicas that have met, of which nothing was written down.
fn pair(stage: &mut Stage) {
    stage.behind_the_curtain();
    stage.add_seed("a");
    stage.add_seed("b");
    stage.link("a", "b");
    stage.run(SETTLED_MS);
}

fn hello(stage: &mut Stage) {
    stage.add_seed("a");
    stage.add_seed("b");
    stage.step("a", &default(), &[0.5; 16]);
    stage.run(50);
    stage.link("a", "b");
    stage.run(HEARTBEAT_MS);
}

fn delta(stage: &mut Stage) {
    pair(stage);
    stage.scene("a and b have met");
    stage.step("a", &default(), &[0.5; 16]);
    stage.run(200);
    stage.step("a", &default(), &[0.25; 16]);
    stage.run(200);
}

fn cut(stage: &mut Stage) {
    stage.behind_the_curtain();
    for actor in ["a", "b"] {
        stage.add(actor, |config| Config { join_ms: 0, frame_bytes: 300, ..config });
    }
    stage.link("a", "b");
    stage.run(SETTLED_MS);
    stage.scene("a and b have met; frames of a hold 300 bytes");
    stage.spoil_next_delta(DeltaFault::Lost(1));
    stage.step("a", &default(), &[0.5; 16]);
    stage.run(1_200);
}

fn refusal(stage: &mut Stage) {
    pair(stage);
    stage.scene("a and b have met");
    stage.spoil_next_delta(DeltaFault::Damaged);
    stage.step("a", &default(), &[0.5; 16]);
    stage.run(1_200);
}

fn reset(stage: &mut Stage) {
    pair(stage);
    stage.act("a", "creates `pumps`", |replica, now| replica.create_field(now, &field(), setup(2)));
    stage.run(100);
    for actor in ["a", "b"] {
        stage.step(actor, &field(), &[0.5, 0.25]);
    }
    stage.run(SETTLED_MS);
    stage.scene("a and b have each taken a step of `pumps`");
    stage.act("a", "resets `pumps`", |replica, now| replica.reset_field(now, &field(), setup(3)));
    stage.run(200);
}

fn join(stage: &mut Stage) {
    pair(stage);
    for actor in ["a", "b"] {
        stage.step(actor, &default(), &[0.5; 16]);
    }
    stage.run(SETTLED_MS);
    stage.scene("a and b have each taken a step of `default`");
    stage.add("c", |config| Config { is_seed: false, ..config });
    stage.link("b", "c");
    stage.run(SETTLED_MS);
    stage.step("c", &default(), &[0.25; 16]);
    stage.run(SETTLED_MS);
}
