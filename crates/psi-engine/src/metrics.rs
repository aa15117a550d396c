//! The eight numbers that a step answers with.
//!
//! Leaves out how they are computed (see [`crate::synthetic`] and [`crate::core`]) and how they are published.

/// What an engine says of one input.
///
/// All are finite and none is `-0.0` when they come from [`crate::synthetic::score`] or [`crate::core::score`]. The ranges
/// below hold for every engine; where arithmetic saturates, an end that the formula only approaches is reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metrics {
    /// Ψ: overall stability score, logistic; in `[0, 1]`.
    pub density: f64,
    /// C: how well the present binds to the immediate past; in `[-1, 1]`.
    pub continuity: f64,
    /// U: anticipatory grip on the near future; in `[-1, 1]`.
    pub futurity: f64,
    /// Φ: temporal alignment; engine `core` gives a share in `[0, 1]`, `synthetic` an angle in `[0, π)`, radians.
    pub phase_coherence: f64,
    /// H: spread of the present over what is remembered, nats; never negative.
    pub temporal_entropy: f64,
    /// PE: distance between what came and what was expected, in units of the input (`core`: of the latent); never
    /// negative.
    pub prediction_error: f64,
    /// M: active mnemonic capacity; never negative.
    pub memory: f64,
    /// dt_eff: effective integration step, seconds; between the parameters `dt_min` and `dt_max`.
    pub time_dilation: f64,
}

impl Metrics {
    /// The field names, in the order of [`Self::to_array`].
    pub const NAMES: [&'static str; 8] = [
        "density",
        "continuity",
        "futurity",
        "phase_coherence",
        "temporal_entropy",
        "prediction_error",
        "memory",
        "time_dilation",
    ];

    /// The short symbols used in requests and answers, in the order of [`Self::to_array`].
    pub const SYMBOLS: [&'static str; 8] = ["Psi", "C", "U", "Phi", "H", "PE", "M", "dt_eff"];

    /// The numbers in the order of the fields.
    pub const fn to_array(self) -> [f64; 8] {
        let Self {
            density,
            continuity,
            futurity,
            phase_coherence,
            temporal_entropy,
            prediction_error,
            memory,
            time_dilation,
        } = self;
        [density, continuity, futurity, phase_coherence, temporal_entropy, prediction_error, memory, time_dilation]
    }

    /// The reverse of [`Self::to_array`]; takes the numbers as they are.
    pub const fn from_array(numbers: [f64; 8]) -> Self {
        let [density, continuity, futurity, phase_coherence, temporal_entropy, prediction_error, memory, time_dilation] =
            numbers;
        Self {
            density,
            continuity,
            futurity,
            phase_coherence,
            temporal_entropy,
            prediction_error,
            memory,
            time_dilation,
        }
    }

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
    fn negative_zeros_are_dropped() {
        let metrics = Metrics::from_array([-0.0; 8]).without_negative_zeros();
        assert_eq!(metrics.to_array().map(f64::to_bits), [0; 8]);
    }
}
