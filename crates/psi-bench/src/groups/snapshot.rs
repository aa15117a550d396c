//! Group `snapshot`: what it takes to write what a node holds to its data directory, and to read it again.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use psi_api::v1::StepRequest;
use psi_client::Connection;
use psi_replica::{ClusterName, Config, NodeId, Now, TickMs, WallMs};
use psi_state::Replica;
use tempfile::TempDir;

use crate::{
    client,
    cluster::{
        fields,
        process::{CLUSTER, Launch},
        rig::{self, Rig},
    },
    error::BenchError,
    page,
    report::{GroupReport, question::RowHeader},
    rounds::{Case, Label, Plan, Progress, Sample},
};

pub(crate) const GROUP: &str = "snapshot";
/// Fields of the node, beside `default`.
const FIELDS: u32 = 10_000;
/// The node looks this often whether anything has changed.
const INTERVAL_MS: u32 = 100;
/// How long a snapshot may take to be there.
const PATIENCE: Duration = Duration::from_secs(60);
/// The file in a node's data directory.
const FILE: &str = "snapshot";
const MIB: f64 = 1024.0 * 1024.0;

/// What of a snapshot is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    Write,
    Read,
    Size,
}

impl Quantity {
    const ALL: [Self; 3] = [Self::Write, Self::Read, Self::Size];

    fn header(self) -> RowHeader {
        let (name, unit) = match self {
            Self::Write => ("write", "s"),
            Self::Read => ("read and check", "s"),
            Self::Size => ("size", "MiB"),
        };
        let label = Label::new(format!("{name}, {FIELDS} fields")).nodes(1).fields(FIELDS);
        RowHeader { label, unit, questions: Vec::new() }
    }
}

/// The node, and where it keeps snapshots.
struct SnapshotRig {
    rig: Rig,
    channel: Connection,
    directory: TempDir,
}

impl SnapshotRig {
    async fn start() -> Result<Self, BenchError> {
        let directory = tempfile::tempdir()
            .map_err(|error| BenchError::failed(format!("can't make a temporary directory: {error}")))?;
        let launch = Launch::new("node-1")
            .with("--data-dir", &directory.path().display())
            .with("--data-snapshot-interval-ms", &INTERVAL_MS);
        let rig = Rig::of(vec![launch.start().await?]).await?;
        fields::fill(&rig.nodes[0], FIELDS).await?;
        let channel = rig.nodes[0].connect().await?;
        let started = Self { rig, channel, directory };
        started.write_s().await?;
        Ok(started)
    }

    /// Takes a step, and waits for a snapshot that has it; how long that took to be written, as the node reports.
    async fn write_s(&self) -> Result<f64, BenchError> {
        // One that is being written may have begun before the step; the one after it has not.
        let begun = Instant::now();
        let before = self.metric("psi_snapshot_writes_total").await?;
        let mut request = StepRequest { field: rig::FIELD.to_owned(), ..StepRequest::default() };
        for input in rig::vectors().into_iter().cycle() {
            request.input = input;
            let stepped = client::fields(self.channel.clone()).step(request.clone()).await;
            stepped.map_err(|status| BenchError::refused("a node", &status))?;
            if self.metric("psi_snapshot_writes_total").await? >= before + 2.0 {
                break;
            }
            if begun.elapsed() > PATIENCE {
                return Err(BenchError::failed(format!("no snapshot was written in {} s", PATIENCE.as_secs())));
            }
            tokio::time::sleep(Duration::from_millis(INTERVAL_MS.into())).await;
        }
        self.metric("psi_snapshot_duration_seconds").await
    }

    /// A value of the node's `/metrics`.
    async fn metric(&self, name: &str) -> Result<f64, BenchError> {
        let url = format!("http://{}/metrics", self.rig.nodes[0].http);
        let page = page(self.rig.nodes[0].http, "/metrics").await?;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
        value.ok_or_else(|| BenchError::failed(format!("{url} does not say {name}")))
    }

    /// Reads the latest file, checks it, and folds it to what a node would start with; seconds.
    async fn read_s(&self) -> Result<f64, BenchError> {
        let path = self.directory.path().join(FILE);
        let read = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let bytes = std::fs::read(&path)
                .map_err(|error| BenchError::failed(format!("can't read {}: {error}", path.display())))?;
            let unread = |error: &dyn std::fmt::Display| {
                BenchError::failed(format!("can't read {}: {error}; this is a bug", path.display()))
            };
            let cluster = ClusterName::new(CLUSTER).map_err(|error| unread(&error))?;
            let node = NodeId::new("node-1").map_err(|error| unread(&error))?;
            let replica =
                Replica::restore(Config::new(cluster, node), now(), &bytes).map_err(|error| unread(&error))?;
            let seconds = begun.elapsed().as_secs_f64();
            let held = replica.field_names().count();
            if held < FIELDS as usize {
                return Err(unread(&format!("it holds {held} fields of {FIELDS}")));
            }
            Ok(seconds)
        });
        read.await.map_err(|error| BenchError::failed(format!("reading ended: {error}; this is a bug")))?
    }
}

fn now() -> Now {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { tick: TickMs(0), wall: WallMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)) }
}

/// One row.
struct SnapshotCase {
    quantity: Quantity,
    label: Label,
    rig: Arc<SnapshotRig>,
}

impl Case for SnapshotCase {
    fn label(&self) -> &Label {
        &self.label
    }

    async fn turn(&mut self, _: &Plan) -> Result<Sample, BenchError> {
        let figure = match self.quantity {
            Quantity::Write => self.rig.write_s().await?,
            Quantity::Read => self.rig.read_s().await?,
            Quantity::Size => self.rig.metric("psi_snapshot_bytes").await? / MIB,
        };
        Ok(Sample { figure, ..Sample::default() })
    }
}

/// Measures the group.
///
/// # Errors
/// If the node can't be started, or does not take its fields.
pub(crate) async fn measure(plan: &Plan, progress: &Progress) -> Result<GroupReport, BenchError> {
    progress.preparing(format!("making {FIELDS} fields"));
    let rig = Arc::new(SnapshotRig::start().await?);
    let headers = Quantity::ALL.map(Quantity::header).to_vec();
    let case = |(quantity, header): (Quantity, &RowHeader)| SnapshotCase {
        quantity,
        label: header.label.clone(),
        rig: rig.clone(),
    };
    let cases: Vec<SnapshotCase> = Quantity::ALL.into_iter().zip(&headers).map(case).collect();
    Ok(GroupReport::measure(GROUP, headers, cases, plan, progress).await.with_notes(notes()))
}

fn notes() -> Vec<String> {
    vec![format!(
        "snapshot: of a node with {FIELDS} fields beside `default`, ten steps in each. Writing is as the node reports it \
         (psi_snapshot_duration_seconds), from the first part to what is synced and in its place, in a directory for \
         temporary files. Reading is done in this process: the file, its checks, and the views that answers are made from."
    )]
}
