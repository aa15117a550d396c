//! Exact numbers of any size: what is read out of them is rounded once.

mod columns;
mod rounding;

pub(super) use columns::Columns;
pub(super) use rounding::quantized;
#[cfg(test)]
pub(super) use rounding::{rounded, rounded_root};

/// Between the order statistics on both sides of the place that so many hundredths come to.
pub(super) fn percentile(mut numbers: Vec<f64>, hundredths: usize) -> f64 {
    const WHOLE: usize = 100;
    numbers.sort_by(f64::total_cmp);
    let place = hundredths * numbers.len().saturating_sub(1);
    let (below, beyond) = (numbers[place / WHOLE], place % WHOLE);
    let above = numbers.get(place / WHOLE + 1).copied().unwrap_or(below);
    let share = u8::try_from(beyond).map_or(0.0, f64::from) / 100.0;
    below + (above - below) * share
}
