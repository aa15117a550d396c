//! What a comparison came to, and how severe that is.

/// A window against a baseline, in one column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The population stability index.
    pub psi: f64,
    /// What of it is beyond what the baseline does by itself: so it means the same whatever the number of inputs.
    pub excess: f64,
    /// How probable so great an index is though nothing has changed; of this column alone.
    pub probability: f64,
}

/// From when on something is taken for drift.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// The excess of a warning.
    pub warning: f64,
    /// The excess that is critical.
    pub critical: f64,
    /// Nothing more probable than this is drift.
    pub alpha: f64,
    /// Nor is what is more probable than this, until it has lasted. Many looks are taken, and what chance alone brings
    /// about goes by.
    pub alpha_at_once: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { warning: 0.1, critical: 0.25, alpha: 1e-4, alpha_at_once: 1e-5 }
    }
}

impl Thresholds {
    /// What may be chance stays below this.
    const CHANCE_LIMIT: f64 = 0.49;

    /// How severe an excess is, from 0 to 1: a warning from 0.5 on, critical from 0.8 on. `looks` is how many comparisons
    /// were made at once: the more, the less probable each must be. What may be chance is the less severe the more
    /// probable it is.
    #[must_use]
    pub fn severity(&self, comparison: &Comparison, looks: u32, has_lasted: bool) -> f64 {
        let Comparison { excess, probability, psi: _ } = *comparison;
        let severity = if excess < self.warning {
            0.5 * excess / self.warning
        } else if excess < self.critical {
            0.5 + 0.3 * (excess - self.warning) / (self.critical - self.warning)
        } else {
            1.0 - 0.2 * self.critical / excess
        };
        let alpha = if has_lasted { self.alpha } else { self.alpha_at_once };
        let probability = (probability * f64::from(looks)).min(1.0);
        if probability <= alpha {
            return severity;
        }
        // Never -0.0, so that equal severities are equal bits.
        severity.min(Self::CHANCE_LIMIT * libm::log(probability) / libm::log(alpha)) + 0.0
    }

    /// Whether a comparison is so improbable that it is drift if it lasts.
    #[must_use]
    pub fn is_improbable(&self, comparison: &Comparison, looks: u32) -> bool {
        comparison.probability * f64::from(looks) <= self.alpha
    }
}
