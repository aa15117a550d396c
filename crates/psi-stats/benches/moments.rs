//! What exact moments cost, beside sums of doubles that keep neither order nor bits: vectors of 16 numbers.
//!
//! `cargo bench -p psi-stats --bench moments`. Inputs of ordinary size need few bits of a sum; the widest, just below
//! 2^24 scales with a last place that is set, all of them.

use std::hint::black_box;

use divan::Bencher;
use psi_stats::{FixedPoint, Moments, Scale, quantize, quantize_into};

const WIDTH: usize = 16;
/// Inputs that are gone through in turn, so that no branch is learned by heart.
const INPUTS: usize = 256;

fn main() {
    divan::main();
}

#[derive(Clone, Copy, Debug)]
enum Size {
    Ordinary,
    Widest,
}

const SIZES: [Size; 2] = [Size::Ordinary, Size::Widest];

/// Splitmix64 (Steele et al., 2014).
fn mix(number: u64) -> u64 {
    let z = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The `n`th number of a size: from -2 to 2, or within a thousandth of the limit on either side of 0.
fn number(size: Size, n: u64) -> f64 {
    let bits = mix(n + 1);
    let unit = (bits >> 11) as f64 / (1_u64 << 53) as f64;
    match size {
        Size::Ordinary => 4.0 * unit - 2.0,
        Size::Widest => {
            let below = Scale::default().limit() * (1.0 - unit / 1000.0);
            let odd = f64::from_bits(below.next_down().to_bits() | 1);
            if bits & 1 == 0 { odd } else { -odd }
        }
    }
}

fn inputs(size: Size) -> Vec<Vec<f64>> {
    let input = |row: u64| (0..WIDTH as u64).map(|column| number(size, row * WIDTH as u64 + column)).collect();
    (0..INPUTS as u64).map(input).collect()
}

fn quantized(input: &[f64]) -> Vec<FixedPoint> {
    quantize(input, Scale::default()).expect("within the limit")
}

/// The moments of all inputs of a size.
fn moments(size: Size) -> Moments {
    let mut moments = Moments::new(WIDTH);
    for input in inputs(size) {
        moments.add(&quantized(&input)).expect("far below the limit");
    }
    moments
}

/// Runs `take` on one input after the other.
fn bench_inputs(bencher: Bencher<'_, '_>, size: Size, mut take: impl FnMut(&[f64])) {
    let inputs = inputs(size);
    let mut turn = inputs.iter().cycle();
    bencher.bench_local(|| take(black_box(turn.next().expect("there are inputs"))));
}

/// What a step does: rounds an input to fixed point and adds it.
#[divan::bench(args = SIZES)]
fn quantize_and_add(bencher: Bencher<'_, '_>, size: Size) {
    let (mut moments, mut quantized) = (Moments::new(WIDTH), Vec::with_capacity(WIDTH));
    bench_inputs(bencher, size, |input| {
        quantized.clear();
        quantize_into(&mut quantized, input, Scale::default()).expect("within the limit");
        moments.add(&quantized).expect("far below the limit");
        black_box(&moments);
    });
}

#[divan::bench(args = SIZES)]
fn quantize_alone(bencher: Bencher<'_, '_>, size: Size) {
    bench_inputs(bencher, size, |input| {
        black_box(quantized(input));
    });
}

/// For comparison: count, Σx and Σx² of each number in doubles.
#[divan::bench(args = SIZES)]
fn add_in_doubles(bencher: Bencher<'_, '_>, size: Size) {
    let mut count = 0_u64;
    let mut sums = [(0.0, 0.0); WIDTH];
    bench_inputs(bencher, size, |input| {
        count += 1;
        for ((sum, squares), x) in sums.iter_mut().zip(input) {
            *sum += x;
            *squares += x * x;
        }
        black_box((&count, &sums));
    });
}

#[divan::bench(args = SIZES)]
fn merge(bencher: Bencher<'_, '_>, size: Size) {
    let (other, mut merged) = (moments(size), Moments::new(WIDTH));
    bencher.bench_local(|| {
        merged.merge(black_box(&other)).expect("far below the limit");
        black_box(&merged);
    });
}

#[divan::bench(args = SIZES)]
fn mean(bencher: Bencher<'_, '_>, size: Size) {
    let moments = moments(size);
    bencher.bench(|| black_box(&moments).mean(Scale::default()));
}

#[divan::bench(args = SIZES)]
fn standard_deviation(bencher: Bencher<'_, '_>, size: Size) {
    let moments = moments(size);
    bencher.bench(|| black_box(&moments).standard_deviation(Scale::default()));
}

#[divan::bench(args = SIZES)]
fn encode(bencher: Bencher<'_, '_>, size: Size) {
    let moments = moments(size);
    bencher.bench(|| black_box(&moments).encode());
}

#[divan::bench(args = SIZES)]
fn decode(bencher: Bencher<'_, '_>, size: Size) {
    let bytes = moments(size).encode();
    bencher.bench(|| Moments::decode(black_box(&bytes)));
}
