//! What engine `core` remembers: moments it can be reminded of, and the most salient ones.

mod episodic;
mod working;

pub use episodic::{EPISODIC_CAPACITY, EPISODIC_EVICTED, EpisodicMemory, RECALLED, Recall};
pub use working::{SalientVector, WorkingMemory};
