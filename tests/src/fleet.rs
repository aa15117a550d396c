//! A cluster of node processes behind a network that can be broken.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use psi_api::v1::{Agreement, CreateFieldRequest, GuardianMode};

use crate::{
    eventually,
    process::{Launch, Process, free_endpoints},
    proxy::{Network, Route},
};

/// Node processes `n1`, `n2`, …; each has the others' proxies as seeds.
pub struct Fleet {
    /// What is between them.
    pub network: Network,
    /// Those that run, or did until a test ended them.
    pub nodes: Vec<Process>,
    program: PathBuf,
    routes: Vec<Route>,
    /// Where each node keeps snapshots, in a directory of its own; `None` if they keep none.
    data: Option<PathBuf>,
    /// Settings of all nodes, by flag.
    flags: Vec<(&'static str, String)>,
}

impl Fleet {
    /// Starts `count` nodes and waits until all accept steps and are linked.
    ///
    /// # Errors
    /// If one does not start, or they do not find each other in time.
    pub async fn start(program: impl AsRef<Path>, count: usize) -> Result<Self> {
        Self::start_with(program, count, None, Vec::new()).await
    }

    /// Starts nodes that keep snapshots below the given directory, ten a second.
    ///
    /// # Errors
    /// As [`Fleet::start`].
    pub async fn start_keeping(program: impl AsRef<Path>, count: usize, data: Option<PathBuf>) -> Result<Self> {
        Self::start_with(program, count, data, Vec::new()).await
    }

    /// Starts nodes with the given flags; where there is a directory, they keep snapshots below it.
    ///
    /// # Errors
    /// As [`Fleet::start`].
    pub async fn start_with(
        program: impl AsRef<Path>,
        count: usize,
        data: Option<PathBuf>,
        flags: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let mut network = Network::new(7);
        let mut routes = Vec::new();
        for index in 0..count {
            routes.push(network.route(&name(index), free_endpoints()?).await?);
        }
        let mut fleet = Self { network, nodes: Vec::new(), program: program.as_ref().to_owned(), routes, data, flags };
        for index in 0..count {
            let node = fleet.launch(index).start()?;
            fleet.network.runs(&node.name, node.id());
            fleet.nodes.push(node);
        }
        for node in &fleet.nodes {
            node.ready().await?;
        }
        fleet.linked().await?;
        Ok(fleet)
    }

    /// How the node at an index is started.
    #[must_use]
    pub fn launch(&self, index: usize) -> Launch {
        let Route { front, back } = self.routes[index];
        let seeds: Vec<String> = self.routes.iter().map(|route| route.front.gossip.to_string()).collect();
        // A seed that returns to a busy machine is to find the others before it starts a cluster of its own.
        let launch = match &self.data {
            Some(data) => Launch::new(&self.program, &name(index))
                .with("--data-dir", &data.join(name(index)).display())
                .with("--data-snapshot-interval-ms", &100),
            None => Launch::new(&self.program, &name(index)),
        };
        let launch = self.flags.iter().fold(launch, |launch, (flag, value)| launch.with(flag, value));
        launch
            .with("--grpc-listen", &back.grpc)
            .with("--gossip-listen", &back.gossip)
            .with("--grpc-advertise", &front.grpc)
            .with("--gossip-advertise", &front.gossip)
            .with("--cluster-seeds", &seeds.join(","))
            .with("--cluster-join-ms", &2_000)
    }

    /// Starts the node at an index again after it ended, and waits until it accepts steps.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn restart(&mut self, index: usize) -> Result<()> {
        let node = self.launch(index).start()?;
        self.network.runs(&node.name, node.id());
        self.nodes[index] = node;
        self.nodes[index].ready().await
    }

    /// Waits until every node has a link to every other.
    ///
    /// # Errors
    /// If that takes too long.
    pub async fn linked(&self) -> Result<()> {
        eventually("all nodes are linked", async || {
            for node in &self.nodes {
                let members = node.members().await.unwrap_or_default();
                if members.iter().filter(|member| member.linked).count() < self.nodes.len() {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    /// Waits until all nodes hold the same: equal frontiers, and then equal digests.
    ///
    /// # Errors
    /// If they don't come to agree in time, or hold the same frontier with different digests.
    pub async fn agreed(&self) -> Result<()> {
        eventually("all nodes hold the same", async || {
            let mut first: Option<Agreement> = None;
            for node in &self.nodes {
                let Ok(agreement) = node.agreement().await else { return Ok(false) };
                let first = first.get_or_insert_with(|| agreement.clone());
                if agreement.frontier_hash != first.frontier_hash {
                    return Ok(false);
                }
                if agreement.digest != first.digest {
                    bail!("{} has the same frontier and another digest", node.name);
                }
            }
            Ok(true)
        })
        .await
    }

    /// Makes a field of two numbers for each node, `of-n1`, …, so that each node's steps can be counted by itself.
    ///
    /// # Errors
    /// If that is refused, or the fields don't become known everywhere.
    pub async fn create_field_for_each(&self) -> Result<()> {
        for node in &self.nodes {
            let request = CreateFieldRequest {
                name: field_of(&node.name),
                engine: "synthetic".to_owned(),
                width: 2,
                guardian: GuardianMode::Watch.into(),
                ..CreateFieldRequest::default()
            };
            self.nodes[0].field.clone().create_field(request).await.context("create a field")?;
        }
        eventually("the fields are known everywhere", async || {
            for node in &self.nodes {
                for other in &self.nodes {
                    if node.state(&field_of(&other.name)).await.is_err() {
                        return Ok(false);
                    }
                }
            }
            Ok(true)
        })
        .await
    }
}

/// The field that only one node's load steps into.
#[must_use]
pub fn field_of(name: &str) -> String {
    format!("of-{name}")
}

fn name(index: usize) -> String {
    format!("n{}", index + 1)
}
