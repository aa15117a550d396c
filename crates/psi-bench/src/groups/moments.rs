//! Group `moments`: what exact sums cost, against the obvious loop of doubles.

use std::hint::black_box;

use psi_stats::{Moments, Scale, quantize_into};

use super::local::LocalCase;
use crate::{
    cluster::rig,
    error::BenchError,
    report::{
        GroupReport,
        question::{Part, Question, RowHeader, Target},
    },
    rounds::{Label, Plan, Progress},
};

pub(crate) const GROUP: &str = "moments";
const UNIT: &str = "ns/vector";

/// What is summed up.
#[derive(Clone, Copy, Debug)]
enum Inputs {
    /// Of a random walk within ±3.
    Ordinary,
    /// Just below the greatest size that a field takes.
    Widest,
}

impl Inputs {
    const ALL: [Self; 2] = [Self::Ordinary, Self::Widest];

    fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "numbers about 1",
            Self::Widest => "numbers just below 2^24",
        }
    }

    /// How many times the loop's time exact sums may take.
    fn most(self) -> f64 {
        match self {
            Self::Ordinary => 8.0,
            Self::Widest => 20.0,
        }
    }

    fn vectors(self) -> Vec<Vec<f64>> {
        let mut vectors = rig::vectors();
        if matches!(self, Self::Widest) {
            let limit = Scale::default().limit();
            for number in vectors.iter_mut().flatten() {
                *number = (limit - 1.0 - number.abs()).copysign(*number);
            }
        }
        vectors
    }

    fn naive(self) -> Label {
        Label::new(format!("loop of doubles, {}", self.name()))
    }

    fn exact(self) -> Label {
        Label::new(format!("exact, {}", self.name()))
    }

    fn headers(self) -> [RowHeader; 2] {
        let over = Question::ratio("over the loop", Part::Figure, self.naive()).target(Target::AtMost(self.most()));
        [
            RowHeader { label: self.naive(), unit: UNIT, questions: Vec::new() },
            RowHeader { label: self.exact(), unit: UNIT, questions: vec![over] },
        ]
    }

    fn cases(self) -> [LocalCase; 2] {
        let vectors = self.vectors();
        let (mut naive, inputs) = (DoubleSums::new(rig::WIDTH), vectors.clone());
        let naive = LocalCase::new(self.naive(), move |done| naive.add(black_box(&inputs[done % inputs.len()])));
        let (mut exact, mut fixed) = (Moments::new(rig::WIDTH), Vec::with_capacity(rig::WIDTH));
        let add = move |done: usize| {
            fixed.clear();
            let vector = black_box(&vectors[done % vectors.len()]);
            quantize_into(&mut fixed, vector, Scale::default()).expect("within the limit");
            let added = exact.add(&fixed);
            black_box(&mut exact);
            added
        };
        [naive, LocalCase::new(self.exact(), add)]
    }
}

/// Count, Σx and Σx² as doubles.
struct DoubleSums {
    count: u64,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl DoubleSums {
    fn new(width: usize) -> Self {
        Self { count: 0, sums: vec![0.0; width], squares: vec![0.0; width] }
    }

    fn add(&mut self, input: &[f64]) {
        self.count += 1;
        for ((sum, squares), number) in self.sums.iter_mut().zip(&mut self.squares).zip(input) {
            *sum += number;
            *squares += number * number;
        }
        // Each vector's sums are written: what comes after it is added to them, not to a register.
        black_box(self);
    }
}

/// Measures the group.
///
/// # Errors
/// None; a row that fails says so itself.
pub(crate) async fn measure(plan: &Plan, progress: &Progress) -> Result<GroupReport, BenchError> {
    let cases: Vec<LocalCase> = Inputs::ALL.into_iter().flat_map(Inputs::cases).collect();
    let headers = Inputs::ALL.into_iter().flat_map(Inputs::headers).collect();
    Ok(GroupReport::measure(GROUP, headers, cases, plan, progress).await.with_notes(notes()))
}

fn notes() -> Vec<String> {
    vec![format!(
        "moments: count, Σx and Σx² of vectors of {} numbers, on one core. Exact sums include the rounding of each number to \
         fixed point, once.",
        rig::WIDTH
    )]
}

#[cfg(test)]
mod tests {
    use psi_stats::quantize;

    use super::*;

    #[test]
    fn both_ways_sum_up_the_same() {
        for inputs in Inputs::ALL {
            let vectors = inputs.vectors();
            let (mut naive, mut exact) = (DoubleSums::new(rig::WIDTH), Moments::new(rig::WIDTH));
            for vector in &vectors {
                naive.add(vector);
                exact.add(&quantize(vector, Scale::default()).unwrap()).unwrap();
            }
            assert_eq!(exact.count(), naive.count, "{inputs:?}");
            let variances = exact.variance(Scale::default()).unwrap();
            let means = exact.mean(Scale::default()).unwrap();
            for dimension in 0..rig::WIDTH {
                let count = naive.count as f64;
                let mean = naive.sums[dimension] / count;
                let squares = naive.squares[dimension] / count;
                let want = means[dimension].powi(2) + variances[dimension] * (count - 1.0) / count;
                assert!((mean - means[dimension]).abs() <= 1e-9 * squares.sqrt(), "{inputs:?} {dimension}");
                assert!((squares - want).abs() <= 1e-9 * want, "{inputs:?} {dimension}");
            }
        }
    }

    #[test]
    fn the_widest_are_within_the_limit_and_near_it() {
        let limit = Scale::default().limit();
        assert_eq!(limit, f64::from(1 << 24));
        assert!(Inputs::Widest.vectors().iter().flatten().all(|number| (limit - 5.0..limit).contains(&number.abs())));
    }
}
