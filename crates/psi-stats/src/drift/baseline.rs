//! What later inputs are compared with.

mod f_distribution;
mod groups;
pub(super) mod null;

use self::groups::Groups;
use self::null::Null;
use super::comparison::Comparison;
use super::histogram::{Histogram, HistogramError, same_columns};

/// Fewer parts don't tell how a baseline wanders.
pub const PARTS_MIN: usize = 8;

/// The inputs that stand for what is usual, and how they wander by themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    all: Histogram,
    columns: Vec<(Groups, Null)>,
}

/// Why there is no baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// Too few parts of the length that is judged.
    #[error("{got} parts that hold inputs, at least {PARTS_MIN} are needed")]
    Parts {
        /// Parts there are.
        got: usize,
    },
    /// The parts are of several anchors.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}

impl Baseline {
    /// A baseline of inputs that are cut into parts, each as long as a window that is to be judged. Empty parts don't count.
    ///
    /// # Errors
    /// [`BaselineError`]: too few parts, or of several anchors.
    pub fn new(parts: &[Histogram]) -> Result<Self, BaselineError> {
        let parts: Vec<&Histogram> = parts.iter().filter(|part| part.count() > 0).collect();
        let (Some(first), true) = (parts.first(), parts.len() >= PARTS_MIN) else {
            return Err(BaselineError::Parts { got: parts.len() });
        };
        let mut all = (*first).clone();
        for part in &parts[1..] {
            all.merge(part)?;
        }
        let rests = parts.iter().map(|part| {
            let mut rest = all.clone();
            rest.subtract(part).map(|()| rest)
        });
        let rests: Vec<Histogram> = rests.collect::<Result<_, _>>()?;
        let columns = all.columns().iter().enumerate().map(|(column, counts)| {
            let groups = Groups::of(counts);
            let pairs = parts.iter().zip(&rests);
            let scaled = pairs.map(|(part, rest)| {
                groups.psi(&part.columns()[column], &rest.columns()[column]) / unit(part.count(), rest.count())
            });
            let scaled: Vec<f64> = scaled.collect();
            let null = Null::of(&scaled, groups.len());
            (groups, null)
        });
        let columns = columns.collect();
        Ok(Self { all, columns })
    }

    /// A baseline of these inputs, that wander so in each column, pairs last: what another was made of.
    ///
    /// # Errors
    /// [`HistogramError::Columns`] if the number of columns differs.
    pub fn of(all: Histogram, nulls: &[Null]) -> Result<Self, HistogramError> {
        same_columns(nulls.len(), all.columns().len())?;
        let columns = all.columns().iter().map(Groups::of).zip(nulls.iter().copied()).collect();
        Ok(Self { all, columns })
    }

    /// How each column wanders, pairs last.
    pub fn nulls(&self) -> impl Iterator<Item = Null> {
        self.columns.iter().map(|(_, null)| *null)
    }

    /// All its inputs.
    pub fn histogram(&self) -> &Histogram {
        &self.all
    }

    /// Compares a window with it, column by column, pairs last. One that holds nothing compares to nothing.
    ///
    /// # Errors
    /// [`HistogramError::Columns`] if it is of another anchor.
    pub fn compare(&self, window: &Histogram) -> Result<Vec<Comparison>, HistogramError> {
        same_columns(window.columns().len(), self.all.columns().len())?;
        if window.count() == 0 {
            return Ok(Vec::new());
        }
        let unit = unit(window.count(), self.all.count());
        let columns = self.columns.iter().zip(window.columns()).zip(self.all.columns());
        let compared = columns.map(|(((groups, null), window), all)| {
            let psi = groups.psi(window, all);
            Comparison { psi, excess: (psi - null.expected(unit)).max(0.0), probability: null.probability(psi, unit) }
        });
        Ok(compared.collect())
    }
}

/// What a PSI of independent rows is in proportion to.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn unit(one: u64, other: u64) -> f64 {
    1.0 / one as f64 + 1.0 / other as f64
}
