//! The claim of a run to the name of its node. Of two live runs of one node, the one that starts while the other
//! answers gives way: it says so, does not join, writes nothing, and asks again until the other has gone.
//!
//! Gossip only hints at another run. It counts once somebody answers under the name at its address, so a run that is
//! dead delays nobody. Two runs that could not see each other when they started are told apart later: the one that
//! began first stays. What is left out: names in logs, metrics and `members` of other nodes, see `namesakes.rs`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use psi_api::v1::{
    IdentifyRequest, IdentifyResponse, NameClaim as ClaimMessage, cluster_service_client::ClusterServiceClient,
};
use psi_replica::Version;
use psi_state::Replica;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tonic::Code;
use tracing::{error, info, warn};

use super::{
    claim::{NameClaim, waiting_text},
    members::Member,
};
use crate::node::{context::NodeContext, end::NodeEnd, identity::Identity};

/// Who is asked has this long to answer.
const ANSWER: Duration = Duration::from_secs(1);
/// Gossip may name a run before it knows its address. This long is waited for that.
const ADDRESS: Duration = Duration::from_secs(1);
/// A run that lives and does not answer, as on a machine that is busy, is asked so often.
const ATTEMPTS: u32 = 3;
/// So many addresses are asked at once, and then none for [`HINT_PAUSE`]: anyone can name addresses by gossip.
const HINTS_AT_ONCE: usize = 4;
const HINT_PAUSE: Duration = Duration::from_secs(1);
/// A run that waits asks again after at most this.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How often a run that is about to give way looks whether others hold what it wrote.
const COPIES: Duration = Duration::from_millis(500);
/// How often a run that waits says so.
pub(super) const REMINDER: Duration = Duration::from_secs(60);

/// One who claims a name. Of two claims the lesser is the better one: a name that is held, then the run that began
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claimant {
    is_starting: bool,
    began_us: u64,
    address: SocketAddr,
}

impl Claimant {
    fn own(context: &NodeContext) -> Self {
        let holds = context.claim.now() == NameClaim::Held || context.read(|replica| replica.origin().is_some());
        Self { is_starting: !holds, began_us: context.began_us, address: context.addresses().grpc }
    }

    /// Another run of the node that answers at `address`, unless that is this one, or about to go.
    fn of(context: &NodeContext, address: SocketAddr, answer: &IdentifyResponse) -> Option<Self> {
        let IdentifyResponse { node, cluster, began_us, claim: _ } = answer;
        let settings = &context.settings;
        let is_other_run =
            *node == settings.node.as_str() && *cluster == settings.cluster.as_str() && *began_us != context.began_us;
        let is_starting = match answer.claim() {
            ClaimMessage::Leaving => return None,
            ClaimMessage::Held => false,
            ClaimMessage::Waits | ClaimMessage::Open | ClaimMessage::Unspecified => true,
        };
        is_other_run.then_some(Self { is_starting, began_us: *began_us, address })
    }
}

/// What became of asking an address.
enum Reply {
    Answered(IdentifyResponse),
    /// Nobody listens there.
    Gone,
    /// It may be busy, or its machine may be gone.
    Silent,
}

async fn ask(identity: &Arc<Identity>, address: SocketAddr) -> Reply {
    let asked = async {
        // Another run of this node has its name, so the certificate of any node will do.
        let dialled = identity.dial(address, None, |endpoint| endpoint.tcp_nodelay(true)).await;
        let Ok(channel) = dialled else { return Reply::Gone };
        match ClusterServiceClient::new(channel).identify(IdentifyRequest {}).await {
            Ok(answer) => Reply::Answered(answer.into_inner()),
            Err(status) if status.code() == Code::Unimplemented => Reply::Gone,
            Err(_) => Reply::Silent,
        }
    };
    timeout(ANSWER, asked).await.unwrap_or(Reply::Silent)
}

/// The addresses that gossip names of other runs, asked a few at a time and in turn.
#[derive(Debug, Default)]
struct Hints {
    turn: usize,
    asked: Option<Instant>,
}

impl Hints {
    /// Resolves when addresses may be asked again.
    async fn due(&self) {
        if let Some(asked) = self.asked {
            tokio::time::sleep_until(asked + HINT_PAUSE).await;
        }
    }

    /// Those of the addresses whose turn it is.
    fn take(&mut self, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        addresses.sort_unstable();
        addresses.dedup();
        let count = addresses.len().min(HINTS_AT_ONCE);
        let begin = self.turn % addresses.len().max(1);
        self.turn = begin + count;
        self.asked = Some(Instant::now());
        addresses.iter().cycle().skip(begin).take(count).copied().collect()
    }
}

/// The best claim of another run at one of the addresses that is better than this run's. One that `is_live` says to
/// live is asked again where it does not answer.
async fn better_claimant(
    context: &NodeContext,
    addresses: impl Iterator<Item = SocketAddr>,
    is_live: impl Fn(SocketAddr) -> bool,
) -> Option<Claimant> {
    let mut asking = JoinSet::new();
    for address in addresses {
        let attempts = if is_live(address) { ATTEMPTS } else { 1 };
        let identity = context.identity.clone();
        asking.spawn(async move {
            for _ in 0..attempts {
                match ask(&identity, address).await {
                    Reply::Answered(answer) => return Some((address, answer)),
                    Reply::Gone => return None,
                    Reply::Silent => {}
                }
            }
            None
        });
    }
    let answers = asking.join_all().await.into_iter().flatten();
    let best = answers.filter_map(|(address, answer)| Claimant::of(context, address, &answer)).min();
    best.filter(|other| *other < Claimant::own(context))
}

/// Claims the name, and keeps the claim until the node stops. `ask` are addresses at which another run answered before
/// this one was started.
pub(crate) async fn keep_claim(context: Arc<NodeContext>, ask: Vec<SocketAddr>) {
    let kept = async {
        let mut holder = better_claimant(&context, ask.into_iter(), |_| true).await;
        if holder.is_none() {
            holder = first_look(&context).await;
        }
        match holder {
            // What a run has written must not wait with it.
            Some(holder) if context.read(|replica| replica.origin().is_none()) => wait(&context, holder).await,
            _ => watch(&context).await,
        }
    };
    tokio::select! {
        end = kept => context.end(end),
        () = context.stop.cancelled() => return,
    }
    // The node is about to stop for that.
    context.stop.cancelled().await;
}

/// Waits until gossip has told of other runs, and looks who answers.
async fn first_look(context: &NodeContext) -> Option<Claimant> {
    let mut runs = context.claim.runs();
    let _ = runs.wait_for(Option::is_some).await;
    let all_have_addresses =
        |runs: &Option<Vec<Member>>| runs.iter().flatten().all(|run| run.left || run.grpc.is_some());
    let _ = timeout(ADDRESS, runs.wait_for(all_have_addresses)).await;
    let own = context.addresses().grpc;
    let live = context.claim.live_candidates(own);
    let (first, second): (Vec<_>, Vec<_>) = context.claim.candidates(own).into_iter().partition(|a| live.contains(a));
    // Those that live first: where gossip names many, the others are asked later, if they are heard.
    let mut asked = Hints::default().take(first);
    asked.extend(Hints::default().take(second));
    asked.truncate(HINTS_AT_ONCE);
    better_claimant(context, asked.into_iter(), |address| live.contains(&address)).await
}

/// Waits for another run to go.
async fn wait(context: &NodeContext, first: Claimant) -> NodeEnd {
    let (node, mut holder, mut said) = (&context.settings.node, first.address, None::<Instant>);
    let (mut waits, mut hints) = (backoff(), Hints::default());
    let mut runs = context.claim.runs();
    loop {
        context.claim.set(NameClaim::Waits { holder });
        if said.is_none_or(|said| said.elapsed() >= REMINDER) {
            said = Some(Instant::now());
            warn!(
                %node, %holder,
                "{}; asking again until it has gone", waiting_text(node.as_str(), holder)
            );
        }
        runs.mark_unchanged();
        tokio::select! {
            () = tokio::time::sleep(waits.next().unwrap_or(WAIT_MAX)) => {}
            // It may have left, or died.
            _ = runs.changed() => {}
        }
        hints.due().await;
        let others = context.claim.candidates(context.addresses().grpc);
        let others = hints.take(others.into_iter().filter(|address| *address != holder).collect());
        let addresses = others.into_iter().chain([holder]);
        match better_claimant(context, addresses, |_| true).await {
            Some(other) => holder = other.address,
            None => {
                info!(%node, %holder, "the other run of this node has gone; starting");
                return NodeEnd::StartAgain { ask: Vec::new() };
            }
        }
    }
}

/// Holds the name, until it turns out that another run has the better claim: both began while they could not see each
/// other. It gives way once nothing is lost by that.
async fn watch(context: &NodeContext) -> NodeEnd {
    context.claim.set(NameClaim::Held);
    let mut runs = context.claim.runs();
    let (mut waits, mut hints, mut said) = (backoff(), Hints::default(), None::<Instant>);
    loop {
        hints.due().await;
        let live = context.claim.live_candidates(context.addresses().grpc);
        let (is_alone, are_many) = (live.is_empty(), live.len() > HINTS_AT_ONCE);
        let live = hints.take(live);
        let better = better_claimant(context, live.into_iter(), |_| true).await;
        context.claim.set_hands_over(better.is_some());
        if let Some(other) = better {
            let may_go = has_copies(context);
            if may_go || said.is_none_or(|said| said.elapsed() >= REMINDER) {
                said = Some(Instant::now());
                let (node, holder) = (&context.settings.node, other.address);
                let then = if may_go { "this one gives way" } else { "this one gives way once others hold its writes" };
                error!(
                    %node, %holder,
                    "another run of node `{node}` began earlier and answers at {holder}: {then}; give each node a name of \
                     its own (node.id)"
                );
            }
            if may_go {
                return NodeEnd::StartAgain { ask: vec![other.address] };
            }
        }
        let pause = match (better.is_some(), are_many) {
            (true, _) => COPIES,
            (false, true) => HINT_PAUSE,
            (false, false) => waits.next().unwrap_or(WAIT_MAX),
        };
        tokio::select! {
            changed = runs.changed() => if changed.is_err() { std::future::pending::<()>().await },
            () = tokio::time::sleep(pause), if !is_alone => {}
        }
    }
}

/// Whether what this run wrote outlives it: it is on disk once it stops, or another node holds it, or it is nothing.
fn has_copies(context: &NodeContext) -> bool {
    let is_held = |replica: &Replica| {
        let written = replica.origin().map_or(Version::ZERO, |own| replica.frontier().version(own));
        written == Version::ZERO || !replica.holders(written).is_empty()
    };
    context.settings.data_directory.is_some() || context.read(is_held)
}

fn backoff() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(WAIT_MAX)
        .without_max_times()
        .with_jitter()
        .build()
}

#[cfg(test)]
mod tests {
    use psi_replica::NodeId;

    use super::*;
    use crate::settings::{Addresses, Settings};

    #[test]
    fn a_name_that_is_held_comes_first_and_then_the_run_that_began_first() {
        let claimant = |is_starting, began_us, port| Claimant {
            is_starting,
            began_us,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        };
        for (better, worse) in [
            (claimant(false, 9, 9), claimant(true, 1, 1)),
            (claimant(false, 1, 9), claimant(false, 2, 1)),
            (claimant(true, 1, 9), claimant(true, 2, 1)),
            (claimant(true, 1, 1), claimant(true, 1, 2)),
        ] {
            assert!(better < worse, "{better:?} {worse:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_addresses_gossip_names_a_few_are_asked_a_second_and_all_in_turn() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let all: Vec<SocketAddr> = (1..=10).chain(1..=10).map(at).collect();
        let (mut hints, begin, mut asked) = (Hints::default(), Instant::now(), Vec::new());
        for second in 0..3 {
            hints.due().await;
            assert_eq!(begin.elapsed(), Duration::from_secs(second));
            let turn = hints.take(all.clone());
            assert_eq!(turn.len(), HINTS_AT_ONCE);
            asked.extend(turn);
        }
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked.len(), 10);
        assert_eq!((hints.take(vec![]), hints.take(vec![at(7)])), (vec![], vec![at(7)]));
    }

    #[test]
    fn only_another_run_of_this_node_that_stays_has_a_claim() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let settings = Settings::new(NodeId::new("n").expect("a name"));
        let context = NodeContext::new(
            settings,
            Identity::without_key(),
            Addresses { grpc: address, http: address, gossip: address },
            (None, crate::governance::ledger::store::LedgerStore::in_memory()),
        );
        let answer = |node: &str, cluster: &str, began_us, claim: ClaimMessage| {
            let answer =
                IdentifyResponse { node: node.to_owned(), cluster: cluster.to_owned(), began_us, claim: claim.into() };
            Claimant::of(&context, address, &answer)
        };
        let other = context.began_us - 1;
        for (got, want) in [
            (answer("n", "psi-field", other, ClaimMessage::Held), Some(false)),
            (answer("n", "psi-field", other, ClaimMessage::Open), Some(true)),
            (answer("n", "psi-field", other, ClaimMessage::Waits), Some(true)),
            (answer("n", "psi-field", other, ClaimMessage::Leaving), None),
            (answer("n", "psi-field", context.began_us, ClaimMessage::Held), None),
            (answer("n", "another", other, ClaimMessage::Held), None),
            (answer("m", "psi-field", other, ClaimMessage::Held), None),
        ] {
            assert_eq!(got.map(|claimant| claimant.is_starting), want);
        }
    }
}
