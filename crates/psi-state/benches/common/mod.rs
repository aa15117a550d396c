//! What benchmarks of a replica share: replicas that go on stepping, and that hand each other what they wrote. Inputs and
//! clocks are fixed: `psi-instructions`, which counts instructions, has this module too.

#![allow(dead_code, unreachable_pub, reason = "each program uses a part")]

use psi_engine::{EngineKind, Parameters, core::draw};
use psi_replica::{
    ClusterName, Config, FieldName, LinkId, NodeId, Now, TickMs, WallMs,
    proto::{Frame, frame::Body},
};
use psi_state::{Replica, Setup, Shape, Step};

/// Numbers of an input where nothing else is said.
pub const WIDTH: usize = 16;
/// Wall clock at tick 0: some day in 2025.
const WALL_MS: u64 = 1_750_000_000_000;
/// The one link between two replicas.
const LINK: LinkId = LinkId(1);

pub fn at(tick: u64) -> Now {
    Now { tick: TickMs(tick), wall: WallMs(WALL_MS + tick) }
}

/// The field in which replicas step.
pub fn field() -> FieldName {
    FieldName::new("bench").expect("letters")
}

/// Every step of engine `core` is remembered.
pub fn setup(engine: EngineKind, width: usize, changes: &[(&str, f64)]) -> Setup {
    let shape = Shape { engine: engine.to_string(), width, ..Shape::default() };
    let changes = [("pe_low", 0.0), ("pe_high", 1000.0)].iter().chain(changes).copied();
    (shape, Parameters::default().with(changes).expect("within the limits")).into()
}

/// Inputs that don't repeat.
pub fn input(n: u64, width: usize) -> Vec<f64> {
    draw::rollout_noise(1, n, 1, width).numbers().to_vec()
}

/// Of a node that is ready at once.
fn config(name: &str) -> Config {
    let name = NodeId::new(name).expect("letters");
    Config { join_ms: 0, ..Config::new(ClusterName::new("bench").expect("letters"), name) }
}

/// A replica that goes on stepping, a millisecond a step unless told otherwise, and flushes every 20 ms as a node does.
pub struct StepBench {
    pub replica: Replica,
    pub steps: u64,
    pub width: usize,
    /// Steps in a millisecond of the replica's clock.
    pub per_ms: u64,
}

impl StepBench {
    pub fn new(engine: EngineKind, width: usize) -> Self {
        Self::of(setup(engine, width, &[]))
    }

    /// In a new field of its own.
    pub fn of(setup: Setup) -> Self {
        let width = setup.shape.width;
        let mut stepping = Self::with(Replica::new(config("own"), at(0)), width);
        stepping.replica.create_field(at(0), &field(), setup).expect("a new field");
        stepping
    }

    /// With what is in a snapshot, under another name.
    fn restored(name: &str, width: usize, snapshot: &[u8]) -> Self {
        Self::with(Replica::restore(config(name), at(0), snapshot).expect("it was written just now"), width)
    }

    fn with(mut replica: Replica, width: usize) -> Self {
        replica.tick(at(0));
        Self { replica, steps: 0, width, per_ms: 1 }
    }

    /// Knows `origins` others, each of which has stepped in the field.
    pub fn among(engine: EngineKind, origins: usize) -> Self {
        let mut first = Self::new(engine, WIDTH).after(3);
        first.replica.flush();
        let known = first.replica.snapshot();
        let mut own = Self::restored("reader", WIDTH, &known);
        for n in 1..origins {
            let mut other = Self::restored(&format!("other-{n}"), WIDTH, &known).after(3);
            Link::between(&mut other.replica, &mut own.replica, at(3)).hand_over();
        }
        assert_eq!(own.replica.frontier().len(), origins, "the first and all others");
        own.steps = 3;
        own
    }

    /// Holds so many fields, `default` not counted.
    pub fn holding(engine: EngineKind, fields: usize) -> Self {
        let mut own = Self::new(engine, WIDTH);
        for n in 1..fields {
            let name = FieldName::new(&format!("other-{n}")).expect("letters");
            own.replica.create_field(at(0), &name, setup(engine, WIDTH, &[])).expect("a new field");
        }
        own
    }

    /// The same, at another pace.
    pub fn every_us(self, us: u64) -> Self {
        let per_ms = 1000 / us;
        Self { steps: self.steps * per_ms, per_ms, ..self }
    }

    /// The time of the latest step.
    pub fn now(&self) -> Now {
        at(self.steps / self.per_ms)
    }

    pub fn next_input(&self) -> Vec<f64> {
        input(self.steps, self.width)
    }

    /// One step, and what is due by the clock after it.
    pub fn step(&mut self, input: &[f64]) -> Step {
        let step = self.step_alone(input);
        let now = self.now();
        self.replica.tick(now);
        step
    }

    /// One step, without a flush after it.
    pub fn step_alone(&mut self, input: &[f64]) -> Step {
        self.steps += 1;
        self.replica.step(self.now(), &field(), input).expect("a good step")
    }

    /// Takes so many steps.
    pub fn after(mut self, steps: u64) -> Self {
        for _ in 0..steps {
            self.step(&self.next_input());
        }
        self
    }

    /// Takes the steps of 20 ms, which then wait for a flush.
    pub fn before_flush(&mut self) {
        for _ in 0..20 * self.per_ms {
            self.step_alone(&self.next_input());
        }
    }
}

/// Two replicas that are linked.
struct Link<'a> {
    from: &'a mut Replica,
    to: &'a mut Replica,
    now: Now,
}

impl<'a> Link<'a> {
    fn between(from: &'a mut Replica, to: &'a mut Replica, now: Now) -> Self {
        from.link_up(now, LINK);
        to.link_up(now, LINK);
        Self { from, to, now }
    }

    /// Carries frames until `from` begins a delta; gives it, undelivered.
    fn next_delta(&mut self) -> Frame {
        let now = self.now;
        loop {
            let mut is_silent = true;
            while let Some(frame) = self.to.poll_frame(now, LINK) {
                is_silent = false;
                self.from.handle_frame(now, LINK, frame).expect("a good frame");
            }
            if let Some(frame) = self.from.poll_frame(now, LINK) {
                is_silent = false;
                if matches!(frame.body, Some(Body::Delta(_))) {
                    return frame;
                }
                self.to.handle_frame(now, LINK, frame).expect("a good frame");
            }
            assert!(!is_silent, "both are silent, and no delta was sent");
        }
    }

    /// Brings what `from` wrote itself, and cuts the link.
    fn hand_over(mut self) {
        self.from.flush();
        let origin = self.from.origin().expect("it is ready").clone();
        let written = self.from.version();
        while self.to.frontier().version(&origin) < written {
            let delta = self.next_delta();
            self.to.handle_frame(self.now, LINK, delta).expect("a good delta");
        }
        self.from.link_down(self.now, LINK);
        self.to.link_down(self.now, LINK);
    }
}

/// A replica, and a peer that steps and sends it what it wrote.
pub struct Pair {
    own: Replica,
    peer: StepBench,
}

impl Pair {
    /// Both have the peer's field.
    pub fn new(engine: EngineKind) -> Self {
        let mut peer = StepBench::new(engine, WIDTH).after(300);
        peer.replica.flush();
        let mut own = StepBench::restored("reader", WIDTH, &peer.replica.snapshot()).replica;
        let now = peer.now();
        peer.replica.link_up(now, LINK);
        own.link_up(now, LINK);
        Self { own, peer }
    }

    /// The delta that the peer sends of the next 20 ms.
    pub fn next_delta(&mut self) -> Frame {
        self.peer.before_flush();
        self.peer.replica.flush();
        let now = self.peer.now();
        while self.own.poll_event().is_some() {}
        Link { from: &mut self.peer.replica, to: &mut self.own, now }.next_delta()
    }

    /// Takes a delta in.
    pub fn apply(&mut self, delta: Frame) {
        self.own.handle_frame(self.peer.now(), LINK, delta).expect("a good delta");
    }

    /// Whether all that the peer wrote has been taken in.
    pub fn is_level(&self) -> bool {
        self.own.frontier() == self.peer.replica.frontier()
    }
}
