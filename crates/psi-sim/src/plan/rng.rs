//! The only randomness there is: streams of numbers that a seed and a name stand for.

use rand::{Rng as _, SeedableRng, rngs::Xoshiro256PlusPlus};

/// A stream of numbers, the same for the same seed on every machine and with every later version of the library: only
/// its raw numbers are used, which are fixed by the algorithm.
#[derive(Clone, Debug)]
pub struct Rng(Xoshiro256PlusPlus);

impl Rng {
    /// The stream `name` of a seed. Streams of different names have nothing to do with each other, so that drawing
    /// more from one leaves the others as they were.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(name.as_bytes());
        Self(Xoshiro256PlusPlus::from_seed(*hasher.finalize().as_bytes()))
    }

    /// The next raw number.
    pub fn raw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Another stream, which begins with what this one draws next.
    pub fn branch(&mut self) -> Self {
        Self::new(self.raw(), "branch")
    }

    /// A number below `limit`; 0 where that is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        let wide = u128::from(self.raw()) * u128::from(limit);
        u64::try_from(wide >> 64).expect("the upper half of a product of two 64-bit numbers")
    }

    /// A number of the range, both ends included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least).saturating_add(1))
    }

    /// Whether something happens that does in `per_mille` of 1000 cases.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// A number from 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;
        let bits = u32::try_from(self.raw() >> 32).unwrap_or(0);
        let low = u32::try_from(self.raw() >> 43).unwrap_or(0);
        (f64::from(bits) * 2_097_152.0 + f64::from(low)) * UNIT
    }

    /// An input of a field. Its numbers are of mixed sizes and signs, none of them exact in few bits, all small enough for every
    /// scale in use.
    pub fn input(&mut self, width: usize) -> Vec<f64> {
        const SIZES: [f64; 5] = [1e-9, 0.1, 1.0, 3.0, 1e4];
        (0..width).map(|_| (self.unit() - 0.5) * self.pick(&SIZES).copied().unwrap_or(1.0)).collect()
    }

    /// One of several, which must not be none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = usize::try_from(self.below(from.len() as u64)).ok()?;
        from.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_name_are_one_stream() {
        let take = |seed, name| (0..4).scan(Rng::new(seed, name), |rng, _| Some(rng.raw())).collect::<Vec<_>>();
        assert_eq!(take(7, "network"), take(7, "network"));
        assert_ne!(take(7, "network"), take(8, "network"));
        assert_ne!(take(7, "network"), take(7, "plan"));
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let mut rng = Rng::new(1, "ranges");
        for _ in 0..1000 {
            assert!((3..=5).contains(&rng.between(3, 5)));
            assert!(rng.below(7) < 7);
            assert!((0.0..1.0).contains(&rng.unit()));
        }
        assert_eq!(rng.below(0), 0);
    }
}
