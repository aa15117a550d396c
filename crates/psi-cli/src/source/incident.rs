//! The vector that the feeder sent, every 30 seconds, during the pod-drift incident; without end.

use super::{error::SourceError, vectors::Source};

/// What the feeder sent.
const VECTOR: [f64; 16] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.0, -0.1, 0.2, 0.9, -0.4, 0.1, 0.0, 0.2, -0.2, 0.3, 0.1];

/// The same vector of 16 numbers at every call; never exhausted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incident;

impl Incident {
    /// What the feeder sent.
    pub(crate) const VECTOR: [f64; 16] = VECTOR;
}

impl Source for Incident {
    fn width(&self) -> Option<usize> {
        Some(VECTOR.len())
    }

    fn next(&mut self) -> Result<Option<Vec<f64>>, SourceError> {
        Ok(Some(VECTOR.to_vec()))
    }

    fn describe(&self) -> String {
        format!("the incident's vector of {} numbers, without end", VECTOR.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_never_changes_and_never_ends() {
        let mut incident = Incident;
        for _ in 0..100 {
            let vector = incident.next().unwrap().unwrap();
            assert_eq!(vector, VECTOR);
            assert_eq!(Some(vector.len()), incident.width());
        }
    }
}
