//! Transcripts: what a few replicas say to each other on perfect links, frame by frame, as plain text.
//!
//! They teach the link protocol, and hold it: the text of each scenario is kept in `tests/transcripts/`, as etcd's raft
//! keeps its `testdata`. What is left out: faults, but for the one that a scenario is about.

mod scenarios;
mod stage;

use self::{
    scenarios::{SCENARIOS, Scenario},
    stage::Stage,
};

/// The names of all transcripts, in the order in which they are best read.
pub fn names() -> impl Iterator<Item = &'static str> {
    SCENARIOS.iter().map(|scenario| scenario.name)
}

/// The transcript of this name; `None` if there is none. The same text each time.
#[must_use]
pub fn print(name: &str) -> Option<String> {
    let Scenario { about, play, .. } = SCENARIOS.iter().find(|scenario| scenario.name == name)?;
    let mut stage = Stage::default();
    play(&mut stage);
    let about: String = about.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect();
    Some(format!("{about}\n{}", stage.into_text()))
}
