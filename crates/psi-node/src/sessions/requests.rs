//! Recent requests by the id that their client chose: a repetition gets the same answer and is not counted again.
//!
//! Bounded by number, by age and by the size of the answers. A request is cached from the moment that it is accepted,
//! even if its caller leaves before the answer; a refused one leaves no trace. No cache crate does all of this: evict
//! strictly the oldest, keep the result of a caller that was cancelled, and run on tokio's clock for tests.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// Most cached requests.
pub(crate) const REQUESTS_MAX: usize = 100_000;
/// Most steps in all cached answers: about 200 bytes each in a batch. A step by itself takes about 650, its
/// name and token included (100,000 of them: 67 MB, measured).
const STEPS_MAX: usize = 500_000;
/// How long a request is cached.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(300);

/// The answer of a request, as it is cached.
pub(crate) trait CachedAnswer: Clone {
    /// How many steps it holds.
    fn steps(&self) -> usize;
}

/// The requests of one node.
pub(crate) struct Requests<A> {
    known: Mutex<KnownRequests<A>>,
}

struct KnownRequests<A> {
    by_id: HashMap<Arc<str>, Request<A>>,
    /// In the order in which they came, with those that were refused since.
    order: VecDeque<(u64, Arc<str>)>,
    /// Handed out so far: distinguishes a request from a later one of the same name.
    numbers: u64,
    steps: usize,
}

struct Request<A> {
    number: u64,
    came: Instant,
    /// A hash of what it asks for.
    content: u64,
    answer: Option<A>,
    /// Closed when the answer is final, or will not come; `None` from then on.
    underway: Option<watch::Receiver<()>>,
}

/// What happens to an incoming request.
pub(crate) enum Turn<A: CachedAnswer> {
    /// It is new, and is carried out.
    First(Ticket<A>),
    /// It was answered before.
    Answered(A),
    /// It is in progress: wait until this is closed, and look again.
    Underway(watch::Receiver<()>),
    /// Another request had its id.
    Reused,
}

/// The right to carry out a request, and the duty to enter its answer. Dropping it ends the request.
pub(crate) struct Ticket<A: CachedAnswer> {
    requests: Arc<Requests<A>>,
    id: Arc<str>,
    number: u64,
    _underway: watch::Sender<()>,
}

impl<A> Default for Requests<A> {
    fn default() -> Self {
        let known = KnownRequests { by_id: HashMap::new(), order: VecDeque::new(), numbers: 0, steps: 0 };
        Self { known: Mutex::new(known) }
    }
}

impl<A: CachedAnswer> Requests<A> {
    /// Looks a request up by its id, or enters it. `content` is a hash of what it asks for.
    pub(crate) fn begin(self: &Arc<Self>, now: Instant, id: &str, content: u64) -> Turn<A> {
        let mut known = self.lock();
        known.forget_old(now);
        if let Some(request) = known.by_id.get(id) {
            return match (&request.underway, &request.answer) {
                _ if request.content != content => Turn::Reused,
                (Some(underway), _) => Turn::Underway(underway.clone()),
                (None, Some(answer)) => Turn::Answered(answer.clone()),
                (None, None) => unreachable!("a request that came to nothing is taken out"),
            };
        }
        let (sender, underway) = watch::channel(());
        known.numbers += 1;
        let (number, id): (_, Arc<str>) = (known.numbers, id.into());
        let request = Request { number, came: now, content, answer: None, underway: Some(underway) };
        known.by_id.insert(id.clone(), request);
        known.order.push_back((number, id.clone()));
        known.bound();
        Turn::First(Ticket { requests: self.clone(), id, number, _underway: sender })
    }

    fn lock(&self) -> MutexGuard<'_, KnownRequests<A>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: CachedAnswer> KnownRequests<A> {
    fn forget_old(&mut self, now: Instant) {
        while let Some((number, id)) = self.order.front() {
            let stays = self.by_id.get(id).filter(|request| request.number == *number);
            if stays.is_some_and(|request| now.duration_since(request.came) < KEPT_FOR) {
                return;
            }
            self.forget_first();
        }
    }

    fn bound(&mut self) {
        while (self.by_id.len() > REQUESTS_MAX || self.steps > STEPS_MAX) && self.forget_first_finished() {}
        // Refused requests must not add up behind one that stays.
        if self.order.len() > 2 * REQUESTS_MAX {
            let by_id = &self.by_id;
            self.order.retain(|(number, id)| by_id.get(id).is_some_and(|request| request.number == *number));
        }
    }

    /// Forgets the oldest request that is not under way any more: one that is, sent again, would be counted again.
    /// Returns whether there was one.
    fn forget_first_finished(&mut self) -> bool {
        let by_id = &self.by_id;
        let is_underway = |(number, id): &(u64, Arc<str>)| {
            by_id.get(id).is_some_and(|request| request.number == *number && request.underway.is_some())
        };
        // Few are under way at once, so this looks at few.
        let Some(at) = self.order.iter().position(|request| !is_underway(request)) else { return false };
        if let Some((number, id)) = self.order.remove(at) {
            self.forget(&id, number);
        }
        true
    }

    fn forget_first(&mut self) {
        if let Some((number, id)) = self.order.pop_front() {
            self.forget(&id, number);
        }
    }

    fn forget(&mut self, id: &str, number: u64) {
        if self.by_id.get(id).is_some_and(|request| request.number == number)
            && let Some(request) = self.by_id.remove(id)
        {
            self.steps -= request.answer.map_or(0, |answer| answer.steps());
        }
    }
}

impl<A: CachedAnswer> Ticket<A> {
    /// Enters the answer that repetitions get from now on.
    pub(crate) fn answer(&self, answer: A) {
        let mut known = self.requests.lock();
        let Some(request) = known.by_id.get_mut(&self.id).filter(|request| request.number == self.number) else {
            return;
        };
        let steps = answer.steps();
        let before = request.answer.replace(answer).map_or(0, |answer| answer.steps());
        known.steps = known.steps + steps - before;
        known.bound();
    }
}

impl<A: CachedAnswer> Drop for Ticket<A> {
    fn drop(&mut self) {
        let mut known = self.requests.lock();
        let request = known.by_id.get_mut(&self.id).filter(|request| request.number == self.number);
        match request {
            Some(request) if request.answer.is_some() => request.underway = None,
            Some(_) => known.forget(&self.id, self.number),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
