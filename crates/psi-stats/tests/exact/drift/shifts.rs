//! What a comparison finds on streams that change in known ways, and that it finds nothing before.

use psi_stats::drift::{ANCHOR_INPUTS, Anchor, Baseline, BaselineError, Histogram, Thresholds};
use psi_stats::{FixedPoint, Scale, quantize};

use crate::inputs::Dealer;

pub(crate) const COLUMNS: usize = 4;
const BASELINE: usize = 4_000;
const WINDOW: usize = 500;

/// A stream of rows whose columns share a part, and wander: each row keeps some of the last.
pub(crate) struct Stream {
    dealer: Dealer,
    kept: f64,
    state: [f64; COLUMNS],
}

impl Stream {
    pub(crate) fn new(seed: u64, kept: f64) -> Self {
        Self { dealer: Dealer(seed), kept, state: [0.0; COLUMNS] }
    }

    /// Near enough to a normal number: the sum of twelve even ones.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.dealer.below(1_000_000) as f64 / 1e6).sum::<f64>() - 6.0
    }

    /// Columns 0 and 1 go together, with a correlation of 0.9; all have deviation 1.
    fn row(&mut self) -> [f64; COLUMNS] {
        let fresh = (1.0 - self.kept * self.kept).sqrt();
        for column in 0..COLUMNS {
            self.state[column] = self.kept * self.state[column] + fresh * self.normal();
        }
        let [a, b, c, d] = self.state;
        [a, 0.9 * a + 0.19f64.sqrt() * b, c, d]
    }

    pub(crate) fn rows(&mut self, count: usize) -> Vec<[f64; COLUMNS]> {
        (0..count).map(|_| self.row()).collect()
    }
}

/// Temperatures, pressures and the like: none around 0.
pub(crate) fn input(row: &[f64; COLUMNS]) -> Vec<FixedPoint> {
    let [a, b, c, d] = *row;
    quantize(&[79.3 + 0.2 * a, 1.5 + 0.1 * b, -40.0 + 3.0 * c, 0.001 * d], Scale::default()).expect("in range")
}

fn histogram(anchor: &Anchor, rows: &[[f64; COLUMNS]]) -> Histogram {
    let mut histogram = Histogram::new(anchor);
    rows.iter().for_each(|row| histogram.add(anchor, &input(row)).expect("the width is right"));
    histogram
}

fn baseline(stream: &mut Stream) -> (Anchor, Baseline) {
    let rows = stream.rows(BASELINE);
    let first: Vec<_> = rows.iter().take(ANCHOR_INPUTS).map(input).collect();
    let anchor = Anchor::of(&first).expect("not of nothing");
    let parts: Vec<Histogram> = rows.chunks(WINDOW).map(|rows| histogram(&anchor, rows)).collect();
    let baseline = Baseline::new(&parts).expect("eight parts");
    (anchor, baseline)
}

/// The severity of each column, pairs last.
fn severities(anchor: &Anchor, baseline: &Baseline, rows: &[[f64; COLUMNS]]) -> Vec<f64> {
    let compared = baseline.compare(&histogram(anchor, rows)).expect("of one anchor");
    let looks = u32::try_from(compared.len()).expect("few");
    compared.iter().map(|comparison| Thresholds::default().severity(comparison, looks, true)).collect()
}

pub(crate) type Change = fn(usize, [f64; COLUMNS]) -> [f64; COLUMNS];

/// What a change is called, what it does to row n after it, and the columns that must show it.
pub(crate) type Kind = (&'static str, Change, &'static [usize]);

/// A column whose numbers are others altogether.
pub(crate) const REPLACED: [Kind; 3] = [
    ("a frozen column", |_, [a, b, _, d]| [a, b, 0.3, d], &[2]),
    (
        "two columns swapped",
        |_, [a, b, c, d]| [(-40.0 + 3.0 * c - 79.3) / 0.2, b, (79.3 + 0.2 * a + 40.0) / 3.0, d],
        &[0, 2],
    ),
    ("another unit", |_, [a, b, c, d]| [((79.3 + 0.2 * a) * 1.8 + 32.0 - 79.3) / 0.2, b, c, d], &[0]),
];

#[test]
fn each_kind_of_change_is_found_by_its_columns_and_nothing_before() {
    // What happens to row n of the window, and the columns that must show it: 4 is the first pair.
    let changes: [Kind; 5] = [
        ("a doubled deviation", |_, [a, b, c, d]| [a, b, c, 2.0 * d], &[3]),
        ("a shift by one deviation", |_, [a, b, c, d]| [a, b, c + 1.0, d], &[2]),
        ("a ramp", |n, [a, b, c, d]| [a, b, c, d + 2.0 * n as f64 / WINDOW as f64], &[3]),
        (
            "a few rows of another machine",
            |n, [a, b, c, d]| if n % 33 == 0 { [a, b, c - 40.0, d] } else { [a, b, c, d] },
            &[2],
        ),
        ("a lost correlation", |_, [a, b, c, d]| [a, d, c, b], &[4]),
    ];
    for (what, change, columns) in REPLACED.into_iter().chain(changes) {
        let mut found = 0;
        for seed in 0..8 {
            let mut stream = Stream::new(seed, 0.3);
            let (anchor, baseline) = baseline(&mut stream);
            let quiet = severities(&anchor, &baseline, &stream.rows(WINDOW));
            assert!(quiet.iter().all(|severity| *severity < 0.5), "before {what}, seed {seed}: {quiet:?}");
            let rows: Vec<_> = stream.rows(WINDOW).into_iter().enumerate().map(|(n, row)| change(n, row)).collect();
            let after = severities(&anchor, &baseline, &rows);
            found += usize::from(columns.iter().any(|column| after[*column] >= 0.5));
            let own = |column: &usize| *column < COLUMNS && !columns.contains(column);
            let wrong: Vec<usize> = (0..COLUMNS).filter(own).filter(|column| after[*column] >= 0.5).collect();
            assert!(wrong.is_empty() || what == "a lost correlation", "{what}, seed {seed}: columns {wrong:?}");
        }
        assert_eq!(found, 8, "{what} is found in {found} of 8");
    }
}

/// Rows that depend on each other wander: a thousand of them say as much as a few dozen that don't.
#[test]
fn rows_that_depend_on_each_other_raise_nothing() {
    let (mut looks, mut improbable, mut folk) = (0, 0, 0);
    for seed in 0..40 {
        let mut stream = Stream::new(seed, 0.95);
        let (anchor, baseline) = baseline(&mut stream);
        for _ in 0..4 {
            let window = histogram(&anchor, &stream.rows(WINDOW));
            for comparison in baseline.compare(&window).expect("of one anchor") {
                looks += 1;
                improbable += usize::from(comparison.probability < 0.01);
                folk += usize::from(comparison.psi > 0.1);
            }
        }
    }
    println!("of {looks} looks: {improbable} below 1 %, {folk} with a PSI over 0.1");
    assert!(folk * 10 > looks * 3, "the streams wander enough to fool a fixed threshold: {folk} of {looks}");
    assert!(improbable * 100 < looks * 5, "{improbable} of {looks} are below 1 %");
}

#[test]
fn a_verdict_does_not_depend_on_how_many_inputs_there_are() {
    let mut stream = Stream::new(7, 0.0);
    let (anchor, baseline) = baseline(&mut stream);
    let excess = |rows: &[[f64; COLUMNS]]| {
        baseline
            .compare(&histogram(&anchor, rows))
            .expect("of one anchor")
            .iter()
            .map(|it| it.excess)
            .fold(0.0, f64::max)
    };
    let shifted: Vec<_> = stream.rows(64_000).into_iter().map(|[a, b, c, d]| [a, b, c, d + 1.0]).collect();
    let whole = excess(&shifted);
    for count in [250, 1_000, 4_000, 16_000] {
        let part = excess(&shifted[..count]);
        assert!((part / whole - 1.0).abs() < 0.25, "{count} inputs: {part}, all: {whole}");
    }
    assert_eq!(excess(&[]), 0.0, "nothing compares to nothing");
}

#[test]
fn without_enough_parts_there_is_no_baseline() {
    let mut stream = Stream::new(1, 0.0);
    let rows = stream.rows(7 * WINDOW);
    let anchor = Anchor::of(&rows.iter().map(input).collect::<Vec<_>>()).expect("not of nothing");
    let mut parts: Vec<Histogram> = rows.chunks(WINDOW).map(|rows| histogram(&anchor, rows)).collect();
    parts.push(Histogram::new(&anchor));
    assert_eq!(Baseline::new(&parts), Err(BaselineError::Parts { got: 7 }));
}
