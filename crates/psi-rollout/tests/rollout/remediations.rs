//! Remediations: what follows by itself where the champion's inputs drift, and what does not.

use psi_rollout::{
    Change, ChangeError, DriftEpisode, Model, ModelEvent, ModelName, Plan, PlanInput, Record, RemediationMode,
    RemediationPolicy, RemediationStatus, Remedy, RolloutId, Stage, Status, model::MODEL_BYTES_MAX,
};

use crate::support::version;

/// A model whose changes come a second apart.
struct History {
    model: Model,
    second: u64,
}

impl History {
    /// `v1` answers.
    fn new(name: &str) -> Self {
        let model = Model::new(ModelName::new(name).expect("a name"));
        let mut history = Self { model, second: 100 };
        history.stage("v1", Stage::Production);
        history
    }

    fn change(&mut self, event: ModelEvent) -> Result<(), ChangeError> {
        self.second += 1;
        let (at_ms, actor, reason) = (self.second * 1_000, "node n1".to_owned(), "a test".to_owned());
        let change = Change { event, at_ms, actor, reason, is_forced: false };
        self.model = self.model.follow(&change)?;
        assert_eq!(Model::from_bytes(&self.model.to_bytes()), Ok(self.model.clone()));
        Ok(())
    }

    fn stage(&mut self, name: &str, stage: Stage) {
        self.change(ModelEvent::Staging { version: version(name), stage }).expect("it is staged");
    }

    fn mode(&mut self, mode: RemediationMode) {
        self.change(ModelEvent::Remediation(RemediationPolicy { mode, plan: None })).expect("it is set");
    }

    /// Does what follows by itself.
    fn remedy(&mut self, episode: &DriftEpisode) -> Remedy {
        let remedy = self.model.remedy(Some(episode));
        match remedy.clone() {
            Remedy::Rest(_) => {}
            Remedy::Find(found) => self.change(ModelEvent::Drift(found)).expect("it is written down"),
            Remedy::Try(canary) => self.try_version(canary).expect("it begins"),
        }
        remedy
    }

    fn try_version(&mut self, canary: psi_rollout::VersionName) -> Result<(), ChangeError> {
        let plan = Plan::new(&PlanInput::default()).expect("a plan");
        self.change(ModelEvent::Start { canary, plan, is_remedy: true })
    }

    fn record(&mut self, record: Record) {
        let id: RolloutId = self.model.rollout().expect("a rollout").id().clone();
        self.change(ModelEvent::Rollout { id, record }).expect("it happens");
    }

    fn advance(&mut self) {
        let at_ms = (self.second + 1) * 1_000;
        self.record(Record::Advance { step: 0, at_ms, frozen_champion: None });
    }

    fn status(&self) -> RemediationStatus {
        self.model.remediation_status(self.model.remediations().last().expect("a remediation"))
    }
}

/// Drift of `v1` since a second.
fn drift(since_second: u64) -> DriftEpisode {
    DriftEpisode { version: version("v1"), since_second, severity: 900 }
}

fn rests(remedy: &Remedy, why: &str) -> bool {
    matches!(remedy, Remedy::Rest(rest) if rest.contains(why))
}

#[test]
fn nothing_follows_before_somebody_says_so() {
    let mut history = History::new("pumps");
    history.stage("v2", Stage::Staging);
    assert!(rests(&history.model.remedy(Some(&drift(90))), "off"));
    let refusal = history.change(ModelEvent::Drift(drift(90))).expect_err("it is off");
    assert!(matches!(refusal, ChangeError::Remedy { .. }), "{refusal}");
    assert!(history.try_version(version("v2")).is_err());
    history.mode(RemediationMode::Watch);
    assert_eq!(history.remedy(&drift(90)), Remedy::Find(drift(90)));
    assert!(rests(&history.remedy(&drift(90)), "a rollout of v2 would begin"));
    assert!(history.try_version(version("v2")).is_err(), "it only watches");
    assert_eq!((history.status(), history.model.active()), (RemediationStatus::Pending, None));
    history.mode(RemediationMode::On);
    assert_eq!(history.remedy(&drift(90)), Remedy::Try(version("v2")));
    assert_eq!(history.status(), RemediationStatus::Executing);
    assert!(rests(&history.remedy(&drift(90)), "pumps-v2-1 is under way"));
}

#[test]
fn a_version_is_tried_once_and_only_where_one_waits() {
    let mut history = History::new("pumps");
    history.mode(RemediationMode::On);
    assert_eq!(history.remedy(&drift(90)), Remedy::Find(drift(90)));
    assert!(rests(&history.remedy(&drift(90)), "no version of pumps is in STAGING"));
    history.stage("v2", Stage::Staging);
    history.stage("v3", Stage::Staging);
    assert!(rests(&history.remedy(&drift(90)), "(v2, v3)"));
    history.stage("v3", Stage::Archived);
    assert!(history.try_version(version("v3")).is_err(), "another waits");
    assert_eq!(history.remedy(&drift(90)), Remedy::Try(version("v2")));
    history.advance();
    history.record(Record::Cancel);
    // A person stopped it: nothing begins again by itself.
    assert_eq!((history.status(), history.model.failed()), (RemediationStatus::Partial, 1));
    assert!(rests(&history.remedy(&drift(90)), "a rollout of v2 was cancelled"));
    // However the verdict flaps; and hours later, it is written down and no more.
    assert!(rests(&history.remedy(&drift(130)), "a rollout of v2 was cancelled"));
    assert_eq!(history.remedy(&drift(9_000)), Remedy::Find(drift(9_000)));
    assert!(rests(&history.remedy(&drift(9_000)), "a rollout of v2 was cancelled"));
    assert!(history.try_version(version("v2")).is_err(), "voters say so, too");
    history.stage("v2", Stage::Staging);
    assert_eq!(history.remedy(&drift(9_000)), Remedy::Try(version("v2")), "a person staged it again");
    history.advance();
    history.record(Record::Cancel);
    history.record(Record::Rollback);
    assert_eq!(history.model.failed(), 2, "a rollout failed once, though it was rejected later");
    assert!(rests(&history.remedy(&drift(9_000)), "no version of pumps"));
    // Another version is another remediation of the same drift.
    history.stage("v4", Stage::Staging);
    assert_eq!(history.remedy(&drift(9_000)), Remedy::Find(drift(9_000)));
    assert_eq!(history.remedy(&drift(9_000)), Remedy::Try(version("v4")));
    history.advance();
    history.record(Record::Promote);
    assert_eq!((history.status(), history.model.failed(), history.model.found()), (RemediationStatus::Completed, 2, 3));
    assert!(rests(&history.remedy(&drift(90)), "do not drift"), "the champion is another");
}

#[test]
fn what_a_person_began_and_cancelled_does_not_begin_by_itself() {
    let mut history = History::new("pumps");
    history.stage("v2", Stage::Staging);
    history.mode(RemediationMode::On);
    let plan = Plan::new(&PlanInput::default()).expect("a plan");
    history.change(ModelEvent::Start { canary: version("v2"), plan, is_remedy: false }).expect("it begins");
    history.record(Record::Cancel);
    assert_eq!(history.remedy(&drift(90)), Remedy::Find(drift(90)));
    assert!(rests(&history.remedy(&drift(90)), "a rollout of v2 was cancelled"));
    // A plan of a champion that answers no more is over.
    history.stage("v2", Stage::Production);
    assert_eq!(history.status(), RemediationStatus::Partial);
}

#[test]
fn drift_that_began_later_is_other_drift_and_little_drift_is_none() {
    let mut history = History::new("pumps");
    history.mode(RemediationMode::On);
    let little = DriftEpisode { severity: 749, ..drift(90) };
    assert!(rests(&history.model.remedy(Some(&little)), "severity 0.749 is below 0.750"));
    assert!(history.change(ModelEvent::Drift(little)).is_err());
    assert!(history.change(ModelEvent::Drift(DriftEpisode { severity: 1_001, ..drift(90) })).is_err());
    assert!(rests(&history.model.remedy(None), "do not drift"));
    assert_eq!(history.remedy(&drift(90)), Remedy::Find(drift(90)));
    // Two nodes find the same, and one of them an earlier beginning.
    for since in [88, 90, 91, 3_000] {
        assert!(history.change(ModelEvent::Drift(drift(since))).is_err(), "{since}");
    }
    assert_eq!(history.remedy(&drift(9_000)), Remedy::Find(drift(9_000)));
    let first = &history.model.remediations()[0];
    assert_eq!(history.model.remediation_status(first), RemediationStatus::Partial);
    assert_eq!(history.status(), RemediationStatus::Pending);
    let other = DriftEpisode { version: version("v9"), ..drift(90_000) };
    assert!(rests(&history.model.remedy(Some(&other)), "do not drift"), "it is not the champion");
}

#[test]
fn how_a_remedy_goes_is_the_policy_and_what_is_kept_is_bounded() {
    let mut history = History::new(&"m".repeat(31));
    let plan = Plan::new(&PlanInput { schedule: vec![1.0, 2.0], ..PlanInput::default() }).expect("a plan");
    let policy = RemediationPolicy { mode: RemediationMode::On, plan: Some(plan) };
    history.change(ModelEvent::Remediation(policy.clone())).expect("it is set");
    assert_eq!(history.model.policy(), &policy);
    for number in 0..40 {
        let name = format!("{number:032}");
        history.stage(&name, Stage::Staging);
        let episode = drift(history.second);
        assert!(matches!(history.remedy(&episode), Remedy::Find(_)), "{number}");
        assert_eq!(history.remedy(&episode), Remedy::Try(version(&name)));
        history.advance();
        history.record(Record::Rollback);
        assert!(history.model.to_bytes().len() <= MODEL_BYTES_MAX);
    }
    assert_eq!((history.model.found(), history.model.failed()), (40, 40));
    let kept = history.model.remediations();
    assert!((1..=4).contains(&kept.len()) && kept[0].number + kept.len() as u64 == 41, "{kept:?}");
    let end = kept.last().and_then(|found| found.trial.as_ref()).and_then(|trial| trial.end);
    assert_eq!(end.map(|(status, _)| status), Some(Status::RolledBack));
}
