//! A random walk: something that moves, for demonstrations and load.
//!
//! The generator is written out here, so that a seed names the same walk in every version of this program and of its
//! dependencies. It is not for secrets.

/// Every number stays within plus or minus this.
const LIMIT: f64 = 3.0;

/// A step is uniform in plus or minus this: about 400 steps from the middle to a limit, a guess at a lively plot.
const STEP_MAX: f64 = 0.25;

/// A vector whose numbers each walk in small uniform steps from 0, reflected at ±3; never exhausted.
#[derive(Clone, Debug)]
pub struct RandomWalk {
    seed: u64,
    generator: SplitMix64,
    position: Vec<f64>,
}

impl RandomWalk {
    /// Numbers a vector by default.
    pub const WIDTH_DEFAULT: usize = 16;

    /// The walk of `width` numbers that `seed` names; the same walk every time. The first vector is one step from 0.
    /// A width of 0 gives empty vectors.
    #[must_use]
    pub fn new(seed: u64, width: usize) -> Self {
        Self { seed, generator: SplitMix64(seed), position: vec![0.0; width] }
    }

    /// Numbers a vector.
    #[must_use]
    pub fn width(&self) -> usize {
        self.position.len()
    }

    /// What it was made from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Takes a step; the vector where it arrives.
    pub fn step(&mut self) -> Vec<f64> {
        for number in &mut self.position {
            let step = STEP_MAX * (2.0 * self.generator.next_unit() - 1.0);
            *number = reflected(*number + step);
        }
        self.position.clone()
    }
}

/// The mirror image inside the limits of a number at most one step outside.
fn reflected(number: f64) -> f64 {
    if number > LIMIT {
        2.0 * LIMIT - number
    } else if number < -LIMIT {
        -2.0 * LIMIT - number
    } else {
        number
    }
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; constants of its `mix64`
/// variant 13.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The generator that a seed names.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `n`, which is above 0; any is about as likely as another.
    #[must_use]
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next_bits() % n.max(1) as u64).unwrap_or_default()
    }

    fn next_bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Uniform in `[0, 1)`, of 53 bits.
    fn next_unit(&mut self) -> f64 {
        const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.next_bits() >> 11) as f64 * UNIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(seed: u64, width: usize, steps: usize) -> Vec<Vec<f64>> {
        let mut walk = RandomWalk::new(seed, width);
        (0..steps).map(|_| walk.step()).collect()
    }

    #[test]
    fn the_generator_is_the_published_one() {
        let mut generator = SplitMix64(1_234_567);
        let got: Vec<u64> = (0..3).map(|_| generator.next_bits()).collect();
        assert_eq!(got, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn a_seed_names_one_walk() {
        assert_eq!(walked(7, 5, 100), walked(7, 5, 100));
        assert_ne!(walked(7, 5, 100), walked(8, 5, 100));
    }

    #[test]
    fn every_number_stays_within_limits_and_nears_both() {
        let walk = walked(1, RandomWalk::WIDTH_DEFAULT, 20_000);
        let numbers = || walk.iter().flatten().copied();
        assert!(numbers().all(|number| number.abs() <= LIMIT));
        assert!(numbers().any(|number| number > 2.9));
        assert!(numbers().any(|number| number < -2.9));
    }

    #[test]
    fn steps_are_small_and_no_number_stands_still() {
        for pair in walked(3, 4, 1000).windows(2) {
            for (before, after) in pair[0].iter().zip(&pair[1]) {
                let step = (after - before).abs();
                assert!(step > 0.0 && step <= STEP_MAX, "{step}");
            }
        }
    }

    #[test]
    fn numbers_beyond_a_limit_are_mirrored() {
        for (number, want) in [(3.2, 2.8), (-3.2, -2.8), (3.0, 3.0), (-2.9, -2.9)] {
            assert!((reflected(number) - want).abs() < 1e-12, "{number}");
        }
    }

    #[test]
    fn vectors_have_the_width_asked_for() {
        let mut walk = RandomWalk::new(0, 3);
        assert_eq!(walk.width(), 3);
        assert_eq!(walk.step().len(), 3);
    }
}
