//! A random walk as a source.

use psi_bench::{RandomWalk, pluralize};

use super::{error::SourceError, vectors::Source};

/// Never exhausted.
impl Source for RandomWalk {
    fn width(&self) -> Option<usize> {
        Some(RandomWalk::width(self))
    }

    fn next(&mut self) -> Result<Option<Vec<f64>>, SourceError> {
        Ok(Some(self.step()))
    }

    fn describe(&self) -> String {
        format!("random walk of {}, seed {}", pluralize(RandomWalk::width(self) as u64, "number"), self.seed())
    }
}
