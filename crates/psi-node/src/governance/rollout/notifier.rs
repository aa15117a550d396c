//! Posts what happens to models to a webhook: at least once, and as a rule by one node alone.
//!
//! The node that wrote an event into its ledger posts it, and writes that down. The others wait, each a while longer, and
//! post what nobody says was taken. So a receiver may get an event twice, with one id.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use psi_ledger::{
    body::Action,
    record::{Body, Kind, Record},
};
use psi_replica::NodeId;
use psi_state::LedgerRecord;
use tracing::{error, info, warn};

use super::{
    events::{EventReader, ModelEventRecord},
    facts::now_ms,
    webhook::{cloud_event, post},
};
use crate::{calls::governance::turns::nodes_in_turn, node::context::NodeContext, settings::Webhook};

/// Between two looks where nothing wakes it.
const LOOK: Duration = Duration::from_millis(500);
/// How much later the next node posts, if those before it did not.
const NEXT_NODE: Duration = Duration::from_secs(15);
/// What happened longer ago is no news to a node that starts: nobody posts it any more.
const NEWS_MS: u64 = 40 * 60 * 1_000;
/// What posts that are not taken wait for: a second, then twice as long each time, for about half an hour in all.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
const POSTS_MAX: usize = 14;

/// Posts events until the node stops.
pub(crate) struct Notifier {
    context: Arc<NodeContext>,
    webhook: Webhook,
    reader: EventReader,
    waiting: BTreeMap<String, Notice>,
    /// Up to which state of the ledgers what was taken is known.
    generation: Option<u64>,
}

/// An event that nobody is known to have taken.
struct Notice {
    event: ModelEventRecord,
    /// When this node saw it.
    seen: Instant,
    /// When it may be posted next, where it was posted before.
    next: Option<Instant>,
    waits: ExponentialBackoff,
}

impl Notifier {
    /// `None` where there is no webhook.
    pub(crate) fn new(context: Arc<NodeContext>) -> Option<Self> {
        let webhook = context.settings.notify.webhook.clone()?;
        Some(Self { context, webhook, reader: EventReader::default(), waiting: BTreeMap::new(), generation: None })
    }

    pub(crate) async fn run(mut self) {
        let stop = self.context.stop.clone();
        let mut changes = self.context.changes();
        let posts = async {
            loop {
                self.take_events();
                self.post_due().await;
                let _ = tokio::time::timeout(LOOK, changes.changed()).await;
            }
        };
        stop.run_until_cancelled(posts).await;
    }

    /// Takes over what is new, and drops what somebody took.
    fn take_events(&mut self) {
        let (reader, known) = (&mut self.reader, &mut self.generation);
        let (events, taken) = self.context.read(|replica| {
            let generation = replica.ledger_generation();
            if known.replace(generation) == Some(generation) {
                return Default::default();
            }
            let of_kind = |record: &Record| record.kind == Kind::Notification;
            let read = |shown: &LedgerRecord| Record::decode(&shown.record).ok().filter(of_kind);
            let records = replica.ledger_records(|shown| read(shown).is_some());
            let taken: Vec<_> = records.iter().filter_map(|shown| object_of(&read(shown)?)).collect();
            (reader.read(replica), taken)
        });
        let oldest_ms = now_ms(&self.context).saturating_sub(NEWS_MS);
        for event in events.into_iter().filter(|event| event.clock.wall_ms >= oldest_ms) {
            let waits = ExponentialBuilder::default().with_min_delay(FIRST_WAIT).with_max_delay(LONGEST_WAIT);
            let waits = waits.with_max_times(POSTS_MAX).build();
            self.waiting.insert(event.id(), Notice { event, seen: Instant::now(), next: None, waits });
        }
        for id in taken {
            self.waiting.remove(&id);
        }
    }

    async fn post_due(&mut self) {
        let due = self.waiting.iter().filter(|(id, notice)| self.is_due(id, notice));
        // What was never posted comes first, so that it does not wait behind what nobody takes.
        let mut due: Vec<(bool, ModelEventRecord, String)> =
            due.map(|(id, notice)| (notice.next.is_some(), notice.event.clone(), id.clone())).collect();
        due.sort_unstable();
        for (_, event, id) in due {
            // A post takes a while: ledgers show more by now, and another node may have posted this.
            self.take_events();
            if self.waiting.contains_key(&id) {
                self.post(&event, &id).await;
            }
        }
    }

    /// The node that wrote it posts at once, the others in turn.
    fn is_due(&self, id: &str, notice: &Notice) -> bool {
        if let Some(next) = notice.next {
            return Instant::now() >= next;
        }
        let own: &NodeId = &self.context.settings.node;
        if notice.event.place.0.node == *own {
            return true;
        }
        let others =
            nodes_in_turn(&self.context, id).into_iter().filter(|node| *node != notice.event.place.0.node.as_str());
        let rank = others.take_while(|node| node != own.as_str()).count().saturating_add(1);
        notice.seen.elapsed() >= NEXT_NODE * u32::try_from(rank).unwrap_or(u32::MAX)
    }

    async fn post(&mut self, event: &ModelEventRecord, id: &str) {
        let settings = &self.context.settings;
        let body = cloud_event(event, settings.cluster.as_str()).to_string();
        let now_s = now_ms(&self.context) / 1_000;
        let posted = post(&settings.notify, &self.webhook, (id, body), now_s).await;
        let metrics = &self.context.metrics.rollouts;
        match posted {
            Ok(()) => {
                info!(event = id, model = event.model(), webhook = %self.webhook, "an event was posted");
                metrics.record_notification("taken");
                let (method, object) = ("webhook".to_owned(), id.to_owned());
                self.context.record_own(Kind::Notification, &Action { method, object, ..Action::default() });
                self.waiting.remove(id);
            }
            Err(cause) => {
                metrics.record_notification("refused");
                let Some(notice) = self.waiting.get_mut(id) else { return };
                match notice.waits.next() {
                    Some(wait) => {
                        warn!(event = id, webhook = %self.webhook, wait_s = wait.as_secs(), "an event is posted again: {cause}");
                        notice.next = Some(Instant::now() + wait);
                    }
                    None => {
                        error!(event = id, webhook = %self.webhook, "nobody took an event: {cause}");
                        metrics.record_notification("lost");
                        self.waiting.remove(id);
                    }
                }
            }
        }
    }
}

/// What a record is about.
fn object_of(record: &Record) -> Option<String> {
    let Body::Inline(body) = &record.body else { return None };
    Action::decode(body).ok().map(|action| action.object)
}
