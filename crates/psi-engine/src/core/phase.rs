//! Φ: how well the phases of the moment, of the latents retained and of the rollouts agree.

use super::numeric::{SPREAD_GUARD, mean_and_std};

/// |mean of e^{i·θ(v)}| over `vectors`, with θ(v) = atan2(mean v, std v + ε_h): 1 if all phases are equal, 0 if there
/// is no vector.
///
/// The sine and cosine of that angle are its arguments over their hypotenuse, so none is computed.
pub(crate) fn phase_coherence<'a>(vectors: impl Iterator<Item = &'a [f64]>) -> f64 {
    let (mut real, mut imaginary, mut count) = (0.0, 0.0, 0.0_f64);
    for vector in vectors {
        let (mean, std) = mean_and_std(vector);
        let spread = std + SPREAD_GUARD;
        let radius = (spread * spread + mean * mean).sqrt();
        real += spread / radius;
        imaginary += mean / radius;
        count += 1.0;
    }
    (real * real + imaginary * imaginary).sqrt() / count.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn coherence(vectors: &[Vec<f64>]) -> f64 {
        phase_coherence(vectors.iter().map(Vec::as_slice))
    }

    #[test]
    fn phases_that_agree_are_coherent() {
        assert_eq!(coherence(&[]), 0.0);
        assert_eq!(coherence(&[vec![0.0; 4]]), 1.0);
        // 45° up and 45° down: at right angles to each other.
        let apart = coherence(&[vec![0.0, 2.0], vec![0.0, -2.0]]);
        assert!((apart - 0.5_f64.sqrt()).abs() < 1e-8, "{apart}");
    }

    proptest! {
        #[test]
        fn coherence_is_the_length_of_the_mean_of_unit_vectors(
            vectors in prop::collection::vec(prop::collection::vec(-3.0..3.0, 1..20), 1..30),
        ) {
            let angles = vectors.iter().map(|vector| {
                let (mean, std) = mean_and_std(vector);
                libm::atan2(mean, std + SPREAD_GUARD)
            });
            let (real, imaginary) = angles.fold((0.0, 0.0), |(real, imaginary), angle| {
                (real + libm::cos(angle), imaginary + libm::sin(angle))
            });
            let want = libm::hypot(real, imaginary) / vectors.len() as f64;
            prop_assert!((coherence(&vectors) - want).abs() < 1e-12);
        }
    }
}
