//! `psi-field clock`: the clocks of all members, and to go on from one that is ahead.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use clap::{Args, Subcommand};
use indicatif::HumanDuration;
use psi_api::v1::{AcceptClockRequest, Clock, GetClockRequest, GetStateRequest, ListMembersRequest, MemberState};
use serde::Serialize;

use crate::{
    client::{self, Nodes},
    output::{Failure, Output, numbers::time, pluralize, table},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field clock show
  psi-field clock accept node-3                  # shows what that means
  psi-field clock accept node-3 --yes";

const ACCEPT_HELP: &str = "\
Examples:
  psi-field clock accept node-3                  # shows what that means
  psi-field clock accept node-3 --yes
  psi-field clock accept node-3 --yes --drop-steps

What a node wrote over a minute ahead of agreed time is postponed by the others, and nothing of it is lost. Usually you \
set its clock and wait. If it is years ahead, since it was restored from a wrong backup for instance, let all members \
go on from its clock instead. Then they take what it wrote at once, and all steps are stamped by that time.

A field that was reset or made on that node has a later epoch there, so the steps that the others hold of it are \
dropped. Such fields are listed, and need --drop-steps.

Exit codes: 0 if all live members go on from its clock; 1 if not all do; 2 if it was not confirmed, and nothing was \
done; 3 if no node answers.";

/// See the members' clocks, and go on from one that is ahead
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ClockCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// How each member's clocks stand against the others'
    #[command(after_help = "Examples:\n  psi-field clock show\n  psi-field clock show --node node-1 -o json")]
    Show(Show),
    /// Let all members go on from the clock of one that is ahead
    #[command(after_help = ACCEPT_HELP)]
    Accept(Accept),
}

#[derive(Clone, Debug, Args)]
struct Show {
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Accept {
    /// The node whose clock is ahead
    #[arg(value_name = "NODE", value_parser = super::members::parse_node)]
    name: String,

    /// Do it
    #[arg(long, short)]
    yes: bool,

    /// Do it though steps of fields are dropped
    #[arg(long)]
    drop_steps: bool,

    #[command(flatten)]
    nodes: Nodes,
}

/// One member's clocks, or why they are not known.
#[derive(Serialize)]
struct MemberClock {
    node: String,
    address: String,
    offset_ms: i64,
    is_off: bool,
    lead_ms: i64,
    hybrid_ms: u64,
    agreed_ms: u64,
    why: Option<String>,
}

/// A field that goes on in the epoch of the node that is ahead.
#[derive(Serialize)]
struct DroppedField {
    field: String,
    steps: u64,
}

#[derive(Serialize)]
struct Report {
    node: String,
    /// Its hybrid time.
    hybrid_ms: u64,
    /// How far that is ahead of agreed time.
    ahead_ms: u64,
    dropped: Vec<DroppedField>,
    accepted: bool,
    members: Vec<MemberClock>,
}

impl ClockCommand {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        match self.action {
            Action::Show(show) => output.print(&clocks(&show.nodes).await?, |clocks| clocks_text(clocks)),
            Action::Accept(accept) => accept.run(output).await,
        }
    }
}

impl Accept {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let members = clocks(&self.nodes).await?;
        let Some(ahead) = members.iter().find(|member| member.node == self.name) else {
            let known: Vec<&str> = members.iter().map(|member| member.node.as_str()).collect();
            return Err(Failure::failed(format!("`{}` is not a live member; live: {}", self.name, known.join(", "))));
        };
        if let Some(why) = &ahead.why {
            return Err(Failure::failed(format!("can't ask {} for its clock: {why}", self.name)));
        }
        let others = || members.iter().filter(|member| member.node != self.name && member.why.is_none());
        let agreed_ms = others().map(|member| member.agreed_ms).max().unwrap_or(ahead.agreed_ms);
        let mut report = Report {
            node: self.name.clone(),
            hybrid_ms: ahead.hybrid_ms,
            ahead_ms: ahead.hybrid_ms.saturating_sub(agreed_ms),
            dropped: match others().next() {
                Some(other) => self.dropped(&ahead.address, &other.address).await?,
                None => Vec::new(),
            },
            accepted: false,
            members: Vec::new(),
        };
        if output == Output::Text || !self.yes {
            output.print(&report, plan_text)?;
        }
        if !self.yes || !report.dropped.is_empty() && !self.drop_steps {
            let flags = if report.dropped.is_empty() { "--yes" } else { "--yes --drop-steps" };
            return Err(Failure::usage(format!("not confirmed, so nothing was done; add {flags} to do it")));
        }
        for member in members {
            report.members.push(self.accept_on(member, report.hybrid_ms).await);
        }
        report.accepted = report.members.iter().all(|member| member.why.is_none());
        output.print(&report, done_text)?;
        if report.accepted { Ok(()) } else { Err(Failure::failed("not all live members go on from it; try again")) }
    }

    async fn accept_on(&self, member: MemberClock, hybrid_ms: u64) -> MemberClock {
        let one = only(&self.nodes, &member.address);
        let request = AcceptClockRequest { hybrid_ms };
        let answered = one.ask(async |channel| client::cluster(channel).accept_clock(request).await).await;
        MemberClock::of(member.node, member.address, answered.map(|reply| reply.answer))
    }

    /// Fields whose epoch is later on the node that is ahead, with the steps that another one holds of them.
    async fn dropped(&self, ahead: &str, other: &str) -> Result<Vec<DroppedField>, Failure> {
        let [there, here] = [only(&self.nodes, ahead), only(&self.nodes, other)];
        let later: BTreeMap<String, u64> = epochs(&there).await?;
        let mut dropped = Vec::new();
        for (field, epoch) in epochs(&here).await? {
            if later.get(&field).is_some_and(|later| *later > epoch) {
                let request = GetStateRequest { field: field.clone(), ..GetStateRequest::default() };
                let state = here.ask(async |channel| client::fields(channel).get_state(request.clone()).await).await?;
                dropped.push(DroppedField { field, steps: state.answer.k });
            }
        }
        Ok(dropped)
    }
}

impl MemberClock {
    fn of(node: String, address: String, answered: Result<Clock, Failure>) -> Self {
        let (clock, why) = match answered {
            Ok(clock) => (clock, None),
            Err(failure) => (Clock::default(), Some(failure.message)),
        };
        let Clock { node: _, offset_ms, is_off, steady_ms: _, agreed_ms, hybrid_ms, lead_ms } = clock;
        Self { node, address, offset_ms, is_off, lead_ms, hybrid_ms, agreed_ms, why }
    }
}

async fn epochs(node: &Nodes) -> Result<BTreeMap<String, u64>, Failure> {
    Ok(node.all_fields().await?.into_iter().map(|field| (field.name, field.epoch)).collect())
}

fn only(nodes: &Nodes, address: &str) -> Nodes {
    Nodes { addresses: vec![address.to_owned()], ..nodes.clone() }
}

/// The clocks of all live members, each asked at the address that gossip shows.
async fn clocks(nodes: &Nodes) -> Result<Vec<MemberClock>, Failure> {
    let listed = nodes.ask(async |channel| client::cluster(channel).list_members(ListMembersRequest {}).await).await?;
    let (asked, answered_at) = (listed.answer.node, listed.address);
    let mut clocks = Vec::new();
    for member in listed.answer.members.into_iter().filter(|member| member.state() == MemberState::Live) {
        // The node that was asked may be reached by another address than it advertises.
        let address = if member.node == asked { answered_at.clone() } else { member.grpc_address };
        let one = only(nodes, &address);
        let answered = one.ask(async |channel| client::cluster(channel).get_clock(GetClockRequest {}).await).await;
        clocks.push(MemberClock::of(member.node, address, answered.map(|reply| reply.answer)));
    }
    Ok(clocks)
}

/// Milliseconds as seconds, with a sign.
#[expect(clippy::cast_precision_loss, reason = "for people")]
fn seconds(ms: i64) -> String {
    format!("{:+.3} s", ms as f64 / 1000.0)
}

fn clocks_text(clocks: &[MemberClock]) -> String {
    let row = |clock: &MemberClock| match &clock.why {
        Some(why) => [clock.node.clone(), "?".to_owned(), String::new(), String::new(), why.clone()],
        None => [
            clock.node.clone(),
            seconds(-clock.offset_ms),
            seconds(clock.lead_ms),
            utc(clock.hybrid_ms),
            if clock.is_off { "off: set its clock".to_owned() } else { String::new() },
        ],
    };
    let header = ["node", "clock", "lead", "time of steps (UTC)", ""];
    let text = table(header, &[1, 2], clocks.iter().map(row).collect());
    format!("{text}\n\nclock: against most members' clocks; lead: how far steps are stamped ahead of the clock")
}

/// A moment, to the second.
fn utc(ms: u64) -> String {
    let at = time(i64::try_from(ms / 1000).unwrap_or(i64::MAX), 0);
    at.split('.').next().unwrap_or(&at).replace('T', " ")
}

fn plan_text(report: &Report) -> String {
    let Report { node, hybrid_ms, ahead_ms, dropped, .. } = report;
    let span = HumanDuration(Duration::from_millis(*ahead_ms));
    let mut text = format!(
        "Steps of {node} are stamped {} UTC, {span} ahead of agreed time.\n\
         All live members will go on from there, and take what it wrote.\n",
        utc(*hybrid_ms)
    );
    if !dropped.is_empty() {
        let row = |dropped: &DroppedField| [dropped.field.clone(), dropped.steps.to_string()];
        let fields = table(["field", "steps dropped"], &[1], dropped.iter().map(row).collect());
        let _ = write!(text, "\n{node} has reset these fields, so the others drop their steps:\n\n{fields}\n");
    }
    text
}

fn done_text(report: &Report) -> String {
    let row = |member: &MemberClock| [member.node.clone(), member.why.clone().unwrap_or_else(|| "goes on".to_owned())];
    let members = table(["node", "result"], &[], report.members.iter().map(row).collect());
    let count = report.members.iter().filter(|member| member.why.is_none()).count() as u64;
    format!("{members}\n\n{} at the clock of {}", pluralize(count, "member"), report.node)
}
