//! Models: what holds of each, whatever changes it, and how one is written down.

use proptest::prelude::*;
use psi_rollout::{
    Change, ChangeError, Command, DriftEpisode, Model, ModelEvent, ModelName, Outcomes, Plan, PlanInput, Record,
    Refusal, RemediationMode, RemediationPolicy, RolloutId, Stage, Status, StepKey, Tally, model::MODEL_BYTES_MAX,
};

use crate::support::version;

fn change(event: ModelEvent, at_ms: u64) -> Change {
    Change { event, at_ms, actor: "operator ann".to_owned(), reason: "a test".to_owned(), is_forced: false }
}

fn staging(name: &str, stage: Stage) -> Change {
    change(ModelEvent::Staging { version: version(name), stage }, 1)
}

fn plan(input: &PlanInput) -> Plan {
    Plan::new(input).expect("a plan")
}

fn start(canary: &str) -> Change {
    change(ModelEvent::Start { canary: version(canary), plan: plan(&PlanInput::default()), is_remedy: false }, 2)
}

fn record(model: &Model, record: Record) -> Change {
    let id = model.rollout().expect("a rollout").id().clone();
    change(ModelEvent::Rollout { id, record }, 3)
}

fn advance(step: usize) -> Record {
    Record::Advance { step, at_ms: 3, frozen_champion: None }
}

/// `v1` answers, and `v2` is being rolled out.
fn under_way() -> Model {
    let model = Model::new(ModelName::new("fraud").expect("a name"));
    let changes = [staging("v1", Stage::Production), start("v2")];
    let model = changes.iter().fold(model, |model, change| model.follow(change).expect("it follows"));
    model.follow(&record(&model, advance(0))).expect("it advances")
}

#[test]
fn a_promoted_version_is_the_champion_and_a_rolled_back_one_is_rejected() {
    let model = under_way();
    assert_eq!(model.versions()[&version("v2")], Stage::Canary);
    let promoted = model.follow(&record(&model, Record::Promote)).expect("it is promoted");
    assert_eq!(promoted.champion(), Some(&version("v2")));
    assert_eq!(promoted.versions()[&version("v1")], Stage::Archived);
    let back = model.follow(&record(&model, Record::Rollback)).expect("it is rolled back");
    assert_eq!((back.champion(), back.versions()[&version("v2")]), (Some(&version("v1")), Stage::Rejected));
    // What was done is not done again.
    assert!(matches!(
        back.follow(&record(&back, Record::Rollback)),
        Err(ChangeError::Rollout(Refusal::Ended { command: Command::Rollback, status: Status::RolledBack }))
    ));
    let late = promoted.follow(&record(&promoted, Record::Rollback)).expect("it is recorded");
    assert!(
        late.rollout().is_some_and(psi_rollout::Rollout::has_late_rollback) && late.versions() == promoted.versions()
    );
    assert!(late.follow(&record(&late, Record::Rollback)).is_err());
    assert_eq!((back.rolled_back(), late.rolled_back()), (1, 0));
    let ended = back.ended().last().expect("it has ended");
    assert_eq!(
        (ended.status, ended.percent.hundredths(), ended.began_ms, ended.ended_ms),
        (Status::RolledBack, 500, 2, 3)
    );
    // Another rollout of it is refused, and so is a promotion by hand, unless forced.
    assert!(matches!(back.follow(&start("v2")), Err(ChangeError::Rollout(Refusal::Rejected { .. }))));
    assert!(matches!(back.follow(&staging("v2", Stage::Production)), Err(ChangeError::Stage { .. })));
    let forced = back.follow(&Change { is_forced: true, ..start("v2") }).expect("a person forces it");
    assert_ne!(
        forced.rollout().map(|rollout| rollout.id().clone()),
        model.rollout().map(|rollout| rollout.id().clone())
    );
}

#[test]
fn one_that_was_cancelled_may_be_rolled_back_and_is_rejected_then() {
    let model = under_way();
    let cancelled = model.follow(&record(&model, Record::Cancel)).expect("it is cancelled");
    assert_eq!(cancelled.versions()[&version("v2")], Stage::Staging);
    let back = cancelled.follow(&record(&cancelled, Record::Rollback)).expect("it is rolled back");
    assert_eq!((back.versions()[&version("v2")], back.ended().len()), (Stage::Rejected, 1));
    assert_eq!(back.ended()[0].percent.hundredths(), 500);
    // What a person did with the version since stays.
    let archived = cancelled.follow(&staging("v2", Stage::Archived)).expect("it is archived");
    let back = archived.follow(&record(&archived, Record::Rollback)).expect("it is rolled back");
    assert_eq!(back.versions()[&version("v2")], Stage::Archived);
}

#[test]
fn what_was_rejected_is_so_again_after_another_rollout_of_it_was_cancelled() {
    let model = under_way();
    let back = model.follow(&record(&model, Record::Rollback)).expect("it is rolled back");
    let forced = back.follow(&Change { is_forced: true, ..start("v2") }).expect("a person forces it");
    let cancelled = forced.follow(&record(&forced, Record::Cancel)).expect("it is cancelled");
    assert_eq!(cancelled.versions()[&version("v2")], Stage::Rejected);
    assert!(matches!(cancelled.follow(&start("v2")), Err(ChangeError::Rollout(Refusal::Rejected { .. }))));
}

#[test]
fn of_versions_that_answer_no_more_those_that_were_rejected_are_remembered_longest() {
    let mut model = Model::new(ModelName::new("fraud").expect("a name"));
    model = model.follow(&staging("a-bad", Stage::Rejected)).expect("it is rejected");
    for number in 0..20 {
        model = model.follow(&staging(&format!("v{number:02}"), Stage::Archived)).expect("it is archived");
    }
    model = model.follow(&staging("a-old", Stage::Archived)).expect("it is archived");
    let known: Vec<String> = model.versions().keys().map(ToString::to_string).collect();
    assert_eq!(known.len(), 12, "{known:?}");
    assert!(known.contains(&"a-bad".to_owned()) && known.contains(&"a-old".to_owned()), "{known:?}");
}

#[test]
fn what_may_not_happen_is_refused_by_name() {
    let empty = Model::new(ModelName::new("fraud").expect("a name"));
    let words = |model: &Model, change: &Change| model.follow(change).expect_err("a refusal").to_string();
    let other = ModelEvent::Rollout { id: RolloutId::new("x").expect("an id"), record: Record::Pause };
    for (got, want) in [
        (
            words(&empty, &start("v2")),
            "model fraud has no champion; name the version that answers now: psi-field version promote fraud VERSION",
        ),
        (
            words(&empty, &change(other.clone(), 1)),
            "model fraud has no rollout; start one: psi-field rollout start fraud VERSION",
        ),
        (words(&under_way(), &change(other, 1)), "rollout x of fraud is not the current one, which is fraud-v2-1"),
        (
            words(&under_way(), &start("v3")),
            "rollout fraud-v2-1 of fraud is under way, and a model has one at a time; promote, roll back or cancel it",
        ),
        (
            words(&under_way(), &staging("v1", Stage::Archived)),
            "version v1 of fraud is PRODUCTION and can't become ARCHIVED: it is the champion; promote another version first",
        ),
        (
            words(&under_way(), &staging("v2", Stage::Archived)),
            "version v2 of fraud is CANARY and can't become ARCHIVED: promote, roll back or cancel its rollout",
        ),
        (
            words(&under_way(), &staging("v3", Stage::Canary)),
            "version v3 of fraud is STAGING and can't become CANARY: a rollout makes it that (psi-field rollout start)",
        ),
        (
            words(&empty, &Change { reason: "x".repeat(513), ..start("v2") }),
            "reason has 513 bytes: give one line of at most 512",
        ),
        (
            "PROD".parse::<Stage>().expect_err("no stage").to_string(),
            "stage `PROD` is none: give one of STAGING, CANARY, PRODUCTION, ARCHIVED, REJECTED",
        ),
    ] {
        assert_eq!(got, want);
    }
}

#[test]
fn a_model_with_the_longest_names_and_a_frozen_champion_is_written_down() {
    // A name of a model and one of a version make the name of a field together.
    let model = ModelName::new(&"m".repeat(31)).expect("a name");
    let name = |number: usize| format!("{number:032}");
    let steps = 1_u64 << 40;
    let us = u128::from(steps) * 3_600_000_000;
    let tally =
        Tally { steps, errors: steps, timed_steps: steps, latency_us: us, latency_us_squares: us * 3_600_000_000 };
    let frozen = Outcomes::new([tally; 64]).expect("sums of steps");
    let whole = PlanInput { schedule: vec![99.99, 100.0], ..PlanInput::default() };
    let mut model = Model::new(model).follow(&staging(&name(0), Stage::Production)).expect("a champion");
    for number in 1..40 {
        let event = ModelEvent::Start { canary: version(&name(number)), plan: plan(&whole), is_remedy: false };
        model = model.follow(&change(event, u64::MAX)).expect("a rollout");
        model = model.follow(&record(&model, advance(0))).expect("the first step");
        let last = Record::Advance { step: 1, at_ms: 3, frozen_champion: Some(frozen.clone()) };
        model = model.follow(&record(&model, last)).expect("the last step");
        assert_eq!(Model::from_bytes(&model.to_bytes()), Ok(model.clone()));
        let end = if number % 2 == 0 { Record::Promote } else { Record::Rollback };
        model = model.follow(&record(&model, end)).expect("the end");
        assert!(model.to_bytes().len() <= MODEL_BYTES_MAX);
    }
    assert!(!model.ended().is_empty() && model.rollouts() == 39, "{:?}", model.ended());
}

#[test]
fn a_step_without_a_version_goes_to_the_champion_or_the_canary_by_its_key() {
    let model = under_way();
    let of = |model: &Model, key: &str| model.version_for(StepKey::new(key).ok()).cloned();
    let canary = (0..2_000).filter(|key| of(&model, &key.to_string()) == Some(version("v2"))).count();
    assert!((60..150).contains(&canary), "5 % of 2,000 keys: {canary}");
    assert_eq!(model.version_for(None), Some(&version("v1")));
    let back = model.follow(&record(&model, Record::Rollback)).expect("it is rolled back");
    assert!((0..2_000).all(|key| of(&back, &key.to_string()) == Some(version("v1"))));
}

fn event(model: &Model, (kind, name, number): (usize, usize, usize)) -> ModelEvent {
    let versioned = version(&format!("v{name}"));
    match (kind, model.rollout()) {
        (0, _) => ModelEvent::Staging { version: versioned, stage: Stage::ALL[number % 5] },
        (1, _) => ModelEvent::Start {
            canary: versioned,
            plan: plan(&PlanInput::default()),
            is_remedy: number.is_multiple_of(3),
        },
        (2, _) => {
            let mode = RemediationMode::ALL[number % 3];
            ModelEvent::Remediation(RemediationPolicy {
                mode,
                plan: number.is_multiple_of(2).then(|| plan(&PlanInput::default())),
            })
        }
        (3, _) | (_, None) => {
            let version = model.champion().cloned().unwrap_or(versioned);
            let since_second = number as u64;
            ModelEvent::Drift(DriftEpisode {
                version,
                since_second,
                severity: 700 + 10 * u16::try_from(number).unwrap_or_default(),
            })
        }
        (_, Some(rollout)) => {
            let record = match Command::ALL[number % 6] {
                Command::Advance => advance(rollout.step().map_or(0, |step| step + 1)),
                Command::Pause => Record::Pause,
                Command::Resume => Record::Resume,
                Command::Rollback => Record::Rollback,
                Command::Promote => Record::Promote,
                Command::Cancel => Record::Cancel,
            };
            ModelEvent::Rollout { id: rollout.id().clone(), record }
        }
    }
}

proptest! {
    #[test]
    fn whatever_changes_a_model_one_champion_and_four_live_versions_stay(
        events in proptest::collection::vec(((0..8_usize, 0..9_usize, 0..30_usize), proptest::bool::weighted(0.2)), 0..60)
    ) {
        let mut model = Model::new(ModelName::new("fraud").expect("a name"));
        for (number, (of, is_forced)) in (0_u64..).zip(events) {
            // Seconds, so that later drift is later than what was found.
            let change = Change { is_forced, ..change(event(&model, of), number * 1_000) };
            let Ok(next) = model.follow(&change) else { continue };
            // A voter reads what the proposer wrote, and comes to the same.
            let read = Model::from_bytes(&next.to_bytes()).expect("it can be read");
            prop_assert_eq!(&read, &next);
            let before = Model::from_bytes(&model.to_bytes()).expect("it can be read");
            prop_assert_eq!(before.follow(read.last().expect("a change")), Ok(next.clone()));
            let stages = |stage| next.versions().values().filter(|of| **of == stage).count();
            prop_assert!(stages(Stage::Production) <= 1 && stages(Stage::Canary) <= 1);
            prop_assert!(next.live().iter().count() <= 4);
            prop_assert_eq!(next.active().is_some(), stages(Stage::Canary) == 1);
            if let Some(rollout) = next.active() {
                prop_assert_eq!(next.champion(), Some(rollout.champion().version()));
            }
            if let Some(ModelEvent::Start { canary, is_remedy: true, .. }) = next.last().map(|change| &change.event) {
                prop_assert_eq!(model.policy().mode, RemediationMode::On);
                prop_assert_eq!(model.versions().get(canary), Some(&Stage::Staging));
            }
            model = next;
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..200_usize, to in any::<u8>()) {
        let _ = Model::from_bytes(&bytes);
        let mut near = under_way().to_bytes();
        let at = at % near.len();
        near[at] = to;
        if let Ok(read) = Model::from_bytes(&near) {
            prop_assert_eq!(read.to_bytes(), near);
        }
    }
}
