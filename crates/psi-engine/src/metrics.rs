//! The eight numbers that a step answers with, a row each.
//!
//! Leaves out how they are computed (see [`crate::synthetic`] and [`crate::core`]) and how they are published.

/// Hands the rows of all metrics to a macro, in the order of [`Metrics::to_array`]:
/// `name "symbol" "letter" "meaning";`, each after its documentation.
///
/// [`Metrics`] is made from these rows, and so is everything that lists its members. To add a metric, add a row here
/// and say in both engines what it is.
#[macro_export]
macro_rules! for_each_metric {
    ($receiver:ident) => {
        $receiver! {
            /// Ψ: overall stability score, logistic; in `[0, 1]`.
            density "Psi" "Ψ" "Density (Psi): overall stability, 0 to 1";
            /// C: how well the present binds to the immediate past; in `[-1, 1]`.
            continuity "C" "C" "Continuity (C): how well the present binds to the immediate past";
            /// U: anticipatory grip on the near future; in `[-1, 1]`.
            futurity "U" "U" "Futurity (U): anticipatory grip on the near future";
            /// Φ: temporal alignment; engine `core` gives a share in `[0, 1]`, `synthetic` an angle in `[0, π)`,
            /// radians.
            phase_coherence "Phi" "Φ" "Phase coherence (Phi): temporal alignment";
            /// H: spread of the present over what is remembered, nats; never negative.
            temporal_entropy "H" "H" "Temporal entropy (H), nats";
            /// PE: distance between input and expectation, in units of the input (`core`: of the latent);
            /// never negative.
            prediction_error "PE" "PE" "Prediction error (PE)";
            /// M: active mnemonic capacity; never negative.
            memory "M" "M" "Active mnemonic capacity (M)";
            /// dt_eff: effective integration step, seconds; between the parameters `dt_min` and `dt_max`.
            time_dilation "dt_eff" "dt_eff" "Effective integration step (dt_eff), seconds";
        }
    };
}

macro_rules! declare {
    ($($(#[$documentation:meta])* $name:ident $symbol:literal $letter:literal $meaning:literal;)+) => {
        /// What an engine says of one input.
        ///
        /// All are finite and none is `-0.0` when they come from [`crate::synthetic::score`] or [`crate::core::score`].
        /// The ranges below hold for every engine; where arithmetic saturates, an end that the formula only approaches
        /// is reached.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct Metrics {
            $($(#[$documentation])* pub $name: f64,)+
        }

        impl Metrics {
            /// How many there are.
            pub const COUNT: usize = Self::NAMES.len();

            /// The field names, in the order of [`Self::to_array`].
            pub const NAMES: [&'static str; 8] = [$(stringify!($name)),+];

            /// The short symbols used in requests and answers, in the order of [`Self::to_array`].
            pub const SYMBOLS: [&'static str; Self::COUNT] = [$($symbol),+];

            /// The symbols as formulas write them, in the order of [`Self::to_array`].
            pub const LETTERS: [&'static str; Self::COUNT] = [$($letter),+];

            /// One line on each, in the order of [`Self::to_array`].
            pub const MEANINGS: [&'static str; Self::COUNT] = [$($meaning),+];

            /// The numbers in the order of the fields.
            pub const fn to_array(self) -> [f64; Self::COUNT] {
                let Self { $($name),+ } = self;
                [$($name),+]
            }

            /// The reverse of [`Self::to_array`]; takes the numbers as they are.
            pub const fn from_array(numbers: [f64; Self::COUNT]) -> Self {
                let [$($name),+] = numbers;
                Self { $($name),+ }
            }
        }
    };
}
for_each_metric!(declare);

impl Metrics {
    /// The same numbers with every `-0.0` turned to `0.0`, so that equal metrics have equal bits.
    pub(crate) fn without_negative_zeros(self) -> Self {
        Self::from_array(self.to_array().map(|number| number + 0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_follow_the_order_of_the_names() {
        let numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let metrics = Metrics::from_array(numbers);
        assert_eq!(metrics.to_array(), numbers);
        let by_name = format!("{metrics:?}");
        for (name, number) in Metrics::NAMES.iter().zip(numbers) {
            assert!(by_name.contains(&format!("{name}: {number:?}")), "{name}");
        }
    }

    #[test]
    fn a_meaning_names_the_symbol() {
        for (meaning, symbol) in Metrics::MEANINGS.iter().zip(Metrics::SYMBOLS) {
            assert!(meaning.contains(symbol), "{meaning}");
        }
    }

    #[test]
    fn negative_zeros_are_dropped() {
        let metrics = Metrics::from_array([-0.0; 8]).without_negative_zeros();
        assert_eq!(metrics.to_array().map(f64::to_bits), [0; 8]);
    }
}
