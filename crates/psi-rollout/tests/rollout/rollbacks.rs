//! Rollbacks that were written without a majority: what they make of a model, and which votes they stand against.

use psi_rollout::{
    Change, ChangeError, Model, ModelEvent, ModelName, Plan, Record, Refusal, Rollback, Rollbacks, Stage, Status,
    VoteRefusal,
};

use crate::support::version;

fn change(event: ModelEvent) -> Change {
    Change { event, at_ms: 3, actor: "operator ann".to_owned(), reason: "a test".to_owned(), is_forced: false }
}

/// `v1` answers, and `v2` is being rolled out.
fn under_way() -> Model {
    let staging = ModelEvent::Staging { version: version("v1"), stage: Stage::Production };
    let start = ModelEvent::Start { canary: version("v2"), plan: Plan::default(), is_remedy: false };
    let model = Model::new(ModelName::new("fraud").expect("a name"));
    let begun =
        [staging, start].into_iter().fold(model, |model, event| model.follow(&change(event)).expect("it follows"));
    after(&begun, Record::Advance { step: 0, at_ms: 3, frozen_champion: None })
}

fn after(model: &Model, record: Record) -> Model {
    let id = model.rollout().expect("a rollout").id().clone();
    model.follow(&change(ModelEvent::Rollout { id, record })).expect("it follows")
}

fn rollback(at_ms: u64, is_automatic: bool) -> Rollback {
    let actor = if is_automatic { "node n1" } else { "operator ann" };
    Rollback { is_automatic, at_ms, actor: actor.to_owned(), reason: "a test".to_owned() }
}

/// What is known to one that these rollbacks of the model's rollout were shown to, one after the other.
fn seen(model: &Model, rollbacks: &[Rollback]) -> Rollbacks {
    let key = (model.name().clone(), model.rollout().expect("a rollout").id().clone());
    let mut seen = Rollbacks::default();
    rollbacks.iter().for_each(|rollback| seen.take_over([(key.clone(), rollback.clone())]));
    seen
}

fn status(model: &Model) -> Status {
    model.rollout().expect("a rollout").status()
}

#[test]
fn a_rollback_counts_whatever_it_follows_unless_the_promotion_was_decided() {
    let model = under_way();
    let whole = (1..5)
        .fold(model.clone(), |model, step| after(&model, Record::Advance { step, at_ms: 3, frozen_champion: None }));
    for (decided, want) in [
        (model.clone(), [Status::RolledBack; 2]),
        (after(&model, Record::Pause), [Status::RolledBack; 2]),
        // What a person cancelled only a person rejects.
        (after(&model, Record::Cancel), [Status::RolledBack, Status::Cancelled]),
        (after(&model, Record::Rollback), [Status::RolledBack; 2]),
        (after(&whole, Record::Promote), [Status::Promoted; 2]),
    ] {
        let counts =
            [false, true].map(|is_automatic| seen(&decided, &[rollback(5, is_automatic)]).applied_to(&decided));
        assert_eq!([status(&counts[0]), status(&counts[1])], want, "{:?}", status(&decided));
        let is_late = counts[0].rollout().expect("a rollout").has_late_rollback();
        assert_eq!(is_late, want[0] == Status::Promoted);
    }
}

#[test]
fn a_persons_rollback_is_not_hidden_behind_an_earlier_one_of_a_node() {
    let cancelled = after(&under_way(), Record::Cancel);
    let [node, person] = [rollback(5, true), rollback(6, false)];
    for written in [[node.clone(), person.clone()], [person.clone(), node]] {
        let counts = seen(&cancelled, &written).applied_to(&cancelled);
        assert_eq!(status(&counts), Status::RolledBack);
        let pending = cancelled.pending_rollback(&counts).expect("it is to be decided");
        assert_eq!(pending.actor, person.actor);
    }
}

#[test]
fn what_a_node_rolled_back_is_not_proposed_after_a_person_cancelled_it() {
    let model = under_way();
    let cancelled = after(&model, Record::Cancel);
    let id = model.rollout().expect("a rollout").id().clone();
    let written = seen(&model, &[rollback(5, true)]);
    assert_eq!(written.check_step(&model, (&id, &Record::Rollback)), Ok(()));
    assert!(matches!(
        written.check_step(&cancelled, (&id, &Record::Rollback)),
        Err(ChangeError::Rollout(Refusal::Ended { status: Status::Cancelled, .. }))
    ));
    let by_person = seen(&model, &[rollback(5, false)]);
    assert_eq!(by_person.check_step(&cancelled, (&id, &Record::Rollback)), Ok(()));
}

#[test]
fn nothing_takes_a_rollout_further_that_was_rolled_back() {
    let model = under_way();
    let id = model.rollout().expect("a rollout").id().clone();
    let written = seen(&model, &[rollback(5, true)]);
    for record in [Record::Pause, Record::Cancel, Record::Advance { step: 1, at_ms: 3, frozen_champion: None }] {
        assert!(written.check_step(&model, (&id, &record)).is_err(), "{record:?}");
        let next = after(&model, record);
        assert_eq!(model.check_next(&next), Ok(()));
        assert_eq!(written.check_vote(&next), Err(VoteRefusal::RolledBack { model: model.name().clone() }));
        assert_eq!(Rollbacks::default().check_vote(&next), Ok(()));
    }
    assert_eq!(written.check_vote(&after(&model, Record::Rollback)), Ok(()));
}

#[test]
fn what_is_shown_no_more_is_remembered() {
    let model = under_way();
    let mut written = seen(&model, &[rollback(5, true)]);
    let id = model.rollout().expect("a rollout").id();
    assert!(written.is_shown(model.name(), id));
    written.take_over([]);
    assert!(written.has(&model) && !written.is_shown(model.name(), id));
    assert_eq!((written.count(), status(&written.applied_to(&model))), (1, Status::RolledBack));
}

#[test]
fn votes_go_to_what_follows_by_the_rules() {
    let model = under_way();
    let paused = after(&model, Record::Pause);
    assert_eq!((model.check_next(&paused), model.check_next(&model)), (Ok(()), Ok(())));
    let advanced = after(&model, Record::Advance { step: 1, at_ms: 3, frozen_champion: None });
    assert!(matches!(model.check_next(&after(&advanced, Record::Pause)), Err(VoteRefusal::Elsewhere { .. })));
    assert!(matches!(after(&model, Record::Cancel).check_next(&paused), Err(VoteRefusal::Change(_))));
    let empty = Model::new(ModelName::new("fraud").expect("a name"));
    assert_eq!(model.check_next(&empty), Err(VoteRefusal::NoChange));
}
