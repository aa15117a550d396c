//! Axes: where numbers lie, which are written beside them, and how. Always positive numbers.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::output::numbers;

/// Up to this many powers of ten are divided at 2 and 5.
const DIVIDED_DECADES: f64 = 3.0;
/// Room beyond the first and the last of given ticks, as a part of the distance between them.
const ROOM: f64 = 0.08;

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    from: f64,
    to: f64,
    /// Numbers that are written.
    ticks: Vec<f64>,
    log: bool,
}

impl Axis {
    /// Logarithmic, with these numbers written.
    pub(super) fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let mut ticks: Vec<f64> = numbers.filter(|number| *number > 0.0).collect();
        ticks.sort_by(f64::total_cmp);
        ticks.dedup();
        let (first, last) = (ticks.first().copied().unwrap_or(1.0), ticks.last().copied().unwrap_or(10.0));
        let room = (last / first).powf(ROOM).max(1.25);
        Self { from: first / room, to: last * room, ticks, log: true }
    }

    /// Logarithmic, from round number to round number around those from `low` to `high`.
    pub(super) fn log(low: f64, high: f64) -> Self {
        let (from, to) = (round(low.max(f64::MIN_POSITIVE), false), round(high.max(f64::MIN_POSITIVE), true));
        let (from, to) = if from < to { (from, to) } else { (from / 2.0, to * 2.0) };
        let divided = (to / from).log10() <= DIVIDED_DECADES;
        let mut ticks = Vec::new();
        let mut tick = from;
        while tick <= to * 1.001 {
            if divided || mantissa(tick) < 1.5 {
                ticks.push(tick);
            }
            tick = round(tick * 1.5, true);
        }
        Self { from, to, ticks, log: true }
    }

    /// From 0, with room above `high`.
    pub(super) fn linear(high: f64) -> Self {
        let high = high.max(f64::MIN_POSITIVE) * 1.1;
        let step = round(high / 8.0, true);
        let count = (high / step).ceil();
        let ticks = std::iter::successors(Some(0.0), |tick| Some(tick + 1.0)).take_while(|tick| *tick <= count);
        Self { from: 0.0, to: count * step, ticks: ticks.map(|tick| tick * step).collect(), log: false }
    }

    /// How many numbers are written.
    pub(super) fn written(&self) -> usize {
        self.ticks.len()
    }

    /// How far along the axis a number is: 0 where it begins, 1 where it ends.
    fn part(&self, number: f64) -> f64 {
        let place = |number: f64| if self.log { number.max(f64::MIN_POSITIVE).ln() } else { number };
        let (from, to) = (place(self.from), place(self.to));
        (place(number) - from) / (to - from)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "pixels of a picture")]
    fn map(&self, number: &f64, limit: (i32, i32)) -> i32 {
        limit.0 + (self.part(*number) * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(number: &f64) -> String {
        match *number {
            number if number >= 999_999.5 => format!("{} M", numbers::short(number / 1e6)),
            number if number >= 9_999.5 => format!("{} k", numbers::short(number / 1e3)),
            number => numbers::short(number),
        }
    }
}

fn mantissa(number: f64) -> f64 {
    number / 10_f64.powf(number.log10().floor())
}

/// The nearest of 1, 2, 5, 10, … upward or downward.
fn round(number: f64, upward: bool) -> f64 {
    // A round number stays where it is, whatever the rounding.
    const SLACK: f64 = 1e-9;
    let power = 10_f64.powf((number.log10() + SLACK).floor());
    let rounds = [1.0, 2.0, 5.0, 10.0].map(|mantissa| mantissa * power);
    let found = if upward {
        rounds.iter().find(|round| **round >= number * (1.0 - SLACK))
    } else {
        rounds.iter().rev().find(|round| **round <= number * (1.0 + SLACK))
    };
    found.copied().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(Axis::format).collect()
    }

    #[test]
    fn axes_end_and_are_marked_at_round_numbers() {
        assert_eq!(written(&Axis::log(3.0, 80.0)), ["2", "5", "10", "20", "50", "100"]);
        assert_eq!(written(&Axis::log(150.0, 2e6)), ["100", "1000", "10 k", "100 k", "1 M"]);
        assert_eq!(written(&Axis::log(5.0, 5.0)), ["2.5", "5", "10"]);
        assert_eq!(written(&Axis::linear(7.0)), ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
        assert_eq!(written(&Axis::of([64.0, 1.0, 8.0, 8.0].into_iter())), ["1", "8", "64"]);
    }

    #[test]
    fn numbers_lie_where_the_axis_says() {
        for (axis, number, pixel) in [
            (Axis::log(1.0, 100.0), 10.0, 50),
            (Axis::log(1.0, 100.0), 100.0, 100),
            (Axis::linear(7.0), 4.0, 50),
            (Axis::linear(7.0), 0.0, 0),
        ] {
            assert_eq!(axis.map(&number, (0, 100)), pixel, "{axis:?}");
            assert_eq!(axis.map(&number, (100, 0)), 100 - pixel, "{axis:?}");
        }
    }

    #[test]
    fn round_numbers_stay_and_others_go_outward() {
        for (number, down, up) in
            [(1.0, 1.0, 1.0), (3.0, 2.0, 5.0), (7e5, 5e5, 1e6), (1e3, 1e3, 1e3), (0.03, 0.02, 0.05)]
        {
            let close = |got: f64, want: f64| (got / want - 1.0).abs() < 1e-9;
            assert!(close(round(number, false), down) && close(round(number, true), up), "{number}");
        }
    }
}
