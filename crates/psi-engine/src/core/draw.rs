//! Random numbers that any node repeats: what a field starts from, and the noise of its rollouts.
//!
//! They come from ChaCha8, a counter-based generator: the key is the field's seed and what the numbers are for, the
//! stream is the step. So the numbers of a step depend on nothing that was drawn before, and are the same on every
//! machine.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};

use super::Matrix;
use super::numeric::normal;

/// How far the first transition is from the identity.
const TRANSITION_SPREAD: f64 = 0.05;

/// How far the encoder is from zero.
const ENCODER_SPREAD: f64 = 0.5;

/// What numbers are drawn for; 24 bytes, the rest of a key.
const ENCODER: &[u8; 24] = b"psi-field core encoder\0\0";
const TRANSITION: &[u8; 24] = b"psi-field transition\0\0\0\0";
const ROLLOUTS: &[u8; 24] = b"psi-field core rollouts\0";

/// E = ½·G₁, latent × input, of a field with this seed.
pub fn encoder(seed: u64, latent: usize, width: usize) -> Matrix {
    let mut encoder = Matrix::zeros(latent, width);
    fill(encoder.numbers_mut(), seed, ENCODER, 0);
    encoder.numbers_mut().iter_mut().for_each(|number| *number *= ENCODER_SPREAD);
    encoder
}

/// A₀ = I + 0.05·G₂, latent × latent, of a field with this seed.
pub fn first_transition(seed: u64, latent: usize) -> Matrix {
    let mut transition = Matrix::zeros(latent, latent);
    fill(transition.numbers_mut(), seed, TRANSITION, 0);
    for (row, numbers) in transition.rows_mut().enumerate() {
        for (column, number) in numbers.iter_mut().enumerate() {
            *number = f64::from(u8::from(row == column)) + TRANSITION_SPREAD * *number;
        }
    }
    transition
}

/// ε of a step: rollouts × latent standard normal numbers. `step` is k, counted from 1, of a field with this seed.
pub fn rollout_noise(seed: u64, step: u64, rollouts: usize, latent: usize) -> Matrix {
    let mut noise = Matrix::zeros(rollouts, latent);
    fill(noise.numbers_mut(), seed, ROLLOUTS, step);
    noise
}

fn fill(numbers: &mut [f64], seed: u64, purpose: &[u8; 24], stream: u64) {
    /// Words at a time.
    const WORDS: usize = 32;
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..].copy_from_slice(purpose);
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(stream);
    for chunk in numbers.chunks_mut(WORDS) {
        let mut bytes = [0; 8 * WORDS];
        generator.fill_bytes(&mut bytes[..8 * chunk.len()]);
        let (words, _) = bytes.as_chunks::<8>();
        for (number, &word) in chunk.iter_mut().zip(words) {
            *number = normal(u64::from_le_bytes(word));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bits(matrix: &Matrix) -> Vec<u64> {
        matrix.numbers().iter().map(|number| number.to_bits()).collect()
    }

    fn check_standard_normal(numbers: &[f64]) {
        let count = numbers.len() as f64;
        let moment = |power: i32| numbers.iter().map(|number| number.powi(power)).sum::<f64>() / count;
        // Five standard errors of each moment.
        for (power, want, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let allowed = 5.0 * (variance / count).sqrt();
            assert!((moment(power) - want).abs() < allowed, "moment {power}: {}", moment(power));
        }
        let beyond = numbers.iter().filter(|number| number.abs() > 1.959_963_984_540_054).count() as f64 / count;
        assert!((beyond - 0.05).abs() < 5.0 * (0.05 * 0.95 / count).sqrt(), "{beyond} in the tails");
    }

    #[test]
    fn drawn_numbers_are_standard_normal() {
        check_standard_normal(rollout_noise(7, 1, 1000, 200).numbers());
        // The first number of each of many steps, too: streams are independent of each other.
        let firsts: Vec<f64> = (1..=100_000).map(|step| rollout_noise(7, step, 1, 1).numbers()[0]).collect();
        check_standard_normal(&firsts);
        let lagged = firsts.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / firsts.len() as f64;
        assert!(lagged.abs() < 5.0 / (firsts.len() as f64).sqrt(), "correlation of neighbours {lagged}");
    }

    #[test]
    fn encoder_and_transition_are_spread_as_the_reference_says() {
        let doubled: Vec<f64> = encoder(1, 400, 100).numbers().iter().map(|number| 2.0 * number).collect();
        check_standard_normal(&doubled);
        let transition = first_transition(1, 200);
        let from_identity = transition.rows().enumerate().flat_map(|(row, numbers)| {
            let expected = move |column| if row == column { 1.0 } else { 0.0 };
            numbers.iter().enumerate().map(move |(column, number)| (number - expected(column)) / 0.05)
        });
        check_standard_normal(&from_identity.collect::<Vec<_>>());
    }

    /// These numbers are part of the protocol: other ones, and nodes of two versions disagree. They were worked out by
    /// a ChaCha8 and a quantile function that share no code with these.
    #[test]
    fn draws_never_change() {
        let first = |matrix: Matrix| matrix.numbers()[..2].to_vec();
        assert_eq!(first(encoder(1, 32, 16)), [-0.520_339_296_927_316, -0.303_168_171_197_493_4]);
        assert_eq!(first(first_transition(1, 32)), [0.986_116_599_126_823_5, 0.009_998_994_525_860_297]);
        assert_eq!(first(rollout_noise(1, 1, 8, 32)), [1.572_759_434_236_051_1, -1.057_718_254_038_998_2]);
        let last = rollout_noise(u64::MAX, u64::MAX, 8, 32);
        assert_eq!(first(last), [1.677_990_804_549_892, 1.377_178_733_478_316_5]);
    }

    proptest! {
        #[test]
        fn the_same_key_gives_the_same_numbers_and_another_key_others(seed: u64, step: u64) {
            let noise = rollout_noise(seed, step, 8, 32);
            prop_assert_eq!(bits(&noise), bits(&rollout_noise(seed, step, 8, 32)));
            prop_assert_ne!(bits(&noise), bits(&rollout_noise(seed, step.wrapping_add(1), 8, 32)));
            prop_assert_ne!(bits(&noise), bits(&rollout_noise(seed.wrapping_add(1), step, 8, 32)));
            prop_assert_ne!(encoder(seed, 4, 4).numbers()[1], 0.5 * rollout_noise(seed, 0, 4, 4).numbers()[1]);
        }

        #[test]
        fn fewer_numbers_are_the_first_of_more(seed: u64, count in 0_usize..100) {
            let all = rollout_noise(seed, 3, 1, 100);
            let first = rollout_noise(seed, 3, 1, count);
            prop_assert_eq!(first.numbers(), &all.numbers()[..count]);
        }
    }
}
