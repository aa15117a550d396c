//! Clients that step for as long as a test breaks things, and know what was acknowledged.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, bail};
use psi_api::v1::{StepRequest, psi_field_service_client::PsiFieldServiceClient};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, transport::Channel};

use crate::{INCIDENT, eventually, process::Process};

/// Time between two steps of a client: a load, not a benchmark.
const PACE: Duration = Duration::from_millis(4);

/// How the steps of a client fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls that were sent.
    pub sent: u64,
    /// Calls that a node answered with a step.
    pub acknowledged: u64,
    /// Steps that no node took.
    pub failed: u64,
}

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    failed: AtomicU64,
}

impl Counters {
    fn tally(&self) -> Tally {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Tally { sent: read(&self.sent), acknowledged: read(&self.acknowledged), failed: read(&self.failed) }
    }
}

/// A client that steps until it is stopped.
pub struct Load {
    stop: CancellationToken,
    task: JoinHandle<()>,
    counters: Arc<Counters>,
}

impl Load {
    /// Steps into a field of two numbers, or into `default`, each step to one of the nodes, and to the next where that one is not
    /// available. After `tries` failed calls a step counts as failed.
    #[must_use]
    pub fn on(nodes: &[&Process], field: &str, tries: usize) -> Self {
        let clients: Vec<_> = nodes.iter().map(|node| node.field.clone()).collect();
        let (stop, counters) = (CancellationToken::new(), Arc::<Counters>::default());
        let task = tokio::spawn(run(clients, field.to_owned(), tries, stop.clone(), counters.clone()));
        Self { stop, task, counters }
    }

    /// How it fared so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.counters.tally()
    }

    /// Waits until so many more steps were acknowledged.
    ///
    /// # Errors
    /// If that takes too long.
    pub async fn acknowledged(&self, more: u64) -> Result<()> {
        let before = self.tally().acknowledged;
        eventually(&format!("{more} more steps are acknowledged"), async || {
            if self.task.is_finished() {
                bail!("the client ended");
            }
            Ok(self.tally().acknowledged >= before + more)
        })
        .await
    }

    /// Lets the call in progress end, and stops.
    ///
    /// # Errors
    /// If the client panicked.
    pub async fn stop(self) -> Result<Tally> {
        self.stop.cancel();
        self.task.await?;
        Ok(self.counters.tally())
    }
}

async fn run(
    clients: Vec<PsiFieldServiceClient<Channel>>,
    field: String,
    tries: usize,
    stop: CancellationToken,
    counters: Arc<Counters>,
) {
    let input = if field.is_empty() { INCIDENT.to_vec() } else { vec![1.0, 2.0] };
    let mut at = 0;
    while !stop.is_cancelled() {
        let mut taken = false;
        for _ in 0..tries {
            let request = StepRequest { field: field.clone(), input: input.clone(), ..StepRequest::default() };
            counters.sent.fetch_add(1, Ordering::SeqCst);
            let answer = clients[at % clients.len()].clone().step(request).await;
            at += 1;
            match answer {
                Ok(_) => {
                    taken = true;
                    break;
                }
                Err(status) if elsewhere(&status) => tokio::time::sleep(PACE).await,
                Err(status) => {
                    eprintln!("a step failed for good: {status}");
                    break;
                }
            }
        }
        let counter = if taken { &counters.acknowledged } else { &counters.failed };
        counter.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(PACE).await;
    }
}

/// Whether a step may be tried on another node: this one is not available, or broke off.
fn elsewhere(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded => true,
        Code::Internal | Code::Unknown | Code::Cancelled => std::error::Error::source(status).is_some(),
        _ => false,
    }
}
