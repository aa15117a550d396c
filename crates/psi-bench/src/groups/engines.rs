//! Group `engines`: what scoring costs alone, and what a replica adds to it. No lock, no wire, no other nodes.

use psi_engine::{
    EngineKind, Noise, Parameters,
    core::{CoreState, EPISODIC_CAPACITY, EPISODIC_EVICTED, draw},
    synthetic,
};
use psi_replica::{ClusterName, Config, FieldName, NodeId, Now, TickMs, WallMs};
use psi_state::{Replica, Shape};

use super::local::LocalCase;
use crate::{
    cluster::rig,
    error::BenchError,
    report::{
        GroupReport,
        question::{Part, Question, RowHeader},
    },
    rounds::{Label, Plan, Progress},
};

pub(crate) const GROUP: &str = "engines";
const UNIT: &str = "ns/step";
/// Of what engine `core` draws.
const SEED: u64 = 1;
/// The replica's wall clock when it begins.
const WALL_MS: u64 = 1_750_000_000_000;
/// Steps before a memory is looked at as one that stays empty.
const STEPS_EMPTY: usize = 20;

/// What is scored with.
#[derive(Clone, Copy, Debug)]
enum EngineCase {
    Synthetic,
    /// Engine `synthetic` in a field that is not watched for drift.
    SyntheticUnwatched,
    /// Engine `core` that remembers nothing.
    CoreEmpty,
    /// Engine `core` that remembers every step.
    CoreFull,
}

impl EngineCase {
    const ALL: [Self; 4] = [Self::Synthetic, Self::SyntheticUnwatched, Self::CoreEmpty, Self::CoreFull];

    fn name(self) -> &'static str {
        match self {
            Self::Synthetic => "synthetic",
            Self::SyntheticUnwatched => "synthetic, drift off",
            Self::CoreEmpty => "core, empty memory",
            Self::CoreFull => "core, full memory",
        }
    }

    fn alone(self) -> Label {
        Label::new(self.name())
    }

    fn in_replica(self) -> Label {
        Label::new(format!("{}, in a replica", self.name()))
    }

    /// In the order of [`EngineCase::cases`].
    fn headers(self) -> Vec<RowHeader> {
        let row = |label: Label, questions: Vec<Question>| RowHeader { label, unit: UNIT, questions };
        let over = |case: Self, name| Question::ratio(name, Part::Figure, case.in_replica());
        let over_alone = Question::ratio("over the engine alone", Part::Figure, self.alone());
        match self {
            Self::SyntheticUnwatched => vec![row(self.in_replica(), vec![over(Self::Synthetic, "over drift on")])],
            _ => vec![row(self.alone(), Vec::new()), row(self.in_replica(), vec![over_alone])],
        }
    }

    fn cases(self, vectors: &[Vec<f64>]) -> Result<Vec<LocalCase>, BenchError> {
        match self {
            Self::SyntheticUnwatched => Ok(vec![self.replica_step(vectors)?]),
            _ => Ok(vec![self.engine_alone(vectors)?, self.replica_step(vectors)?]),
        }
    }

    fn engine(self) -> EngineKind {
        match self {
            Self::Synthetic | Self::SyntheticUnwatched => EngineKind::Synthetic,
            Self::CoreEmpty | Self::CoreFull => EngineKind::Core,
        }
    }

    /// Steps before the first that is measured.
    fn steps_before(self) -> usize {
        match self {
            Self::Synthetic | Self::SyntheticUnwatched | Self::CoreEmpty => STEPS_EMPTY,
            Self::CoreFull => EPISODIC_CAPACITY,
        }
    }

    /// Under which every step is remembered, or none is.
    fn parameters(self) -> Result<Parameters, BenchError> {
        let changes: &[(&str, f64)] = match self {
            Self::CoreFull => &[("pe_low", 0.0), ("pe_high", 1000.0), ("tau_psi", 0.0)],
            Self::SyntheticUnwatched => &[("drift", 0.0)],
            Self::Synthetic | Self::CoreEmpty => &[("pe_low", 1000.0), ("pe_high", 1000.0), ("tau_psi", 1.0)],
        };
        let changes = changes.iter().copied();
        Parameters::default().with(changes).map_err(|errors| BenchError::failed(format!("{errors:?}; this is a bug")))
    }

    /// The engine by itself.
    fn engine_alone(self, vectors: &[Vec<f64>]) -> Result<LocalCase, BenchError> {
        let parameters = self.parameters()?;
        let vectors = vectors.to_vec();
        if matches!(self, Self::Synthetic) {
            let score = move |done: usize| {
                synthetic::score(vectors[done % vectors.len()].as_slice().into(), Noise::default(), &parameters)
            };
            return Ok(LocalCase::new(self.alone(), score));
        }
        let mut state = CoreState::new(SEED, rig::WIDTH, parameters);
        let mut step = move |done: usize| {
            let parameters = state.parameters();
            let noise = draw::rollout_noise(SEED, state.steps() + 1, parameters.rollouts(), parameters.latent_dim());
            state.step(&vectors[done % vectors.len()], &noise).expect("shapes fit")
        };
        for done in 0..self.steps_before() {
            step(done);
        }
        Ok(LocalCase::new(self.alone(), step))
    }

    /// A whole step of a replica, which flushes every 20 ms of its clock; steps are 1 ms apart.
    fn replica_step(self, vectors: &[Vec<f64>]) -> Result<LocalCase, BenchError> {
        let mut stepper = ReplicaStepper::new(self, vectors)?;
        for _ in 0..self.steps_before() {
            stepper.step();
        }
        Ok(LocalCase::new(self.in_replica(), move |_| stepper.step()))
    }
}

/// A replica that goes on stepping.
struct ReplicaStepper {
    replica: Replica,
    field: FieldName,
    vectors: Vec<Vec<f64>>,
    steps: usize,
}

impl ReplicaStepper {
    fn new(kind: EngineCase, vectors: &[Vec<f64>]) -> Result<Self, BenchError> {
        let bug = |error: &dyn std::fmt::Display| BenchError::failed(format!("{error}; this is a bug"));
        let field = FieldName::new(rig::FIELD).map_err(|error| bug(&error))?;
        let node = NodeId::new("bench").map_err(|error| bug(&error))?;
        let cluster = ClusterName::new("bench").map_err(|error| bug(&error))?;
        let mut replica = Replica::new(Config { join_ms: 0, ..Config::new(cluster, node) }, at(0));
        replica.tick(at(0));
        let shape = Shape { engine: kind.engine().to_string(), width: rig::WIDTH, ..Shape::default() };
        replica.create_field(at(0), &field, (shape, kind.parameters()?)).map_err(|error| bug(&error))?;
        Ok(Self { replica, field, vectors: vectors.to_vec(), steps: 0 })
    }

    fn step(&mut self) -> f64 {
        self.steps += 1;
        let now = at(self.steps as u64);
        let vector = &self.vectors[self.steps % self.vectors.len()];
        let step = self.replica.step(now, &self.field, vector).expect("a good step");
        self.replica.tick(now);
        step.metrics.density
    }
}

fn at(tick: u64) -> Now {
    Now { tick: TickMs(tick), wall: WallMs(WALL_MS + tick) }
}

/// Measures the group.
///
/// # Errors
/// If what is measured can't be made.
pub(crate) async fn measure(plan: &Plan, progress: &Progress) -> Result<GroupReport, BenchError> {
    progress.preparing("filling memories");
    let vectors = rig::vectors();
    let prepared = tokio::task::spawn_blocking(move || {
        let cases = EngineCase::ALL.into_iter().map(|kind| kind.cases(&vectors));
        Ok(cases.collect::<Result<Vec<_>, BenchError>>()?.into_iter().flatten().collect::<Vec<LocalCase>>())
    });
    let cases =
        prepared.await.map_err(|error| BenchError::failed(format!("the engines ended: {error}; this is a bug")))??;
    let headers = EngineCase::ALL.into_iter().flat_map(EngineCase::headers).collect();
    Ok(GroupReport::measure(GROUP, headers, cases, plan, progress).await.with_notes(notes()))
}

fn notes() -> Vec<String> {
    vec![format!(
        "engines: on one core of this process, vectors of {} numbers. A full memory goes from {} to {EPISODIC_CAPACITY} \
         vectors again and again, as the oldest tenth goes when it is full. A replica's step is scored, judged by a \
         guardian that watches, and absorbed; every 20th also flushes.",
        rig::WIDTH,
        EPISODIC_CAPACITY - EPISODIC_EVICTED + 1,
    )]
}
