//! What was observed, in plain maps, and whether it keeps the promises. It shares no code with the engine.

use std::collections::{BTreeMap, BTreeSet};

use psi_process::{DecidedChain, End, Transition, TransitionHash};
use psi_quorum::Decision;

mod record;
mod rules;

use record::{Entry, Hash, PlainTask, PlainTransition, TaskEnd};

/// Longest body of a register, in bytes.
const BODY_BYTES_MAX: usize = 4_096;

/// What a client is told.
pub(crate) enum Answer {
    /// Its transition is decided, and leads there.
    Decided { head: TransitionHash, led_to: Box<DecidedChain> },
    /// It does not count, and never will. `None` if it was not even written.
    Denied(Option<TransitionHash>),
    /// That is not known.
    Unknown,
}

/// What was observed of one register.
#[derive(Default)]
struct History {
    bodies: BTreeMap<u64, Vec<u8>>,
    /// By name, after the last step.
    entries: Entries,
}

#[derive(Default)]
pub(crate) struct Oracle {
    registers: Vec<History>,
    written: BTreeMap<Hash, PlainTransition>,
    /// Where each decided transition led.
    decided: BTreeMap<Hash, PlainTask>,
    denied: BTreeSet<Hash>,
    /// How often something was decided that histories must meet.
    pub(crate) markers: BTreeMap<&'static str, u64>,
    /// What was broken, in words.
    pub(crate) broken: Vec<String>,
}

/// Tasks by name, or the process without one.
type Entries = BTreeMap<String, Entry>;

impl Oracle {
    pub(crate) fn new(registers: usize) -> Self {
        Self { registers: (0..registers).map(|_| History::default()).collect(), ..Self::default() }
    }

    pub(crate) fn breach(&mut self, words: String) {
        self.broken.push(words);
    }

    /// How many transitions are decided.
    pub(crate) fn decided(&self) -> usize {
        self.decided.len()
    }

    /// All bodies of all registers, in order.
    pub(crate) fn trace(&self) -> Vec<&[u8]> {
        self.registers.iter().flat_map(|history| history.bodies.values()).map(Vec::as_slice).collect()
    }

    /// A machine wrote a transition, to propose it.
    pub(crate) fn written(&mut self, hash: TransitionHash, transition: &Transition) {
        self.written.insert(*hash.as_bytes(), PlainTransition::of(transition));
    }

    /// Someone takes a step for decided.
    pub(crate) fn decision(&mut self, register: usize, decision: &Decision) {
        let (step, body) = (decision.step().0, decision.value().body());
        let history = &mut self.registers[register];
        let last = history.bodies.keys().next_back().copied().unwrap_or(0);
        match history.bodies.get(&step) {
            Some(known) if known == body => return,
            Some(_) => return self.breach(format!("step {step} of register {register} has two decisions")),
            None if step != last + 1 => {
                return self.breach(format!("step {step} of register {register} is decided before step {}", last + 1));
            }
            None => {}
        }
        history.bodies.insert(step, body.to_vec());
        let before = std::mem::take(&mut history.entries);
        let Some(after) = record::entries(register, body) else {
            return self.breach(format!("step {step} of register {register} can't be read"));
        };
        let breaches = self.check_step(&before, &after, body.len());
        self.registers[register].entries = after;
        for words in breaches {
            self.breach(format!("step {step} of register {register}: {words}"));
        }
    }

    /// What is wrong with a step.
    fn check_step(&mut self, before: &Entries, after: &Entries, bytes: usize) -> Vec<String> {
        let mut breaches = Vec::new();
        if bytes > BODY_BYTES_MAX {
            breaches.push(format!("it has {bytes} bytes"));
        }
        let is_new =
            |(name, entry): &(&String, &Entry)| before.get(*name).is_none_or(|old| old.task.head != entry.task.head);
        let new: Vec<_> = after.iter().filter(is_new).collect();
        let [(name, entry)] = new[..] else {
            breaches.push(format!("it is {} transitions, not one", new.len()));
            return breaches;
        };
        let Some(transition) = self.written.get(&entry.task.head).cloned() else {
            breaches.push(format!("nobody wrote the transition of {name}"));
            return breaches;
        };
        breaches.extend(self.check_transition(name, before.get(name), (&transition, &entry.task)));
        breaches.extend(check_others(before, after, name, transition.wall_ms));
        self.mark_missing(before, after, name, transition.wall_ms);
        breaches.extend(check_missing(before, after, (name, transition.wall_ms), bytes));
        breaches
    }

    /// What is wrong with the one task that moved.
    fn check_transition(
        &mut self,
        name: &str,
        before: Option<&Entry>,
        (transition, after): (&PlainTransition, &PlainTask),
    ) -> Vec<String> {
        let mut breaches = Vec::new();
        if transition.name != name {
            breaches.push(format!("a transition of {} moves {name}", transition.name));
        }
        if self.decided.insert(after.head, after.clone()).is_some() {
            breaches.push(format!("a transition of {name} is decided twice"));
        }
        if self.denied.contains(&after.head) {
            breaches.push(format!("a client was told that a transition of {name} does not count, and it is decided"));
        }
        match rules::follow(before.map(|entry| &entry.task), transition, after.head) {
            Ok(wanted) if wanted == *after => {
                for marker in rules::markers(before.map(|entry| &entry.task), transition) {
                    *self.markers.entry(marker).or_default() += 1;
                }
            }
            Ok(wanted) => breaches.push(format!("{name} stands at {after:?}, and should at {wanted:?}")),
            Err(words) => breaches.push(format!("{name}: {words}")),
        }
        breaches
    }

    fn mark_missing(&mut self, before: &Entries, after: &Entries, moved: &str, now_ms: u64) {
        for (_, entry) in missing(before, after, moved) {
            let is_over = entry.task.end.as_ref().is_some_and(|end| end.kept_until_ms <= now_ms);
            let marker = if is_over { "an ended task leaves in time" } else { "an ended task leaves early" };
            *self.markers.entry(marker).or_default() += 1;
        }
    }

    /// A client got an answer.
    pub(crate) fn told(&mut self, answer: Answer) {
        match answer {
            Answer::Decided { head, led_to } => {
                let told = led_to.state().map(|state| (state.phase.as_ref().map(ToString::to_string), state.end));
                let is = self.decided.get(head.as_bytes());
                let is = is.map(|task| (task.phase.clone(), task.end.as_ref().map(TaskEnd::word)));
                if is.is_none() || is != told {
                    self.breach(format!("a client was told of {told:?}, and {is:?} is in the history"));
                }
            }
            Answer::Denied(Some(head)) => {
                self.denied.insert(*head.as_bytes());
                if let Some(task) = self.decided.get(head.as_bytes()) {
                    self.breach(format!(
                        "a client was told that its transition does not count, and it led to {task:?}"
                    ));
                }
            }
            Answer::Denied(None) | Answer::Unknown => {}
        }
    }
}

/// Entries that a step left out, beside that of the task that moved.
fn missing<'a>(before: &'a Entries, after: &Entries, moved: &str) -> Vec<(&'a String, &'a Entry)> {
    before.iter().filter(|(name, _)| *name != moved && !after.contains_key(*name)).collect()
}

/// What did not move is as it was, places are of one task each, and what is over is gone.
fn check_others(before: &Entries, after: &Entries, moved: &str, now_ms: u64) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut places = BTreeSet::new();
    for (name, entry) in after {
        if let Some(place) = entry.place
            && !places.insert(place)
        {
            breaches.push(format!("{name} has place {place}, and another has it, too"));
        }
        let Some(old) = before.get(name) else { continue };
        if name != moved && entry != old {
            breaches.push(format!("{name} changed by itself, from {old:?} to {entry:?}"));
        }
        if name == moved && entry.place.is_some() && old.place.is_some() && entry.place != old.place {
            breaches.push(format!("{name} went on and has another place"));
        }
        if name != moved && entry.task.end.as_ref().is_some_and(|end| end.kept_until_ms <= now_ms) {
            breaches.push(format!("{name} is kept beyond its time"));
        }
    }
    breaches
}

/// Ended tasks may leave, and those whose time is not over only for want of room, the longest ended first.
fn check_missing(before: &Entries, after: &Entries, (moved, now_ms): (&str, u64), bytes: usize) -> Vec<String> {
    let until = |entry: &Entry| entry.task.end.as_ref().map(|end| end.kept_until_ms);
    let mut breaches = Vec::new();
    let mut last = None;
    for (name, entry) in missing(before, after, moved) {
        match until(entry) {
            None => breaches.push(format!("{name} vanished while it goes on")),
            Some(until) if until <= now_ms => {}
            Some(until) => last = last.max(Some((until, name, entry.bytes))),
        }
    }
    let Some((last_until, name, size)) = last else { return breaches };
    if bytes + size <= BODY_BYTES_MAX {
        breaches.push(format!("{name} vanished before its time, and there was room"));
    }
    let kept = after.iter().filter(|(name, _)| *name != moved);
    let earlier = kept.filter(|(other, entry)| until(entry).is_some_and(|until| (until, *other) < (last_until, name)));
    breaches.extend(earlier.map(|(other, _)| format!("{name} vanished before {other}, which ended earlier")));
    breaches
}

impl TaskEnd {
    fn word(&self) -> End {
        if self.is_done { End::Done } else { End::Aborted }
    }
}
