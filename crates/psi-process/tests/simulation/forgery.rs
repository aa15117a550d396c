//! Bodies that do not follow, as a broken machine proposes them.

use prost::Message;
use psi_ledger::record::{Content, Evidence};
use psi_process::{
    Action, Baseline, HoldReason, Mode, Subject, TaskBucket, TaskName, Transition, Verdict, WorkOrder,
    proto::{self, bucket_task::Stage},
};

use super::{
    cast::{cast, name},
    client::judgement,
    node::Body,
    plan::Forgery,
    world::World,
};

/// Transitions that a body claims to follow from, and the body.
type ForgedStep = (Vec<Transition>, Vec<u8>);

/// What a body is made from.
struct Forger<'a> {
    bucket: &'a TaskBucket,
    tasks: Vec<proto::BucketTask>,
    /// A transition of this machine and moment.
    plain: &'a Transition,
    random: usize,
}

impl World {
    pub(super) fn forge(&mut self, before: &Body, plain: &Transition) -> Option<ForgedStep> {
        let Body::Tasks(bucket) = before else { return None };
        let kind = self.plan.forgery.unwrap_or_else(|| *self.rng.pick(&Forgery::ALL));
        let tasks = proto::TaskBucket::decode(bucket.to_bytes().as_slice()).ok()?.tasks;
        let forger = Forger { bucket, tasks, plain, random: self.rng.below(1_000) };
        match kind {
            Forgery::Verdict => forger.verdict(),
            Forgery::Loss => forger.loss(),
            Forgery::Pair => forger.pair(),
            Forgery::Revival => forger.revival(),
            Forgery::Haste => forger.haste(),
        }
    }
}

fn encode(tasks: Vec<proto::BucketTask>) -> Vec<u8> {
    proto::TaskBucket { tasks }.encode_to_vec()
}

fn is_live(task: &proto::BucketTask) -> bool {
    matches!(task.stage, Some(Stage::Place(_)))
}

fn subject_of(task: &proto::BucketTask) -> Option<Subject> {
    let chain = task.chain.as_ref()?;
    Some(Subject::task(name(&chain.process), TaskName::new(&chain.task).ok()?))
}

impl Forger<'_> {
    /// One of the tasks that go on, or of those that are kept.
    fn pick(&self, wants_live: bool) -> Option<usize> {
        let now_ms = self.plain.clock.wall_ms;
        let fits = |task: &proto::BucketTask| match task.stage {
            Some(Stage::KeptUntilMs(until)) => !wants_live && until > now_ms,
            _ => wants_live && is_live(task),
        };
        let fitting: Vec<_> = (0..self.tasks.len()).filter(|at| fits(&self.tasks[*at])).collect();
        (!fitting.is_empty()).then(|| fitting[self.random % fitting.len()])
    }

    /// A transition of a task that follows by the rules.
    fn sound(&self, subject: &Subject) -> Option<Transition> {
        let chain = self.bucket.chain(subject, 0);
        let state = chain.state()?;
        let baseline = Baseline { node: None, work: Some(WorkOrder::default().hash()) };
        let (action, predecessor) = (Action::BaselineSetting(baseline), Some(state.head));
        Some(Transition { subject: subject.clone(), action, predecessor, spec: state.spec, ..self.plain.clone() })
    }

    fn verdict(mut self) -> Option<ForgedStep> {
        let at = self.pick(true)?;
        let subject = subject_of(&self.tasks[at])?;
        let spec = cast().store.get(&self.sound(&subject)?.spec)?;
        let from = self.bucket.chain(&subject, 0).state()?.phase.clone()?;
        let to = spec.next(&from).filter(|_| !spec.phase(&from).is_some_and(|phase| phase.gates.is_empty()))?;
        let said = if self.random.is_multiple_of(2) {
            judgement(Verdict::Pass, Some(1.0))
        } else {
            judgement(Verdict::Hold(HoldReason::MissingEvidence), None)
        };
        let transition = Transition {
            action: Action::Advance { from, to: Some(to.name.clone()) },
            mode: Mode::Enforce,
            judgements: vec![said],
            evidence: vec![Evidence::new("report", Content::of(b"{}")).ok()?],
            ..self.sound(&subject)?
        };
        self.move_to(at, &transition, to.name.as_str())?;
        Some((vec![transition], encode(self.tasks)))
    }

    /// Writes where the task at this place would stand after a transition.
    fn move_to(&mut self, at: usize, transition: &Transition, phase: &str) -> Option<()> {
        let chain = self.tasks[at].chain.as_mut()?;
        chain.step += 1;
        let state = chain.state.as_mut()?;
        state.steps += 1;
        state.head = transition.hash().ok()?.as_bytes().to_vec();
        state.mode = match transition.mode {
            Mode::Watch => proto::Mode::Watch.into(),
            Mode::Enforce => proto::Mode::Enforce.into(),
        };
        phase.clone_into(&mut state.phase);
        (state.wall_ms, state.counter) = (transition.clock.wall_ms, transition.clock.counter);
        Some(())
    }

    fn loss(self) -> Option<ForgedStep> {
        let at = self.pick(true)?;
        let lost = self.tasks.iter().enumerate().find(|(other, task)| *other != at && is_live(task));
        let lost = subject_of(lost?.1)?;
        let transition = self.sound(&subject_of(&self.tasks[at])?)?;
        let next = self.bucket.follow(&transition, &cast().store).ok()?;
        let mut tasks = proto::TaskBucket::decode(next.to_bytes().as_slice()).ok()?.tasks;
        tasks.retain(|task| subject_of(task).as_ref() != Some(&lost));
        Some((vec![transition], encode(tasks)))
    }

    fn pair(self) -> Option<ForgedStep> {
        let one = self.sound(&subject_of(&self.tasks[self.pick(true)?])?)?;
        let other = self.tasks.iter().filter(|_| self.random.is_multiple_of(2)).find(|task| is_live(task));
        let other = other.and_then(subject_of).filter(|other| *other != one.subject);
        let two = match other {
            Some(other) => self.sound(&other)?,
            None => Transition { predecessor: one.hash().ok(), ..one.clone() },
        };
        let next = self.bucket.follow(&one, &cast().store).ok()?.follow(&two, &cast().store).ok()?;
        Some((vec![one, two], next.to_bytes()))
    }

    fn revival(mut self) -> Option<ForgedStep> {
        let at = self.pick(false)?;
        let subject = subject_of(&self.tasks[at])?;
        let to = cast().specs[0].first().name.clone();
        let sound = self.sound(&subject)?;
        let begin = Transition { action: Action::Start { to }, predecessor: None, ..sound };
        let fresh = TaskBucket::default().follow(&begin, &cast().store).ok()?;
        self.tasks[at] = proto::TaskBucket::decode(fresh.to_bytes().as_slice()).ok()?.tasks.pop()?;
        self.tasks[at].stage = Some(Stage::Place(u16::MAX.into()));
        Some((vec![begin], encode(self.tasks)))
    }

    fn haste(self) -> Option<ForgedStep> {
        self.pick(false)?;
        let transition = self.sound(&subject_of(&self.tasks[self.pick(true)?])?)?;
        let next = self.bucket.follow(&transition, &cast().store).ok()?;
        let mut tasks = proto::TaskBucket::decode(next.to_bytes().as_slice()).ok()?.tasks;
        tasks.retain(is_live);
        Some((vec![transition], encode(tasks)))
    }
}
