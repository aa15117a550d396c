//! `psi-field members`: who is in the cluster, whether all hold the same, and which runs of nodes there are.

mod forget;
mod runs;

use std::{collections::BTreeMap, time::Duration};

use clap::{Args, Subcommand};
use indicatif::{HumanBytes, ProgressBar, ProgressFinish, ProgressStyle};
use psi_api::v1::{GetDigestRequest, LinkTraffic, ListMembersRequest, Member, MemberState};
use serde::Serialize;
use tokio::{task::JoinSet, time::Instant};

use self::runs::{EndedRuns, Run, runs_text};
use crate::{
    answer::Agreement,
    client::{self, Nodes, parse_timeout},
    output::{Failure, Output, numbers::short_hash, pluralize, table},
};

/// Time between two looks of `--wait`.
const LOOK: Duration = Duration::from_millis(200);

const AFTER_HELP: &str = "\
Examples:
  psi-field members
  psi-field members --node node-1:50051,node-2:50051 --output json
  psi-field members --wait 10 --live 3           # for scripts: until three are live and agree
  psi-field members forget node-3                # it will not come back

Frontier is a hash of what a node has received. Digest is a hash of all that it holds. If frontiers differ, steps \
are still on their way. Equal frontiers with different digests mean a bug in this program.

A member that was stopped has left; a crashed member is dead.

Clock is the member's offset from the node you asked. The second table shows the links of that node. Lag counts the \
versions that it has written and the member has not acknowledged. Cut counts deltas that took more than one frame.

Each start of a node is a run. The third table counts the runs that have not ended: live ones, those that were stopped \
cleanly (closed), and those not heard for cluster.end_after_s (silent). Closed runs end within seconds once most nodes \
agree, silent ones once no node is missing. Their steps still count; what they hold is added up, and kept as one.

JSON `verdict`: agree, catching_up, diverged, or unknown where live members can't be asked.

Exit codes: 0, also while members catch up; 1 if any diverged; 3 if no node answers, or --wait timed out.";

/// List the members, and whether all live ones agree
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub(crate) struct Members {
    #[command(subcommand)]
    action: Option<Action>,

    /// Wait up to this long for all live members to be ready and agree
    #[arg(long, value_name = "SECONDS", value_parser = parse_timeout)]
    wait: Option<Duration>,

    /// With --wait: wait until at least this many members are live
    #[arg(long, value_name = "MEMBERS", requires = "wait", default_value_t = 1)]
    live: usize,

    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Say that a node will not come back
    Forget(forget::Forget),
}

#[derive(Serialize)]
struct Answer {
    cluster: String,
    /// The node that listed the members.
    asked: String,
    verdict: Verdict,
    members: Vec<Row>,
    /// Runs that have not ended.
    runs: Vec<Run>,
    ended: EndedRuns,
}

#[derive(Clone, Serialize)]
struct Row {
    node: String,
    state: &'static str,
    ready: bool,
    linked: bool,
    lag_versions: u64,
    lag_ms: u64,
    clock_offset_ms: i64,
    traffic: Traffic,
    grpc_address: String,
    http_address: String,
    gossip_address: String,
    /// What the member itself says now; of one that was not asked or did not answer, what it published last.
    #[serde(flatten)]
    agreement: Agreement,
    /// Whether the member was asked and answered.
    reached: bool,
}

/// What crossed the links between the node asked and a member.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Traffic {
    bytes_sent: u64,
    bytes_received: u64,
    entries_sent: u64,
    entries_received: u64,
    deltas_cut: u64,
    deltas_refused: u64,
    resent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Agree,
    CatchingUp,
    Diverged,
    Unknown,
}

impl Members {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        match self.action {
            Some(Action::Forget(command)) => command.run(output).await,
            None => self.list(output).await,
        }
    }

    async fn list(&self, output: Output) -> Result<(), Failure> {
        let end = self.wait.map(|wait| Instant::now() + wait);
        let spinner = self.wait.map(|_| spinner());
        let (answer, settled) = loop {
            let looked = self.look().await;
            if let Some(spinner) = &spinner {
                spinner.set_message(waits_for(&looked, self.live));
            }
            let settled = looked.as_ref().is_ok_and(|answer| answer.is_settled(self.live));
            if settled || end.is_none_or(|end| Instant::now() >= end) {
                break (looked?, settled);
            }
            tokio::time::sleep(LOOK).await;
        };
        if let Some(spinner) = spinner {
            spinner.finish_and_clear();
        }
        output.print(&answer, text)?;
        match answer.verdict {
            Verdict::Diverged => Err(Failure::failed(
                "members diverged: equal frontiers, different digests; this is a bug in psi-field, please report it",
            )),
            _ if self.wait.is_some() && !settled => Err(Failure::unreachable(
                "not enough members were live, ready and agreed in the time given with --wait",
            )),
            _ => Ok(()),
        }
    }

    async fn look(&self) -> Result<Answer, Failure> {
        let asked =
            self.nodes.ask(async |channel| client::cluster(channel).list_members(ListMembersRequest {}).await).await?;
        let listed = asked.answer;
        let mut rows: Vec<Row> = listed.members.into_iter().map(Row::from).collect();
        rows.sort_by(|left, right| left.node.cmp(&right.node));
        let mut said = self.agreements(&rows, &listed.node, &asked.address).await;
        for row in &mut rows {
            if let Some(agreement) = said.remove(&row.node) {
                row.agreement = agreement;
                row.reached = true;
            }
        }
        Ok(Answer {
            cluster: listed.cluster,
            asked: listed.node,
            verdict: verdict(&rows),
            members: rows,
            runs: listed.runs.into_iter().map(Run::from).collect(),
            ended: listed.ended.unwrap_or_default().into(),
        })
    }

    /// What the live members say now, by node; all are asked at once. `own_address` is where `own` was reached, which
    /// need not be the address that it advertises.
    async fn agreements(&self, rows: &[Row], own: &str, own_address: &str) -> BTreeMap<String, Agreement> {
        let mut asking = JoinSet::new();
        for row in rows.iter().filter(|row| row.is_live()) {
            let address = if row.node == own { own_address } else { &row.grpc_address };
            let one = Nodes { addresses: vec![address.to_owned()], ..self.nodes.clone() };
            let node = row.node.clone();
            asking.spawn(async move {
                let channel = one.connect(&one.addresses[0]).await.ok()?;
                let mut client = client::cluster(channel);
                let asked = tokio::time::timeout(one.timeout, client.get_digest(GetDigestRequest {})).await;
                Some((node, Agreement::from(asked.ok()?.ok()?.into_inner())))
            });
        }
        asking.join_all().await.into_iter().flatten().collect()
    }
}

impl Answer {
    /// Whether at least `live` members are live, and all live ones are ready and agree.
    fn is_settled(&self, live_min: usize) -> bool {
        let live = self.members.iter().filter(|row| row.is_live());
        let all_ready = live.clone().all(|row| row.ready);
        self.verdict == Verdict::Agree && all_ready && live.count() >= live_min
    }
}

impl From<Member> for Row {
    fn from(from: Member) -> Self {
        let state = match from.state() {
            MemberState::Live => "live",
            MemberState::Dead => "dead",
            MemberState::Left => "left",
            MemberState::Unspecified => "unknown",
        };
        let Member {
            node,
            state: _,
            grpc_address,
            http_address,
            gossip_address,
            agreement,
            linked,
            lag_versions,
            clock_offset_ms,
            ready,
            lag_ms,
            traffic,
        } = from;
        Self {
            node,
            state,
            grpc_address,
            http_address,
            gossip_address,
            agreement: agreement.map(Into::into).unwrap_or_default(),
            reached: false,
            linked,
            lag_versions,
            clock_offset_ms,
            ready,
            lag_ms,
            traffic: traffic.map(Traffic::from).unwrap_or_default(),
        }
    }
}

impl From<LinkTraffic> for Traffic {
    fn from(from: LinkTraffic) -> Self {
        let LinkTraffic {
            bytes_sent,
            bytes_received,
            entries_sent,
            entries_received,
            deltas_cut,
            deltas_refused,
            resent,
        } = from;
        Self { bytes_sent, bytes_received, entries_sent, entries_received, deltas_cut, deltas_refused, resent }
    }
}

impl Row {
    fn is_live(&self) -> bool {
        self.state == "live"
    }
}

fn verdict(rows: &[Row]) -> Verdict {
    let live: Vec<&Row> = rows.iter().filter(|row| row.is_live()).collect();
    let reached: Vec<&Agreement> = live.iter().filter(|row| row.reached).map(|row| &row.agreement).collect();
    let mut digests = BTreeMap::new();
    for one in &reached {
        if *digests.entry(&one.frontier_hash).or_insert(&one.digest) != &one.digest {
            return Verdict::Diverged;
        }
    }
    if digests.len() > 1 {
        Verdict::CatchingUp
    } else if reached.len() < live.len() || live.is_empty() {
        Verdict::Unknown
    } else {
        Verdict::Agree
    }
}

fn text(answer: &Answer) -> String {
    let Answer { cluster, asked, verdict, members, runs, ended } = answer;
    let rows = members.iter().map(row_text).collect();
    let header = ["node", "state", "ready", "linked", "clock", "frontier", "digest", "gRPC", "HTTP", "gossip"];
    let table = table(header, &[4], rows);
    let live = members.iter().filter(|row| row.is_live()).count();
    let count = pluralize(u64::try_from(live).unwrap_or(u64::MAX), "live member");
    let unreached = members.iter().filter(|row| row.is_live() && !row.reached).count();
    let said = match verdict {
        Verdict::Agree if live == 1 => "the only live member agrees with itself".to_owned(),
        Verdict::Agree => format!("all {count} agree, to the last bit"),
        Verdict::CatchingUp => format!("the {count} hold different steps: some are still on their way"),
        Verdict::Diverged => "MEMBERS DIVERGED: they received the same and hold different state".to_owned(),
        Verdict::Unknown => format!("can't say whether all agree: {unreached} of {count} can't be asked from here"),
    };
    let (links, runs) = (links_text(asked, members), runs_text(runs, ended));
    format!("cluster {cluster}, as node {asked} sees it\n\n{table}\n\n{links}{runs}\n\n{said}")
}

/// Shows on a terminal what is waited for, until it is cleared or dropped.
fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}");
    let spinner = ProgressBar::new_spinner().with_finish(ProgressFinish::AndClear);
    spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    spinner.set_message("asking for the members");
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// What is still waited for, in one line, after a look.
fn waits_for(looked: &Result<Answer, Failure>, live_min: usize) -> String {
    let Ok(answer) = looked else { return "waiting for a node that answers".to_owned() };
    let live = answer.members.iter().filter(|row| row.is_live());
    let (count, unready) = (live.clone().count(), live.filter(|row| !row.ready).count());
    let waits_for = match answer.verdict {
        _ if count < live_min => format!("{count} of {live_min} live"),
        _ if unready > 0 => format!("{unready} of {count} not ready"),
        Verdict::CatchingUp => "steps are still on their way".to_owned(),
        Verdict::Diverged => "they diverged".to_owned(),
        Verdict::Unknown => "not all can be asked from here".to_owned(),
        Verdict::Agree => "all agree".to_owned(),
    };
    format!("waiting for live members to be ready and agree: {waits_for}")
}

/// The links of the node asked; nothing where it has none.
fn links_text(asked: &str, members: &[Row]) -> String {
    let linked: Vec<&Row> = members.iter().filter(|row| row.node != asked && row.linked).collect();
    if linked.is_empty() {
        return String::new();
    }
    let header = ["link to", "lag", "lag since", "entries out", "in", "bytes out", "in", "cut", "resent", "refused"];
    let row = |row: &&Row| {
        let Traffic { bytes_sent, bytes_received, entries_sent, entries_received, deltas_cut, deltas_refused, resent } =
            row.traffic;
        let since = if row.lag_ms == 0 { "-".to_owned() } else { format!("{} ms", row.lag_ms) };
        let sizes = [bytes_sent, bytes_received].map(|bytes| HumanBytes(bytes).to_string());
        let [out, into] = sizes;
        [
            row.node.clone(),
            row.lag_versions.to_string(),
            since,
            entries_sent.to_string(),
            entries_received.to_string(),
            out,
            into,
            deltas_cut.to_string(),
            resent.to_string(),
            deltas_refused.to_string(),
        ]
    };
    format!("{}\n\n", table(header, &[1, 2, 3, 4, 5, 6, 7, 8, 9], linked.iter().map(row).collect()))
}

fn row_text(row: &Row) -> [String; 10] {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let if_live = |text: String| if row.is_live() { text } else { "-".to_owned() };
    [
        row.node.clone(),
        if row.is_live() && !row.reached { "live, mute".to_owned() } else { row.state.to_owned() },
        if_live(yes_no(row.ready)),
        if_live(yes_no(row.linked)),
        if_live(format!("{} ms", row.clock_offset_ms)),
        if_live(short_hash(&row.agreement.frontier_hash)),
        if_live(short_hash(&row.agreement.digest)),
        row.grpc_address.clone(),
        port_beside(&row.http_address, &row.grpc_address),
        port_beside(&row.gossip_address, &row.grpc_address),
    ]
}

/// An address, without its host where that is the same as another's.
fn port_beside(address: &str, other: &str) -> String {
    match (address.rsplit_once(':'), other.rsplit_once(':')) {
        (Some((host, port)), Some((other_host, _))) if host == other_host => format!(":{port}"),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: MemberState, said: Option<(&str, &str)>) -> Row {
        let mut row = Row::from(Member { state: state.into(), ..Member::default() });
        if let Some((frontier_hash, digest)) = said {
            row.reached = true;
            row.agreement = Agreement { frontier_hash: frontier_hash.to_owned(), digest: digest.to_owned() };
        }
        row
    }

    #[test]
    fn the_verdict_is_on_what_live_members_say_themselves() {
        let live = |said| row(MemberState::Live, said);
        let dead = row(MemberState::Dead, None);
        for (rows, want) in [
            (vec![live(Some(("f", "d"))), live(Some(("f", "d"))), dead], Verdict::Agree),
            (vec![live(Some(("f", "d"))), live(Some(("g", "e")))], Verdict::CatchingUp),
            (vec![live(Some(("f", "d"))), live(Some(("f", "e")))], Verdict::Diverged),
            (vec![live(Some(("f", "d"))), live(Some(("g", "x"))), live(Some(("f", "e")))], Verdict::Diverged),
            (vec![live(Some(("f", "d"))), live(None)], Verdict::Unknown),
            (vec![], Verdict::Unknown),
        ] {
            assert_eq!(verdict(&rows), want);
        }
    }

    #[test]
    fn what_is_waited_for_is_said() {
        let answer = |rows: Vec<Row>| Answer {
            cluster: String::new(),
            asked: String::new(),
            verdict: verdict(&rows),
            members: rows,
            runs: Vec::new(),
            ended: EndedRuns::default(),
        };
        let live = |ready, said| Row { ready, ..row(MemberState::Live, Some(said)) };
        for (rows, want) in [
            (vec![live(true, ("f", "d")), row(MemberState::Dead, None)], "1 of 2 live"),
            (vec![live(true, ("f", "d")), live(false, ("g", "e"))], "1 of 2 not ready"),
            (vec![live(true, ("f", "d")), live(true, ("g", "e"))], "steps are still on their way"),
            (vec![live(true, ("f", "d")), live(true, ("f", "e"))], "they diverged"),
            (vec![live(true, ("f", "d")), Row { reached: false, ..live(true, ("f", "d")) }], "not all can be asked"),
        ] {
            let said = waits_for(&Ok(answer(rows)), 2);
            assert!(said.contains(want), "{said}");
        }
        assert_eq!(waits_for(&Err(Failure::unreachable("no")), 2), "waiting for a node that answers");
    }

    #[test]
    fn hosts_are_not_repeated() {
        assert_eq!(port_beside("[::1]:8000", "[::1]:50051"), ":8000");
        assert_eq!(port_beside("10.0.0.1:8000", "10.0.0.2:50051"), "10.0.0.1:8000");
        assert_eq!(port_beside("", "10.0.0.2:50051"), "");
    }
}
