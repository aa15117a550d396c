//! `psi-field members`: who is in the cluster, whether all hold the same, and which runs of nodes there are.

mod forget;
mod listing;
mod runs;
mod text;
mod waiting;

use std::{collections::BTreeMap, time::Duration};

use clap::{Args, Subcommand};
use psi_api::v1::{GetDigestRequest, ListMembersRequest};
use tokio::{task::JoinSet, time::Instant};

pub(super) use self::forget::parse_node;
use self::{
    listing::{Answer, Row, Verdict, is_minority, verdict},
    runs::Run,
    text::standing,
    waiting::{spinner, unsettled, waits_for},
};
use crate::{
    answer::Agreement,
    client::{self, Nodes, parse_timeout},
    output::{Failure, Output},
};

/// Time between two looks of `--wait`.
const LOOK: Duration = Duration::from_millis(200);

const AFTER_HELP: &str = "\
Examples:
  psi-field members
  psi-field members --node node-1:50051,node-2:50051 --output json
  # for scripts: until three are live and agree
  psi-field members --wait 10 --live 3
  psi-field members forget node-3                # it will not come back

Frontier is a hash of what a node has received. Digest is a hash of all that it holds. If frontiers differ, steps \
are still on their way. Equal frontiers with different digests mean a bug in this program.

A member that was stopped has left; a crashed member is dead.

Clock is the member's offset from the node you asked. The second table shows the links of that node. Lag counts the \
versions that it has written and the member has not acknowledged. Cut counts deltas that took more than one frame.

Each start of a node is a run. The third table counts the runs that have not ended: live ones, those that were stopped \
cleanly (closed), and those not heard for cluster.end_after_s (silent). Closed runs end within seconds once most nodes \
agree, silent ones once no node is missing. Their steps still count; what they hold is added up, and kept as one.

JSON `verdict`: agree, catching_up, diverged, or unknown where live members can't be asked. `minority` is true where \
at most half of the members that did not leave are live: the rest may have gone on without them.

Exit codes: 0, also while members catch up; 1 if any diverged, or if the live members are a minority; 3 if no node \
answers, or --wait timed out.";

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

impl Members {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        match self.action {
            Some(Action::Forget(command)) => command.run(output).await,
            None => self.list(output).await,
        }
    }

    async fn list(&self, output: Output) -> Result<(), Failure> {
        let begun = Instant::now();
        let spinner = self.wait.map(|_| spinner());
        let (answer, settled) = loop {
            let looked = self.look().await;
            if let Some(spinner) = &spinner {
                spinner.set_message(waits_for(&looked, self.live));
            }
            let settled = looked.as_ref().is_ok_and(|answer| answer.is_settled(self.live));
            if settled || self.wait.is_none_or(|wait| begun.elapsed() >= wait) {
                break (looked?, settled);
            }
            tokio::time::sleep(LOOK).await;
        };
        if let Some(spinner) = spinner {
            spinner.finish_and_clear();
        }
        output.print(&answer, text::text)?;
        if answer.verdict == Verdict::Diverged {
            return Err(Failure::failed(
                "members diverged: equal frontiers, different digests; this is a bug in psi-field, please report it",
            ));
        }
        if let Some(wait) = self.wait.filter(|_| !settled) {
            return Err(Failure::unreachable(unsettled(&answer, self.live, wait)));
        }
        if answer.minority {
            let standing = standing(&answer.members).unwrap_or_default();
            return Err(Failure::failed(format!(
                "{standing}; look whether they are down or cut off, and see `psi-field members --help`"
            )));
        }
        Ok(())
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
            minority: is_minority(&rows),
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
