//! Histograms and anchors against the definition in words, by whole numbers without a size, and whatever the deal.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Signed;
use proptest::prelude::*;
use psi_stats::drift::{Anchor, AnchorError, COLUMN_BUCKETS, ColumnAnchor, Histogram, HistogramError, PairAnchor};
use psi_stats::{FixedPoint, Scale, quantize};

use crate::inputs::{Dealer, WIDTH, vectors};

/// The center and the unit by their definition: ⌊Σx/n⌋, and the greatest power of two that is not above the root of the
/// variance, a millionth of the center, or 16.
fn anchored(values: &[BigInt]) -> (BigInt, u32) {
    let count = BigInt::from(values.len());
    let sum: BigInt = values.iter().sum();
    let squares: BigInt = values.iter().map(|value| value * value).sum();
    let floor = |numerator: BigInt, denominator: &BigInt| {
        let (quotient, rest) = (&numerator / denominator, &numerator % denominator);
        if rest.is_negative() { quotient - 1 } else { quotient }
    };
    let center = floor(sum.clone(), &count);
    let variance = (&count * squares - &sum * &sum) / (&count * &count);
    let size = variance.sqrt().max(center.abs() >> 20).max(BigInt::from(16));
    let mut unit_bits = 0;
    while BigInt::from(1) << (unit_bits + 1) <= size {
        unit_bits += 1;
    }
    (center, unit_bits)
}

/// Where buckets above the center begin, in quarters of a unit: eight of one, then four an octave.
fn begins() -> Vec<u64> {
    let octaves = (3..=10).flat_map(|octave| (0..4).map(move |quarter| (1 << octave) + (quarter << (octave - 2))));
    (0..8).chain(octaves).collect()
}

fn bucketed(value: &BigInt, center: &BigInt, unit_bits: u32) -> usize {
    let distance = value - center;
    let quarters = distance.abs() >> (unit_bits - 2);
    let index = begins().iter().filter(|begin| BigInt::from(**begin) <= quarters).count() - 1;
    if distance.is_negative() { COLUMN_BUCKETS / 2 - 1 - index } else { COLUMN_BUCKETS / 2 + index }
}

fn raw(vectors: &[Vec<FixedPoint>], column: usize) -> Vec<BigInt> {
    vectors.iter().map(|vector| BigInt::from(vector[column].raw())).collect()
}

fn counted(anchor: &Anchor, vectors: &[Vec<FixedPoint>]) -> Histogram {
    let mut histogram = Histogram::new(anchor);
    for vector in vectors {
        histogram.add(anchor, vector).expect("the width is right");
    }
    histogram
}

/// How many 256ths of a unit each column of an input lies off its center, at most 50 units.
fn off(anchor: &Anchor, vector: &[FixedPoint]) -> Vec<BigInt> {
    let columns = vector.iter().zip(anchor.columns());
    let z = columns.map(|(value, anchor)| {
        let distance = BigInt::from(value.raw()) - BigInt::from(anchor.center);
        ((distance << 8u32) >> anchor.unit_bits).clamp(BigInt::from(-12_800), BigInt::from(12_800))
    });
    z.collect()
}

/// A pair by its definition: its columns, the factor, the center and the unit.
type Pair = ((usize, usize), BigInt, BigInt, u32);

fn floor_of(over: &BigInt, under: &BigInt) -> BigInt {
    let (quotient, rest) = (over / under, over % under);
    if rest.is_negative() { quotient - 1 } else { quotient }
}

fn apart(z: &[BigInt], (first, second): (usize, usize), factor: &BigInt) -> BigInt {
    &z[first] - ((factor * &z[second]) >> 12u32)
}

/// Each column with the one of the greatest squared correlation, as fractions; the first of equal ones.
fn paired(anchor: &Anchor, vectors: &[Vec<FixedPoint>]) -> Vec<Pair> {
    let z: Vec<Vec<BigInt>> = vectors.iter().map(|vector| off(anchor, vector)).collect();
    let count = BigInt::from(z.len());
    let spread = |a: usize, b: usize| {
        let sum = |value: &dyn Fn(&Vec<BigInt>) -> BigInt| z.iter().map(value).sum::<BigInt>();
        &count * sum(&|z| &z[a] * &z[b]) - sum(&|z| z[a].clone()) * sum(&|z| z[b].clone())
    };
    let zero = BigInt::from(0);
    let mut pairs: Vec<Pair> = Vec::new();
    for column in 0..WIDTH {
        let mut best: Option<(usize, BigRational)> = None;
        for other in (0..WIDTH).filter(|other| *other != column && spread(*other, *other) > zero) {
            let squared = BigRational::new(spread(column, other).pow(2), spread(other, other));
            if best.as_ref().is_none_or(|(_, held)| squared > *held) {
                best = Some((other, squared));
            }
        }
        let Some((other, _)) = best.filter(|_| spread(column, column) > zero) else { continue };
        let columns = (column.min(other), column.max(other));
        if pairs.iter().any(|(held, ..)| *held == columns) {
            continue;
        }
        let size = ((spread(columns.0, columns.0) << 24u32) / spread(columns.1, columns.1)).sqrt();
        let factor = if spread(columns.0, columns.1).is_negative() { -size } else { size };
        let apart: Vec<BigInt> = z.iter().map(|z| apart(z, columns, &factor)).collect();
        let center = floor_of(&apart.iter().sum(), &count);
        let squares: BigInt = apart.iter().map(|it| (it - &center).pow(2)).sum();
        let deviation = (squares / &count).sqrt().max(BigInt::from(4));
        let unit_bits = (0..200u32).take_while(|bits| BigInt::from(1) << *bits <= deviation).last().unwrap_or(0);
        pairs.push((columns, factor, center, unit_bits));
    }
    pairs
}

fn pair_counts(anchor: &Anchor, pairs: &[Pair], vectors: &[Vec<FixedPoint>]) -> Vec<[u64; COLUMN_BUCKETS]> {
    let mut counts = vec![[0; COLUMN_BUCKETS]; pairs.len()];
    for vector in vectors {
        let z = off(anchor, vector);
        for ((columns, factor, center, unit_bits), counts) in pairs.iter().zip(&mut counts) {
            counts[bucketed(&apart(&z, *columns, factor), center, *unit_bits)] += 1;
        }
    }
    counts
}

proptest! {
    #[test]
    fn anchors_and_buckets_are_those_of_the_definition(first in vectors(1..30), later in vectors(0..30)) {
        let anchor = Anchor::of(&first).expect("not of nothing");
        let histogram = counted(&anchor, &later);
        for column in 0..WIDTH {
            let (center, unit_bits) = anchored(&raw(&first, column));
            let got = anchor.columns()[column];
            prop_assert_eq!((&BigInt::from(got.center), got.unit_bits), (&center, unit_bits));
            let mut want = [0; COLUMN_BUCKETS];
            for value in raw(&later, column) {
                want[bucketed(&value, &center, unit_bits)] += 1;
            }
            prop_assert_eq!(histogram.columns()[column], want);
        }
        let pairs = paired(&anchor, &first);
        let got = anchor.pairs().iter().map(|pair| {
            (pair.columns, pair.factor.into(), pair.anchor.center.into(), pair.anchor.unit_bits)
        });
        prop_assert_eq!(got.collect::<Vec<Pair>>(), &pairs[..]);
        prop_assert_eq!(&histogram.columns()[WIDTH..], &pair_counts(&anchor, &pairs, &later));
        prop_assert_eq!(histogram.count(), later.len() as u64);
    }

    #[test]
    fn however_inputs_are_dealt_the_counts_are_the_same(inputs in vectors(1..60), nodes in 1..9usize, seed: u64) {
        let anchor = Anchor::of(&inputs).expect("not of nothing");
        let mut dealer = Dealer(seed);
        let mut nodes = vec![Histogram::new(&anchor); nodes];
        for input in &inputs {
            let node = dealer.below(nodes.len());
            nodes[node].add(&anchor, input).expect("the width is right");
        }
        let mut sum = Histogram::new(&anchor);
        while !nodes.is_empty() {
            sum.merge(&nodes.swap_remove(dealer.below(nodes.len()))).expect("of one anchor");
        }
        prop_assert_eq!(sum, counted(&anchor, &inputs));
    }

    #[test]
    fn taking_out_undoes_putting_in(a in vectors(1..30), b in vectors(1..30)) {
        let anchor = Anchor::of(&a).expect("not of nothing");
        let (a, b) = (counted(&anchor, &a), counted(&anchor, &b));
        let mut both = a.clone();
        both.merge(&b).expect("of one anchor");
        let before = both.clone();
        both.subtract(&b).expect("it was put in");
        prop_assert_eq!(&both, &a);
        // What is not there can't be taken out, and nothing has changed then.
        both.subtract(&before).expect_err("more than there is");
        prop_assert_eq!(&both, &a);
    }
}

proptest! {
    #[test]
    fn bytes_are_canonical_and_read_back(inputs in vectors(1..60), damage: Vec<(usize, u8)>) {
        let anchor = Anchor::of(&inputs).expect("not of nothing");
        let histogram = counted(&anchor, &inputs);
        let mut bytes = histogram.encode();
        prop_assert_eq!(Histogram::decode(&bytes), Ok(histogram));
        prop_assert!(Histogram::decode(&[&bytes[..], &[0]].concat()).is_err(), "more follows");
        for (at, bit) in damage.iter().take(3) {
            let at = at % bytes.len();
            bytes[at] ^= 1 << (bit % 8);
        }
        // What is read at all is the one encoding of what was read.
        if let Ok(read) = Histogram::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn an_anchor_is_its_columns_and_pairs(inputs in vectors(1..60)) {
        let anchor = Anchor::of(&inputs).expect("not of nothing");
        prop_assert_eq!(Anchor::new(anchor.columns().to_vec(), anchor.pairs().to_vec()), Ok(anchor));
    }
}

#[test]
fn an_anchor_that_no_inputs_have_is_refused() {
    let column = |center, unit_bits| ColumnAnchor { center, unit_bits };
    let good = column(5, 40);
    for bad in [column(1 << 80, 40), column(0, 1), column(0, 81), column(i128::MIN, 40)] {
        assert_eq!(Anchor::new(vec![good, bad], Vec::new()), Err(AnchorError::Column(1)), "{bad:?}");
    }
    let pair = |columns, factor| PairAnchor { columns, factor, anchor: column(0, 8) };
    for bad in [pair((0, 0), 1), pair((1, 0), 1), pair((0, 2), 1), pair((0, 1), i64::MIN)] {
        assert_eq!(Anchor::new(vec![good, good], vec![bad]), Err(AnchorError::Pair(0)), "{bad:?}");
    }
    assert_eq!(Anchor::new(Vec::new(), Vec::new()), Err(AnchorError::Columns(0)));
    assert_eq!(Anchor::new(vec![good; 65], Vec::new()), Err(AnchorError::Columns(65)));
    assert_eq!(Anchor::new(vec![good], vec![pair((0, 1), 1); 2]), Err(AnchorError::Pairs(2)));
}

#[test]
fn buckets_follow_each_other_and_end_open() {
    let values = [-1.0, 1.0].map(|x| quantize(&[x], Scale::default()).expect("in range"));
    let anchor = Anchor::of(&values).expect("not of nothing").columns()[0];
    let unit = 1i128 << anchor.unit_bits;
    assert_eq!((anchor.center, unit), (0, 1 << 56));
    let mut last = 0;
    for eighth in -4_200..4_200 {
        let bucket = anchor.bucket(eighth * unit / 8);
        assert!(bucket == last || bucket == last + 1, "{eighth}: {bucket} after {last}");
        last = bucket;
    }
    let far = i128::from(i64::MAX) << 20;
    assert_eq!((last, anchor.bucket(far), anchor.bucket(-far)), (COLUMN_BUCKETS - 1, COLUMN_BUCKETS - 1, 0));
    assert_eq!([-1, 0].map(|value| anchor.bucket(value)), [39, 40]);
    assert_eq!(anchor.bucket(-unit), 39 - 4);
}

#[test]
fn what_has_other_columns_is_refused() {
    let of_width = |width: usize| {
        let row = |at: f64| quantize(&vec![at; width], Scale::default()).expect("in range");
        Anchor::of(&[row(1.0), row(2.0)]).expect("not of nothing")
    };
    let (one, two) = (of_width(1), of_width(2));
    let input = quantize(&[1.0, 2.0], Scale::default()).expect("in range");
    let refused = Err(HistogramError::Columns { got: 2, want: 1 });
    assert_eq!(Histogram::new(&one).add(&one, &input), refused);
    let refused = Err(HistogramError::Columns { got: 3, want: 1 });
    assert_eq!(Histogram::new(&one).add(&two, &input), refused);
    assert_eq!(Histogram::new(&one).merge(&Histogram::new(&two)), refused);
    assert_eq!(Histogram::new(&one).subtract(&Histogram::new(&two)), refused);
    assert_eq!(Anchor::of(&[]), None);
    assert_eq!(Anchor::of(&[input[..1].to_vec(), input]), None, "of two widths");
}
