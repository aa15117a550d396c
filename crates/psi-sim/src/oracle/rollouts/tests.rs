//! Whether the oracle notices what must not be.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    model::{PlainChange, PlainCommand, PlainEvent, PlainModel, PlainRollout, PlainStage, PlainStatus},
    rules::History,
    shown::{SeenRollback, ShownBook, ShownModel, ShownRollout},
};

fn event(command: PlainCommand, step: usize) -> PlainEvent {
    PlainEvent::Rollout { id: "r".to_owned(), command, step }
}

fn change(event: PlainEvent, at_ms: u64, is_automatic: bool) -> Option<PlainChange> {
    Some(PlainChange { event, at_ms, is_automatic, is_forced: false })
}

/// `v1` answers, and `v2` has so many of two steps of the schedule.
fn model(status: PlainStatus, steps: usize, last: Option<PlainChange>) -> PlainModel {
    let is_promoted = status == PlainStatus::Promoted;
    let stages = match status {
        PlainStatus::Promoted => [PlainStage::Archived, PlainStage::Production],
        PlainStatus::RolledBack => [PlainStage::Production, PlainStage::Rejected],
        PlainStatus::Cancelled => [PlainStage::Production, PlainStage::Staging],
        _ => [PlainStage::Production, PlainStage::Canary],
    };
    assert!(!is_promoted || steps == 2);
    PlainModel {
        versions: BTreeMap::from([("v1".to_owned(), stages[0]), ("v2".to_owned(), stages[1])]),
        rollout: Some(PlainRollout {
            id: "r".to_owned(),
            champion: "v1".to_owned(),
            canary: "v2".to_owned(),
            schedule: vec![2_500, 5_000],
            window_ms: 1_000,
            is_forced: false,
            status,
            steps,
            since_ms: if steps == 2 { 2_000 } else { 1_000 },
            is_late: false,
        }),
        last,
    }
}

/// What is said of a change that leads from one status and step to another.
fn verdict(before: (PlainStatus, usize), after: (PlainStatus, usize), last: Option<PlainChange>) -> String {
    let (before, after) = (model(before.0, before.1, None), model(after.0, after.1, last));
    History::default().check(&before, &after).err().unwrap_or_default()
}

#[test]
fn what_must_not_follow_is_named() {
    use PlainCommand::{Advance, Pause, Promote, Resume, Rollback};
    use PlainStatus::{Cancelled, InProgress, Paused, Promoted, RolledBack};
    let [on, off] = [InProgress, Paused];
    for (before, after, last, want) in [
        ((on, 1), (on, 2), change(event(Advance, 1), 2_000, true), ""),
        ((on, 1), (on, 2), change(event(Advance, 1), 1_999, true), "otherwise than recorded"),
        ((off, 1), (on, 2), change(event(Advance, 1), 2_000, true), "paused rollout went on by itself"),
        ((off, 1), (on, 1), change(event(Resume, 0), 2_000, true), "a node did what is for people"),
        ((off, 1), (on, 1), change(event(Resume, 0), 2_000, false), ""),
        ((Cancelled, 1), (on, 2), change(event(Advance, 1), 2_000, true), "follows an end"),
        ((RolledBack, 1), (off, 1), change(event(Pause, 0), 2_000, false), "follows an end"),
        ((on, 2), (Promoted, 2), change(event(Promote, 0), 3_000, true), ""),
        ((on, 2), (Promoted, 2), change(event(Promote, 0), 2_999, true), "a window was not over"),
        ((on, 2), (on, 2), change(event(Promote, 0), 3_000, true), "the status is another"),
        ((on, 1), (RolledBack, 1), change(event(Rollback, 0), 1_001, true), ""),
        ((Cancelled, 1), (RolledBack, 1), change(event(Rollback, 0), 9_000, true), "what a person cancelled"),
        ((Promoted, 2), (RolledBack, 2), change(event(Rollback, 0), 9_000, false), "follows Promoted"),
    ] {
        let said = verdict(before, after, last.clone());
        assert!(said.contains(want) && said.is_empty() == want.is_empty(), "{before:?} {last:?}: {said}");
    }
}

#[test]
fn a_bad_version_passes_no_gate() {
    let (before, after) = (
        model(PlainStatus::InProgress, 1, None),
        model(PlainStatus::InProgress, 2, change(event(PlainCommand::Advance, 1), 2_000, true)),
    );
    let mut history = History::default();
    history.bad.insert("v2".to_owned());
    assert!(history.check(&before, &after).is_err_and(|what| what.contains("bad version")));
    history.bad.insert("v1".to_owned());
    assert_eq!(history.check(&before, &after), Ok(()));
}

fn shown(status: PlainStatus, hundredths: u32) -> ShownModel {
    let rollout = ShownRollout { id: "r".to_owned(), status, hundredths, is_late: false };
    ShownModel { step: 1, champion: Some("v1".to_owned()), rollout: Some(rollout), text: String::new() }
}

#[test]
fn a_rollback_that_is_held_must_show() {
    let decided = model(PlainStatus::Paused, 1, None);
    let held = |is_automatic| BTreeSet::from([SeenRollback { id: "r".to_owned(), is_automatic }]);
    let check = |decided: &PlainModel, held, shown| ShownBook::default().check(0, (decided, &held), None, shown);
    assert_eq!(check(&decided, BTreeSet::new(), shown(PlainStatus::Paused, 2_500)), Ok(false));
    assert!(check(&decided, held(true), shown(PlainStatus::Paused, 2_500)).is_err());
    assert_eq!(check(&decided, held(true), shown(PlainStatus::RolledBack, 0)), Ok(false));
    let cancelled = model(PlainStatus::Cancelled, 1, None);
    assert_eq!(check(&cancelled, held(true), shown(PlainStatus::Cancelled, 0)), Ok(false));
    assert!(check(&cancelled, held(false), shown(PlainStatus::Cancelled, 0)).is_err());
}

#[test]
fn equal_frontiers_show_the_same_and_no_percentage_falls() {
    let mut book = ShownBook::default();
    let (one, two) = (model(PlainStatus::InProgress, 1, None), model(PlainStatus::InProgress, 2, None));
    let none = BTreeSet::new();
    let mut show = |process, decided, hundredths, frontier| {
        book.check(process, (decided, &none), Some([frontier; 32]), shown(PlainStatus::InProgress, hundredths))
    };
    assert_eq!(show(0, &one, 2_500, 1), Ok(false));
    assert_eq!(show(1, &one, 2_500, 1), Ok(true));
    assert!(show(2, &two, 5_000, 1).is_err_and(|what| what.contains("equal frontiers")));
    assert_eq!(show(0, &two, 5_000, 2), Ok(false));
    assert!(show(0, &one, 2_500, 3).is_err_and(|what| what.contains("after")));
}
