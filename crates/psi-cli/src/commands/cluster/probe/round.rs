//! One round: a step at each node in turn, each read back at every other node.
//!
//! Nothing is tried twice: what a client without retries would meet is what is measured. Every wait has an end, so a
//! round has one too. Connections are opened again each round, so that names that moved are followed and a connection to
//! a machine that is gone is not waited for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use psi_api::v1::{CreateFieldRequest, Field, FieldState, GetStateRequest, GuardianMode, StepRequest, StepResponse};
use tokio::time::Instant;
use tonic::{Response, Status, transport::Endpoint};

use super::{
    fault::{Fault, Reason},
    targets::{self, TARGETS_MAX, Target},
};
use crate::{
    client::{self, AccessOptions, Connection, is_distrust, root_cause},
    output::Failure,
};

/// Width of the field where the probe makes it.
pub(super) const WIDTH: u32 = 4;

/// What a node may take beyond the deadline to report that the deadline passed.
const ON_THE_WAY: Duration = Duration::from_millis(250);

/// The result of one round.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    /// One for each node.
    pub(super) steps: Vec<StepResult>,
    /// One for each step that was acknowledged and each other node that could be asked.
    pub(super) reads: Vec<ReadResult>,
    /// Nodes that were left out because there are too many.
    pub(super) left_out: usize,
}

/// The step at a node.
#[derive(Clone, Debug)]
pub(super) struct StepResult {
    pub(super) target: String,
    /// What the node calls itself, once it has acknowledged a step.
    pub(super) node: Option<String>,
    /// From the call to the acknowledgement, on a connection that stands.
    pub(super) took: Result<Duration, Fault>,
}

/// What a node showed of a step that another had acknowledged.
#[derive(Clone, Debug)]
pub(super) struct ReadResult {
    pub(super) source: String,
    pub(super) target: String,
    /// From the acknowledgement to the answer.
    pub(super) took: Result<Duration, Fault>,
}

impl Round {
    /// Why a node failed in this round: what weighs most of its step and of the reads that it answers for. `None` if all
    /// went well.
    pub(super) fn fault(&self, target: &str) -> Option<&Fault> {
        let step = self.steps.iter().filter(|one| one.target == target).filter_map(|one| one.took.as_ref().err());
        let reads = self.reads.iter().filter(|one| self.answers_for(one) == target);
        step.chain(reads.filter_map(|one| one.took.as_ref().err())).max_by_key(|fault| fault.reason)
    }

    /// Who answers for a read: the node that was asked. But if a step shows nowhere, the node that acknowledged it has
    /// not replicated it, being cut off or gone.
    fn answers_for<'a>(&self, read: &'a ReadResult) -> &'a str {
        let reason = |read: &ReadResult| read.took.as_ref().err().map(|fault| fault.reason);
        let shows = |one: &ReadResult| matches!(reason(one), None | Some(Reason::Stale));
        let shows_nowhere = !self.reads.iter().any(|one| one.source == read.source && shows(one));
        let is_source = reason(read) == Some(Reason::NotReplicated) && shows_nowhere;
        if is_source { &read.source } else { &read.target }
    }

    pub(super) fn failed(&self) -> usize {
        self.steps.iter().filter(|one| self.fault(&one.target).is_some()).count()
    }
}

/// Goes through rounds.
pub(super) struct Prober {
    names: Vec<String>,
    access: AccessOptions,
    field: String,
    deadline: Duration,
    /// Distinguishes the requests of this run from those of others.
    run: u128,
    steps: u64,
}

/// A node that answers, and the field as it knows it.
struct Peer {
    address: String,
    channel: Connection,
    field: Option<Field>,
}

impl Prober {
    pub(super) fn new((names, access): (Vec<String>, AccessOptions), field: String, deadline: Duration) -> Self {
        let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        Self { names, access, field, deadline, run, steps: 0 }
    }

    pub(super) async fn round(&mut self) -> Round {
        let mut targets = targets::look_up(&self.names, self.deadline).await;
        let mut round = Round { left_out: targets.len().saturating_sub(TARGETS_MAX), ..Round::default() };
        targets.truncate(TARGETS_MAX);
        let addresses: Vec<String> = targets.iter().map(|target| target.address.clone()).collect();
        let mut peers = join_all(targets.into_iter().map(|target| self.meet(target))).await;
        self.make_field(&mut peers).await;
        for (target, met) in addresses.iter().zip(&peers) {
            let (node, took) = match met {
                Err(fault) => (None, Err(fault.clone())),
                Ok(source) => match self.step(source).await {
                    Err(fault) => (None, Err(fault)),
                    Ok((step, took)) => {
                        let others = peers.iter().flatten().filter(|other| other.address != source.address);
                        let acknowledged = Instant::now();
                        let reads = others.map(|other| self.read(source, &step, acknowledged, other));
                        round.reads.extend(join_all(reads).await);
                        (Some(step.node), Ok(took))
                    }
                },
            };
            round.steps.push(StepResult { target: target.clone(), node, took });
        }
        round
    }

    /// Opens a connection to a node and asks for the field; once more if the node refuses the access token, and the
    /// token's file has another by now.
    async fn meet(&self, target: Target) -> Result<Peer, Fault> {
        if let Some(fault) = target.fault {
            return Err(fault);
        }
        let reading = self.access.reading();
        match self.connect(&target.address).await {
            Err(fault) if fault.about_access => match self.access.renew(reading) {
                Ok(true) => self.connect(&target.address).await,
                Ok(false) => Err(fault),
                Err(problem) => Err(Fault { said: format!("{}; {problem}", fault.said), ..fault }),
            },
            met => met,
        }
    }

    async fn connect(&self, address: &str) -> Result<Peer, Fault> {
        let unreachable = |why: String| Fault::new(Reason::Unreachable, format!("can't reach {address}: {why}"));
        let refused = |failure: Failure| Fault::new(Reason::Refused, failure.message);
        let endpoint =
            Endpoint::from_shared(format!("http://{address}")).map_err(|why| unreachable(root_cause(&why)))?;
        let endpoint = endpoint.connect_timeout(self.deadline).tcp_nodelay(true);
        let access = self.access.get().map_err(refused)?;
        let channel = match tokio::time::timeout(self.deadline, access.connect(endpoint)).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) if is_distrust(&error) => {
                return Err(Fault { about_access: true, ..unreachable(root_cause(&error)) });
            }
            Ok(Err(error)) => return Err(unreachable(root_cause(&error))),
            Err(_) => return Err(unreachable(format!("no connection within {} ms", self.deadline.as_millis()))),
        };
        let fields = self.call(address, client::all_fields(channel.clone())).await?;
        let field = fields.into_iter().find(|field| field.name == self.field);
        Ok(Peer { address: address.to_owned(), channel, field })
    }

    /// Makes the field, at the first node that takes it, if no node has it.
    async fn make_field(&self, peers: &mut [Result<Peer, Fault>]) {
        if peers.iter().flatten().any(|peer| peer.field.is_some()) {
            return;
        }
        let request = CreateFieldRequest {
            name: self.field.clone(),
            engine: "synthetic".to_owned(),
            width: WIDTH,
            guardian: GuardianMode::Watch.into(),
            ..CreateFieldRequest::default()
        };
        for met in peers {
            let Ok(peer) = met else { continue };
            let mut client = client::fields(peer.channel.clone());
            match self.call(&peer.address, client.create_field(request.clone())).await {
                Ok(field) => {
                    peer.field = Some(field);
                    return;
                }
                // Another probe was faster, or the name may not be: the step shows which.
                Err(Fault { reason: Reason::Refused, .. }) => return,
                Err(fault) => *met = Err(fault),
            }
        }
    }

    async fn step(&mut self, peer: &Peer) -> Result<(StepResponse, Duration), Fault> {
        self.steps += 1;
        let width = peer.field.as_ref().map_or(WIDTH, |field| field.width);
        let request = StepRequest {
            field: self.field.clone(),
            input: input(self.steps, width),
            deadline_ms: self.deadline_ms(),
            request_id: format!("probe-{}-{}", self.run, self.steps),
            ..StepRequest::default()
        };
        let mut client = client::fields(peer.channel.clone());
        let begun = Instant::now();
        let step = self.call(&peer.address, client.step(request)).await?;
        Ok((step, begun.elapsed()))
    }

    async fn read(&self, source: &Peer, step: &StepResponse, acknowledged: Instant, other: &Peer) -> ReadResult {
        let request =
            GetStateRequest { field: self.field.clone(), after: step.token.clone(), deadline_ms: self.deadline_ms() };
        let mut client = client::fields(other.channel.clone());
        let answered = self.call(&other.address, client.get_state(request)).await;
        let took = acknowledged.elapsed();
        let took = answered.and_then(|state| {
            let epoch = source.field.as_ref().map_or(0, |field| field.epoch);
            if shows(&state, epoch, step.k) {
                return Ok(took);
            }
            Err(Fault::new(
                Reason::Stale,
                format!(
                    "{} shows {} steps after the session token of {}, which has acknowledged step {}",
                    other.address, state.k, source.address, step.k
                ),
            ))
        });
        ReadResult { source: source.address.clone(), target: other.address.clone(), took }
    }

    /// Waits for an answer; a little longer than the node itself waits.
    async fn call<T>(
        &self,
        address: &str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Fault> {
        match tokio::time::timeout(self.deadline + ON_THE_WAY, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Fault::of_status(address, &status)),
            Err(_) => {
                Err(Fault::new(Reason::Late, format!("{address}: no answer within {} ms", self.deadline.as_millis())))
            }
        }
    }

    fn deadline_ms(&self) -> u32 {
        u32::try_from(self.deadline.as_millis()).unwrap_or(u32::MAX)
    }
}

/// Whether a state has the step that was acknowledged as the field's `k`-th when the field was in `epoch` or a later
/// one. A field that was started over since counts from 0 again, in a later epoch.
fn shows(state: &FieldState, epoch: u64, k: u64) -> bool {
    let shown = state.field.as_ref().map_or(0, |field| field.epoch);
    (shown, state.k) >= (epoch, k)
}

/// Numbers that vary, and that engine `synthetic` finds nothing wrong with.
fn input(step: u64, width: u32) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "an angle, whatever it is")]
    let phase = (step % 1_000_000) as f64 / 10.0;
    (0..width).map(|index| 0.25 + 0.15 * (phase + f64::from(index)).sin()).collect()
}

#[cfg(test)]
mod tests {
    use psi_engine::{Metrics, Noise, Parameters, synthetic};

    use super::*;

    #[test]
    fn less_than_was_acknowledged_is_stale_unless_the_field_was_started_over() {
        for (epoch, k, shown_epoch, shown, want) in [
            (7, 5, 7, 5, true),
            (7, 5, 7, 9, true),
            (7, 5, 7, 4, false),
            (7, 5, 8, 0, true),
            (7, 5, 6, 9, false),
            (0, 5, 7, 0, true),
        ] {
            let field = Field { epoch: shown_epoch, ..Field::default() };
            let state = FieldState { field: Some(field), k: shown, ..FieldState::default() };
            assert_eq!(shows(&state, epoch, k), want, "{epoch} {k} {shown_epoch} {shown}");
        }
    }

    fn round(steps: &[(&str, Option<Reason>)], reads: &[(&str, &str, Option<Reason>)]) -> Round {
        let took = |reason: Option<Reason>| reason.map_or(Ok(Duration::ZERO), |reason| Err(Fault::new(reason, "")));
        let steps = steps.iter().map(|(target, reason)| StepResult {
            target: (*target).to_owned(),
            node: None,
            took: took(*reason),
        });
        let reads = reads.iter().map(|(source, target, reason)| ReadResult {
            source: (*source).to_owned(),
            target: (*target).to_owned(),
            took: took(*reason),
        });
        Round { steps: steps.collect(), reads: reads.collect(), left_out: 0 }
    }

    fn reasons(round: &Round) -> Vec<Option<Reason>> {
        round.steps.iter().map(|step| round.fault(&step.target).map(|fault| fault.reason)).collect()
    }

    #[test]
    fn a_node_fails_by_what_weighs_most() {
        let steps = [("a", None), ("b", Some(Reason::Late)), ("c", None)];
        let round = round(&steps, &[("a", "b", Some(Reason::Stale)), ("c", "b", None), ("a", "c", None)]);
        assert_eq!(reasons(&round), [None, Some(Reason::Stale), None]);
        assert_eq!(round.failed(), 1);
    }

    #[test]
    fn a_node_that_is_cut_off_fails_alone() {
        let steps = [("a", None), ("b", None), ("c", None)];
        let missing = Some(Reason::NotReplicated);
        let reads = [
            ("a", "b", None),
            ("a", "c", missing),
            ("b", "a", None),
            ("b", "c", missing),
            ("c", "a", missing),
            ("c", "b", missing),
        ];
        assert_eq!(reasons(&round(&steps, &reads)), [None, None, missing]);
        // Killed after it had acknowledged, and before it replicated the step.
        assert_eq!(reasons(&round(&steps, &[("c", "a", missing), ("c", "b", missing)])), [None, None, missing]);
        assert_eq!(reasons(&round(&steps[..2], &[("a", "b", missing), ("b", "a", missing)])), [missing, missing]);
        let broken = Some(Reason::Broken);
        assert_eq!(reasons(&round(&steps, &[("a", "b", missing), ("a", "c", broken)])), [missing, None, broken]);
    }

    #[test]
    fn inputs_keep_off_the_levels_that_raise_alerts() {
        for step in 0..1000 {
            for width in [1, WIDTH, 16, 4096] {
                let input = ndarray::Array1::from(input(step, width));
                let metrics = synthetic::score(input.view(), Noise::default(), &Parameters::default());
                let Metrics { density, prediction_error, temporal_entropy, .. } = metrics;
                assert!((0.4..0.7).contains(&density), "{step}, {width}: {density}");
                assert!(prediction_error < 0.35 && temporal_entropy < 0.2, "{step}, {width}: {metrics:?}");
            }
        }
    }
}
