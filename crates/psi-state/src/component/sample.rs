//! Values such as some origin could write, honest or not: what the laws are tried on.

use psi_engine::{
    EngineKind, Parameters,
    core::FieldTime,
    guardian::{Mode, Threat},
};
use psi_replica::{Clock, NodeId, Origin, Scope};
use psi_stats::{Moments, Scale, quantize};

use crate::spec::{Setup, Shape, Spec};

/// A wall clock on some day in 2025.
const WALL_MS: u64 = 1_750_000_000_000;

/// Splitmix64 (Steele et al., 2014).
#[derive(Clone, Debug)]
pub(crate) struct SampleRng(pub(crate) u64);

impl SampleRng {
    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.bits() % n.max(1)
    }

    /// A number of [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something with so many percent comes true.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Of few moments, so that clocks repeat; or within two minutes, so that seconds leave the window.
    pub(crate) fn clock(&mut self) -> Clock {
        let span = if self.chance(50) { 4 } else { 120_000 };
        Clock { wall_ms: WALL_MS - 60_000 + self.below(span), counter: 0 }
    }

    /// One of three.
    pub(crate) fn origin(&mut self) -> Origin {
        let name = ["a", "liar", "z"][usize::try_from(self.below(3)).unwrap_or(0)];
        Origin { node: NodeId::new(name).expect("a name"), incarnation: 1 }
    }

    /// One of two ended ones, which write nothing. Entries of different `part` have none in common.
    pub(crate) fn author(&mut self, part: u64) -> Origin {
        Origin { node: NodeId::new("ended").expect("a name"), incarnation: 1 + 2 * part + self.below(2) }
    }

    /// A threat.
    pub(crate) fn threat(&mut self) -> Threat {
        [Threat::HighPredictionError, Threat::LowDensity, Threat::HighEntropy]
            [usize::try_from(self.below(3)).unwrap_or(0)]
    }

    /// Moments of a few vectors.
    pub(crate) fn moments(&mut self, width: usize) -> Moments {
        let mut moments = Moments::new(width);
        for _ in 0..self.below(4) {
            let numbers: Vec<f64> = (0..width).map(|_| self.unit()).collect();
            let fixed = quantize(&numbers, Scale::default()).expect("small numbers");
            moments.add(&fixed).expect("few vectors");
        }
        moments
    }

    /// A setup of one of two shapes.
    pub(crate) fn setup(&mut self) -> Setup {
        let engine = if self.chance(50) { EngineKind::Synthetic } else { EngineKind::Core };
        let small = [("latent_dim", 2.0), ("N", 2.0), ("C_w", 3.0), ("W_r", 1.0)];
        let shape = Shape { engine: engine.to_string(), width: 3, seed: 7, ..Shape::default() };
        let parameters = Parameters::default().with(small).expect("good parameters");
        Setup { guardian: Mode::Intervene, ..(shape, parameters).into() }
    }

    /// A spec; where the epoch of the scope fits none, one that it was drawn from must be looked for.
    pub(crate) fn spec_in(&mut self, scope: &Scope) -> Spec {
        let clock = self.clock();
        let spec = Spec { setup: self.setup(), dropped: false, clock };
        match scope {
            Scope::Epoch(field, epoch) if !spec.belongs_in(field, *epoch) => self.spec_in(scope),
            _ => spec,
        }
    }

    /// A vector of the latent length, or one of another.
    pub(crate) fn vector(&mut self) -> Vec<f64> {
        let length = 2 + usize::from(self.chance(5));
        let size = if self.chance(3) { 9e99 } else { 1.0 };
        (0..length).map(|_| size * (self.unit() - 0.5)).collect()
    }

    /// A field time.
    pub(crate) fn time(&mut self) -> FieldTime {
        let high = if self.chance(5) { i128::MIN >> 1 } else { 0 };
        FieldTime(high + i128::from(self.bits()))
    }
}
