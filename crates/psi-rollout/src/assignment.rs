//! Which version answers a key, and which bucket of keys it counts in. Every node says the same, and so does a client
//! without a network: `proto/assignment.json` has examples for other languages.

use std::fmt;

use crate::{name::RolloutId, text::shown};

/// Buckets of keys that outcomes are counted in.
pub const BUCKETS: usize = 64;
/// Longest key of a step, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// Shares are counted in hundredths of a percent.
const WHOLE: u16 = 10_000;

/// A share of the keys, in hundredths of a percent: 0 to 100 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u16);

/// A number that is no [`Percent`].
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is no percentage: give 0 to 100, with at most two decimals")]
pub struct PercentError(pub f64);

/// Who answers a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arm {
    /// The version that answers by default.
    Champion,
    /// The version that is rolled out.
    Canary,
}

/// What a step is assigned by: a user, a device, an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepKey<'a>(&'a str);

/// A text that is no key of a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key `{}` has {bytes} bytes: give 1 to {KEY_BYTES_MAX}, or leave it out and the champion answers", shown(.got, 40))]
pub struct KeyError {
    /// The text, cut if it is absurdly long.
    pub got: String,
    /// Its length in bytes.
    pub bytes: usize,
}

/// Where a key stands in a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash {
    number: u16,
    bucket: u8,
}

impl Percent {
    /// No key.
    pub const ZERO: Self = Self(0);
    /// Every key.
    pub const ALL: Self = Self(WHOLE);

    /// The share for a number of percent.
    ///
    /// # Errors
    /// [`PercentError`] outside 0 to 100, and where more than two decimals are given.
    pub fn new(percent: f64) -> Result<Self, PercentError> {
        let hundredths = (percent * 100.0).round();
        // 0.29 · 100 is not 29 in binary: what counts is that the number is the closest one to its two decimals.
        if !(0.0..=f64::from(WHOLE)).contains(&hundredths) || hundredths / 100.0 != percent {
            return Err(PercentError(percent));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number of 0 to 10,000")]
        Ok(Self(hundredths as u16))
    }

    /// Hundredths of a percent: 0 to 10,000.
    #[must_use]
    pub fn hundredths(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(self.0) / 100.0)
    }
}

impl Arm {
    /// Its name in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Champion => "champion",
            Self::Canary => "canary",
        }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl<'a> StepKey<'a> {
    /// The key of a step.
    ///
    /// # Errors
    /// [`KeyError`] if it is empty or longer than [`KEY_BYTES_MAX`].
    pub fn new(key: &'a str) -> Result<Self, KeyError> {
        if (1..=KEY_BYTES_MAX).contains(&key.len()) {
            return Ok(Self(key));
        }
        Err(KeyError { got: key.chars().take(80).collect(), bytes: key.len() })
    }
}

impl KeyHash {
    /// Hashes a key. The digest is BLAKE3 of the rollout's id and the key, both in UTF-8, with nothing between them.
    #[must_use]
    pub fn new(rollout: &RolloutId, key: StepKey<'_>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(rollout.as_str().as_bytes()).update(key.0.as_bytes());
        let digest = hasher.finalize();
        let [a, b, c, d, e, f, g, h, bucket, ..] = *digest.as_bytes();
        let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]) % u64::from(WHOLE);
        Self { number: u16::try_from(number).unwrap_or(WHOLE), bucket: bucket & 63 }
    }

    /// The first 8 bytes of the digest, the first one highest (big-endian), mod 10,000: 0 to 9,999.
    #[must_use]
    pub fn number(self) -> u16 {
        self.number
    }

    /// The lowest six bits of the digest's ninth byte: 0 to 63. No bit of it takes part in [`Self::number`], so a bucket
    /// holds keys of both arms.
    #[must_use]
    pub fn bucket(self) -> u8 {
        self.bucket
    }

    /// Who answers this key: the canary if [`Self::number`] is below `percent` · 100. More percent only adds keys.
    #[must_use]
    pub fn arm(self, percent: Percent) -> Arm {
        if self.number < percent.0 { Arm::Canary } else { Arm::Champion }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_two_decimals() {
        for hundredths in 0..=10_000_u16 {
            let percent = Percent::new(f64::from(hundredths) / 100.0).expect("two decimals");
            assert_eq!(percent.hundredths(), hundredths);
        }
        for bad in [-0.01, 100.01, 0.001, 33.333, f64::NAN, f64::INFINITY] {
            assert!(Percent::new(bad).is_err(), "{bad}");
        }
        assert_eq!(Percent::new(12.5).expect("a percentage").to_string(), "12.5 %");
        assert_eq!(PercentError(120.0).to_string(), "120 is no percentage: give 0 to 100, with at most two decimals");
    }

    #[test]
    fn keys_have_a_length() {
        assert!(StepKey::new("u").is_ok() && StepKey::new(&"x".repeat(256)).is_ok());
        assert!(StepKey::new(&"x".repeat(257)).is_err());
        assert_eq!(
            StepKey::new("").expect_err("no key").to_string(),
            "key `` has 0 bytes: give 1 to 256, or leave it out and the champion answers"
        );
    }
}
