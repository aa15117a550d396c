//! Sends steps, several at once, and again where a node was not available.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use backon::{ExponentialBuilder, Retryable};
use psi_api::v1::StepRequest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{
    arguments::Feed,
    maker::FieldRequester,
    pace::Pace,
    supply::{Delivery, Supply, UNREADABLE_MAX},
    tally::{SharedTally, Tally},
    targets::{Acceptance, Lockout, Refusal, Targets},
};
use crate::output::Failure;

/// How long a node may wait for the steps before, if it does not hold them yet; less if a call may not take as long.
const DEADLINE: Duration = Duration::from_secs(2);

pub(super) struct Sender {
    targets: Targets,
    tally: SharedTally,
    /// Has the field made again, where that is wanted.
    requester: Option<FieldRequester>,
    field: String,
    condition: bool,
    /// The session token of the latest step, which the next one comes after. In order only.
    session: Option<Mutex<String>>,
    deadline_ms: u32,
    backoff: ExponentialBuilder,
    /// One permit for each step in flight.
    permits: Arc<Semaphore>,
    in_flight: u32,
    /// No step is tried again.
    ending: AtomicBool,
    /// Longest time that a step in flight is waited for at the end.
    timeout: Duration,
    /// Why no node takes any step, once none does.
    locked_out: watch::Sender<Option<Failure>>,
}

impl Sender {
    pub(super) fn new(feed: &Feed, targets: Targets, tally: SharedTally, requester: Option<FieldRequester>) -> Self {
        // A first pause shorter than people notice, and no more than one try a second of each step in an outage.
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(20))
            .with_max_delay(Duration::from_secs(1))
            .with_jitter()
            .without_max_times()
            .with_total_delay(Some(feed.patience));
        Self {
            targets,
            tally,
            requester,
            field: feed.field.field.clone(),
            condition: feed.condition,
            session: feed.is_in_order().then(Mutex::default),
            deadline_ms: u32::try_from(DEADLINE.min(feed.nodes.timeout / 2).as_millis()).unwrap_or_default().max(1),
            backoff,
            permits: Arc::new(Semaphore::new(usize::try_from(feed.in_flight()).unwrap_or(1))),
            in_flight: feed.in_flight(),
            ending: AtomicBool::new(false),
            timeout: feed.nodes.timeout,
            locked_out: watch::Sender::default(),
        }
    }

    /// Sends what `supply` gives, to its end or to the count that was asked for, and waits until each step was answered
    /// or given up.
    pub(super) async fn send_all(self: &Arc<Self>, supply: &mut Supply, feed: &Feed) {
        self.send_each(supply, feed).await;
        let _ = self.permits.acquire_many(self.in_flight).await;
    }

    /// Returns with steps in flight.
    async fn send_each(self: &Arc<Self>, supply: &mut Supply, feed: &Feed) {
        let mut pace = Pace::new(feed.rate());
        let mut sent = 0;
        let mut unreadable = 0;
        while feed.count.is_none_or(|count| sent < count) && unreadable < UNREADABLE_MAX {
            let Ok(permit) = self.permits.clone().acquire_owned().await else { return };
            pace.due().await;
            let Some(Delivery { vector, time, share, names: _, skipped }) = supply.next().await else { return };
            let of_count = feed.count.map(|count| (sent + 1) as f64 / count as f64);
            let share = share.into_iter().chain(of_count).reduce(f64::max);
            self.tally(|tally| tally.delivered(share, skipped));
            match vector {
                Ok(input) => {
                    pace.due_at(time).await;
                    tokio::spawn(self.clone().send(input, permit));
                    sent += 1;
                    unreadable = 0;
                }
                Err(error) => {
                    self.tally(|tally| tally.unreadable(&error.to_string()));
                    unreadable += 1;
                }
            }
        }
    }

    /// Waits for the steps in flight. None is tried again.
    pub(super) async fn finish(&self) {
        self.ending.store(true, Ordering::Relaxed);
        let _ = tokio::time::timeout(self.timeout, self.permits.acquire_many(self.in_flight)).await;
    }

    /// Resolves once no node takes steps with this access token; with what one of them said.
    pub(super) async fn locked_out(&self) -> Failure {
        match self.locked_out.subscribe().wait_for(Option::is_some).await.as_deref() {
            Ok(Some(failure)) => failure.clone(),
            _ => std::future::pending().await,
        }
    }

    async fn send(self: Arc<Self>, input: Vec<f64>, permit: OwnedSemaphorePermit) {
        let begun = Instant::now();
        let request =
            StepRequest { field: self.field.clone(), input, apply_guardian: self.condition, ..StepRequest::default() };
        let answered = (|| self.try_step(request.clone()))
            .retry(self.backoff)
            .when(|refused: &Refusal| refused.is_worth_another_try() && !self.ending.load(Ordering::Relaxed))
            .notify(|refused, _| self.tally(|tally| tally.retried(refused)))
            .await;
        if let Err(refused) = &answered {
            let is_locked_out = match self.targets.lockout() {
                Lockout::Open => false,
                // Nodes that were away as long as the patience lasts would hardly take what the others refuse.
                Lockout::Likely => refused.is_worth_another_try(),
                Lockout::Complete => refused.is_for_access(),
            };
            if is_locked_out {
                self.lock_out(refused);
            }
        }
        self.tally(|tally| match answered {
            Ok(accepted) => tally.accepted(accepted, begun.elapsed()),
            Err(refused) => tally.refused(&refused),
        });
        drop(permit);
    }

    async fn try_step(&self, mut request: StepRequest) -> Result<Acceptance, Refusal> {
        if let Some(session) = &self.session {
            request.after.clone_from(&session.lock().unwrap_or_else(PoisonError::into_inner));
            request.deadline_ms = self.deadline_ms;
        }
        let mut answered = self.targets.step(request).await;
        if let Some(session) = &self.session {
            let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut answered {
                Ok(accepted) => session.clone_from(&accepted.step.token),
                // Rather out of order than not at all.
                Err(refused) if refused.is_for_its_session() => {
                    session.clear();
                    refused.is_remedied = true;
                }
                Err(_) => {}
            }
        }
        if let Err(refused) = &mut answered
            && let Some(requester) = &self.requester
            && refused.is_for_want_of_the_field()
        {
            refused.is_remedied = requester.look().await;
        }
        if let Err(refused) = &mut answered
            && refused.is_for_access()
        {
            refused.is_remedied = self.targets.lockout() != Lockout::Complete;
        }
        answered
    }

    fn lock_out(&self, refused: &Refusal) {
        self.ending.store(true, Ordering::Relaxed);
        self.locked_out.send_if_modified(|failure| {
            let is_first = failure.is_none();
            if is_first {
                *failure = Some(refused.failure().of_lockout());
            }
            is_first
        });
    }

    fn tally(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
