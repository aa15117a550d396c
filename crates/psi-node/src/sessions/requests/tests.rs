use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Answer(&'static str, usize);

impl CachedAnswer for Answer {
    fn steps(&self) -> usize {
        self.1
    }
}

fn requests() -> Arc<Requests<Answer>> {
    Arc::default()
}

fn first(requests: &Arc<Requests<Answer>>, id: &str) -> Ticket<Answer> {
    match requests.begin(Instant::now(), id, 1) {
        Turn::First(ticket) => ticket,
        turn => panic!("{id} is not new, it is {}", word(&turn)),
    }
}

fn accept(requests: &Arc<Requests<Answer>>, id: &str, steps: usize) {
    first(requests, id).answer(Answer("done", steps));
}

fn word(turn: &Turn<Answer>) -> &'static str {
    match turn {
        Turn::First(_) => "first",
        Turn::Answered(answer) => answer.0,
        Turn::Underway(_) => "underway",
        Turn::Reused => "reused",
    }
}

/// What a request meets; it leaves no trace.
fn met(requests: &Arc<Requests<Answer>>, id: &str, content: u64) -> &'static str {
    word(&requests.begin(Instant::now(), id, content))
}

#[tokio::test(start_paused = true)]
async fn an_accepted_request_is_answered_again_and_its_name_is_taken() {
    let requests = requests();
    let ticket = first(&requests, "a");
    assert_eq!(met(&requests, "a", 1), "underway");
    assert_eq!(met(&requests, "a", 2), "reused", "while it is under way, too");
    ticket.answer(Answer("accepted", 1));
    assert_eq!(met(&requests, "a", 1), "underway", "its replication is still waited for");
    ticket.answer(Answer("replicated", 1));
    drop(ticket);
    assert_eq!(met(&requests, "a", 1), "replicated");
    assert_eq!(met(&requests, "a", 2), "reused");
    assert_eq!(met(&requests, "b", 1), "first");
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_leaves_no_trace_and_one_whose_caller_left_stays_accepted() {
    let requests = requests();
    drop(first(&requests, "refused"));
    assert_eq!(met(&requests, "refused", 2), "first");
    accept(&requests, "left", 1);
    assert_eq!(met(&requests, "left", 1), "done");
    for _ in 0..3 * REQUESTS_MAX {
        drop(first(&requests, "again"));
    }
    assert_eq!(met(&requests, "left", 1), "done", "refused ones take nobody's place");
    assert!(requests.lock().order.len() <= 2 * REQUESTS_MAX + 1, "and don't add up");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_caller_is_woken_when_it_is_over() {
    let requests = requests();
    let ticket = first(&requests, "a");
    let Turn::Underway(mut underway) = requests.begin(Instant::now(), "a", 1) else { panic!("it is under way") };
    let waiting = tokio::spawn(async move { underway.changed().await.is_err() });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    ticket.answer(Answer("done", 1));
    drop(ticket);
    assert!(waiting.await.unwrap(), "closed, not changed");
    assert_eq!(met(&requests, "a", 1), "done");
}

#[tokio::test(start_paused = true)]
async fn the_last_hundred_thousand_are_remembered_and_the_one_before_is_not() {
    let requests = requests();
    for number in 0..REQUESTS_MAX {
        accept(&requests, &number.to_string(), 1);
    }
    assert_eq!(met(&requests, "0", 1), "done");
    accept(&requests, "one more", 1);
    assert_eq!(met(&requests, "1", 1), "done");
    assert_eq!(met(&requests, "0", 1), "first", "the oldest made room");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_under_way_is_not_forgotten_for_later_ones() {
    let requests = requests();
    let slow = first(&requests, "slow");
    for number in 0..REQUESTS_MAX {
        accept(&requests, &number.to_string(), 1);
    }
    assert_eq!(met(&requests, "slow", 1), "underway");
    assert_eq!(met(&requests, "0", 1), "first", "the oldest that was answered made room");
    slow.answer(Answer("done", 1));
    drop(slow);
    assert_eq!(met(&requests, "slow", 1), "done");
}

#[tokio::test(start_paused = true)]
async fn a_request_is_remembered_for_five_minutes() {
    let requests = requests();
    accept(&requests, "early", 1);
    tokio::time::advance(Duration::from_secs(200)).await;
    accept(&requests, "late", 1);
    tokio::time::advance(Duration::from_millis(99_999)).await;
    assert_eq!(met(&requests, "early", 1), "done");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(met(&requests, "early", 1), "first");
    assert_eq!(met(&requests, "late", 1), "done");
}

#[tokio::test(start_paused = true)]
async fn large_answers_are_forgotten_earlier() {
    let requests = requests();
    let batches = STEPS_MAX / 4096;
    for number in 0..=batches {
        accept(&requests, &number.to_string(), 4096);
    }
    assert_eq!(met(&requests, "0", 1), "first");
    assert_eq!(met(&requests, &batches.to_string(), 1), "done");
    assert!(requests.lock().steps <= STEPS_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_of_a_forgotten_request_does_not_touch_a_later_one_of_the_same_name() {
    let requests = requests();
    let slow = first(&requests, "a");
    tokio::time::advance(KEPT_FOR).await;
    accept(&requests, "a", 1);
    slow.answer(Answer("late", 1));
    drop(slow);
    assert_eq!(met(&requests, "a", 1), "done");
}
