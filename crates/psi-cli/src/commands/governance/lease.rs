//! `psi-field lease`: at most one holder at a time, by a majority of voters.

use std::time::Duration;

use clap::{Args, Subcommand};
use psi_api::v1::{
    self, AcquireLeaseRequest, GetLeaseRequest, GetVotersRequest, LeaseGrant, ReleaseLeaseRequest, SetVotersRequest,
};
use serde::Serialize;

use crate::{
    client::{self, Nodes},
    output::{Cell, Failure, Output, Tone, numbers, table},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field lease voters set n1 n2 n3
  psi-field lease acquire backup --client ann --seconds 30
  psi-field lease show backup
  psi-field lease release backup --client ann

A majority of the voters decides who holds a lease. Its fence rises with each step: give it to the resource with each \
use, and let the resource refuse a lower one than it has seen. Without that check, a holder that was stopped between \
check and use may act too late.";

const ACQUIRE_EXAMPLES: &str = "\
Examples:
  psi-field lease acquire backup --client ann
  psi-field lease acquire backup --client ann --seconds 300 --wait 60
  psi-field lease acquire backup --client ann --output json | jq .fence

The time counts from before the call, plus `waited_ms` of the answer. The same client renews through the same node; for another node it is another \
holder. Exit code 1 if another holds it.";

const RENEW_EXAMPLES: &str = "\
Examples:
  psi-field lease renew backup --client ann --node n1:50051

One round trip to the voters. The fence rises. Refused where another took it meanwhile.";

const RELEASE_EXAMPLES: &str = "\
Examples:
  psi-field lease release backup --client ann --node n1:50051

It is free at once. A client that does not hold it changes nothing.";

const SHOW_EXAMPLES: &str = "\
Examples:
  psi-field lease show backup

What the node knows: there may be a later holder.";

const WATCH_EXAMPLES: &str = "\
Examples:
  psi-field lease watch backup
  psi-field lease watch backup --output json | jq -r .holder";

const TURN_EXAMPLES: &str = "\
Examples:
  psi-field lease turn report
  psi-field lease turn report --output json | jq -r .ranks[0].node

Advice, and no lock: it saves double work, and promises nothing. Nodes that see other members name another one.";

const VOTERS_EXAMPLES: &str = "\
Examples:
  psi-field lease voters show
  psi-field lease voters set n1 n2 n3

Name three or five nodes, once. A voter is the store in the data directory of a node: one that was lost or set back is \
another voter, and `show` says so. Then name the voters again.";

const VOTERS_SHOW_EXAMPLES: &str = "\
Examples:
  psi-field lease voters show";

const VOTERS_SET_EXAMPLES: &str = "\
Examples:
  psi-field lease voters set n1 n2 n3

New leases have these voters at once; others from their next step on, which those before decide.";

/// Take, renew, release and watch leases
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct LeaseCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Take a lease, or renew it
    #[command(after_help = ACQUIRE_EXAMPLES)]
    Acquire(Acquisition),
    /// Renew a lease before its time is up
    #[command(after_help = RENEW_EXAMPLES)]
    Renew(Renewal),
    /// Give a lease back
    #[command(after_help = RELEASE_EXAMPLES)]
    Release(Release),
    /// Who holds a lease, as a node knows
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Target),
    /// Print a lease as it changes; of several quick changes, the last
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(Target),
    /// Which live node is to do some work: advice, and no lock
    #[command(after_help = TURN_EXAMPLES)]
    Turn(TurnTarget),
    /// Show or name the nodes that vote
    #[command(after_help = VOTERS_EXAMPLES)]
    Voters {
        #[command(subcommand)]
        action: VotersAction,
    },
}

#[derive(Clone, Debug, Subcommand)]
enum VotersAction {
    /// Who votes, and whether their stores are those that were named
    #[command(after_help = VOTERS_SHOW_EXAMPLES)]
    Show(VotersTarget),
    /// Name the nodes that vote from now on
    #[command(after_help = VOTERS_SET_EXAMPLES)]
    Set(VotersChange),
}

#[derive(Clone, Debug, Args)]
struct Acquisition {
    /// The lease
    name: String,
    /// Who is to hold it
    #[arg(long)]
    client: String,
    /// For how long it holds
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// For how many seconds to wait where another holds it
    #[arg(long, default_value_t = 0, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3_600))]
    wait: u64,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Renewal {
    /// The lease
    name: String,
    /// Who holds it
    #[arg(long)]
    client: String,
    /// For how long it holds from now
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Release {
    /// The lease
    name: String,
    /// Who holds it
    #[arg(long)]
    client: String,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Target {
    /// The lease
    name: String,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct TurnTarget {
    /// What the work is called
    name: String,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct VotersTarget {
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct VotersChange {
    /// Names of nodes
    #[arg(required = true, num_args = 1..=15, value_name = "NAME")]
    voters: Vec<String>,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Debug, Serialize)]
struct GrantAnswer {
    name: String,
    client: String,
    fence: u64,
    left_ms: u64,
    node: String,
    waited_ms: u64,
}

#[derive(Debug, Serialize)]
struct LeaseAnswer {
    name: String,
    fence: u64,
    /// None: free, as far as the node knows.
    holder: Option<String>,
    holder_node: Option<String>,
    duration_ms: u64,
    node: String,
}

#[derive(Debug, Serialize)]
struct TurnAnswer {
    name: String,
    ranks: Vec<TurnRank>,
    node: String,
}

#[derive(Debug, Serialize)]
struct TurnRank {
    node: String,
    delay_ms: u64,
}

#[derive(Debug, Serialize)]
struct VotersAnswer {
    voters: Vec<VoterAnswer>,
    node: String,
}

#[derive(Debug, Serialize)]
struct VoterAnswer {
    node: String,
    key: String,
    current: bool,
    /// Whether it is live, as the answering node knows.
    reachable: bool,
}

impl LeaseCommand {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        match self.action {
            Action::Acquire(acquisition) => acquisition.run(output).await,
            Action::Renew(renewal) => renewal.run(output).await,
            Action::Release(release) => release.run(output).await,
            Action::Show(target) => target.show(output).await,
            Action::Watch(target) => target.watch(output).await,
            Action::Turn(target) => target.run(output).await,
            Action::Voters { action: VotersAction::Show(target) } => target.run(output).await,
            Action::Voters { action: VotersAction::Set(change) } => change.run(output).await,
        }
    }
}

impl Acquisition {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { name, client, seconds, wait, nodes } = self;
        let (duration_ms, wait_ms) = (seconds * 1_000, wait * 1_000);
        let request = AcquireLeaseRequest { name, client, duration_ms, wait_ms, deadline_ms: 0 };
        // Beside the wait, the voters take their time.
        let nodes = Nodes { timeout: nodes.timeout.max(Duration::from_millis(wait_ms + 3_000)), ..nodes };
        let reply = nodes.ask(async |channel| client::leases(channel).acquire_lease(request.clone()).await);
        let LeaseGrant { name, client, fence, left_ms, node, waited_ms } = reply.await?.answer;
        output.print(&GrantAnswer { name, client, fence, left_ms, node, waited_ms }, |grant| {
            let GrantAnswer { name, client, fence, left_ms, node, waited_ms: _ } = grant;
            format!("{client} holds {name} with fence {fence} for {left_ms} ms; renew it through node {node}")
        })
    }
}

impl Renewal {
    /// Refuses where another took it last, or nobody did: taking it is for `acquire`.
    async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { name, client, seconds, nodes } = self;
        let request = GetLeaseRequest { name: name.clone() };
        let reply = nodes.ask(async |channel| client::leases(channel).get_lease(request.clone()).await).await?;
        let v1::Lease { holder, holder_node, fence, node, .. } = reply.answer;
        if holder != client || holder_node != node {
            let last = if holder.is_empty() {
                "nobody holds it".to_owned()
            } else {
                format!("{holder} of node {holder_node} took it last")
            };
            let message = format!(
                "{client} does not hold {name} through node {node}: {last}, with fence {fence}; take it with `lease acquire`"
            );
            return Err(Failure::failed(message));
        }
        let nodes = Nodes { addresses: vec![reply.address], ..nodes };
        Acquisition { name, client, seconds, wait: 0, nodes }.run(output).await
    }
}

impl Release {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { name, client, nodes } = self;
        let request = ReleaseLeaseRequest { name, client, deadline_ms: 0 };
        let reply = nodes.ask(async |channel| client::leases(channel).release_lease(request.clone()).await);
        output.print(&reply.await?.answer.into(), LeaseAnswer::text)
    }
}

impl Target {
    async fn show(self, output: Output) -> Result<(), Failure> {
        let request = GetLeaseRequest { name: self.name };
        let reply = self.nodes.ask(async |channel| client::leases(channel).get_lease(request.clone()).await);
        output.print(&reply.await?.answer.into(), LeaseAnswer::text)
    }

    async fn watch(self, output: Output) -> Result<(), Failure> {
        let request = GetLeaseRequest { name: self.name };
        let reply = self.nodes.ask(async |channel| client::leases(channel).watch_lease(request.clone()).await).await?;
        let (mut leases, address) = (reply.answer, reply.address);
        while let Some(lease) = leases.message().await.map_err(|status| Failure::refused(&address, &status))? {
            output.print(&lease.into(), LeaseAnswer::text)?;
        }
        Err(Failure::unreachable(format!("node {address} ended the watch; watch another node")))
    }
}

impl TurnTarget {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let request = v1::GetTurnRequest { name: self.name };
        let reply = self.nodes.ask(async |channel| client::leases(channel).get_turn(request.clone()).await);
        let v1::Turn { name, ranks, node } = reply.await?.answer;
        let rank = |v1::TurnRank { node, delay_ms }: v1::TurnRank| TurnRank { node, delay_ms };
        output.print(&TurnAnswer { name, ranks: ranks.into_iter().map(rank).collect(), node }, TurnAnswer::text)
    }
}

impl VotersTarget {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let reply = self.nodes.ask(async |channel| client::leases(channel).get_voters(GetVotersRequest {}).await);
        output.print(&reply.await?.answer.into(), VotersAnswer::text)
    }
}

impl VotersChange {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let request = SetVotersRequest { nodes: self.voters };
        let reply = self.nodes.ask(async |channel| client::leases(channel).set_voters(request.clone()).await);
        output.print(&reply.await?.answer.into(), VotersAnswer::text)
    }
}

impl TurnAnswer {
    fn text(&self) -> String {
        let after = |ms| if ms == 0 { "at once".to_owned() } else { numbers::duration(ms * 1_000) };
        let row = |rank: &TurnRank| [rank.node.clone(), after(rank.delay_ms)];
        let table = table(["node", "acts after"], &[1], self.ranks.iter().map(row).collect());
        format!("whose turn {} is, as node {} knows: advice, and no lock\n\n{table}", self.name, self.node)
    }
}

impl LeaseAnswer {
    fn text(&self) -> String {
        let Self { name, fence, holder, holder_node, duration_ms, node } = self;
        match holder {
            None => format!("{name} is free after fence {fence}, as node {node} knows"),
            Some(holder) => {
                let at = holder_node.as_ref().map(|at| format!(" of node {at}")).unwrap_or_default();
                format!(
                    "{holder}{at} holds {name} with fence {fence}, {duration_ms} ms at a time, as node {node} knows"
                )
            }
        }
    }
}

impl VotersAnswer {
    fn text(&self) -> String {
        if self.voters.is_empty() {
            return "nobody votes yet; name three or five nodes: psi-field lease voters set n1 n2 n3".to_owned();
        }
        let row = |voter: &VoterAnswer| {
            let state = match (voter.current, voter.reachable) {
                (false, _) => Cell::toned("store is another now; name the voters again", Tone::Bad),
                (true, false) => Cell::toned(format!("not reachable from node {}", self.node), Tone::Bad),
                (true, true) => Cell::from("votes".to_owned()),
            };
            [voter.node.clone().into(), Cell::from(voter.key.chars().take(16).collect::<String>()), state]
        };
        table(["voter", "key", "state"], &[], self.voters.iter().map(row).collect())
    }
}

impl From<v1::Lease> for LeaseAnswer {
    fn from(lease: v1::Lease) -> Self {
        let v1::Lease { name, fence, holder, holder_node, duration_ms, node } = lease;
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self { name, fence, holder: some(holder), holder_node: some(holder_node), duration_ms, node }
    }
}

impl From<v1::Voters> for VotersAnswer {
    fn from(v1::Voters { voters, node }: v1::Voters) -> Self {
        let voter =
            |v1::Voter { node, key, current, reachable }: v1::Voter| VoterAnswer { node, key, current, reachable };
        Self { voters: voters.into_iter().map(voter).collect(), node }
    }
}
