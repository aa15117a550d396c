//! What a field is: engine, shape and parameters, and how a change of them moves the epoch.

use psi_engine::{EngineKind, Parameters, guardian::Mode};
use psi_replica::{Clock, Digest, Epoch, FieldName};
use psi_stats::Scale;

use crate::{
    component::value::ValueError,
    limits::{WIDTH_DEFAULT, WIDTH_MAX},
    proto,
};

/// What is fixed within an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Name of the engine; one that this build does not know is kept, but can't score.
    pub engine: String,
    /// Numbers in an input vector, 1 to [`WIDTH_MAX`].
    pub width: usize,
    /// What inputs are kept in multiples of.
    pub scale: Scale,
    /// Seed of the engine's randomness.
    pub seed: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self { engine: EngineKind::Synthetic.to_string(), width: WIDTH_DEFAULT, scale: Scale::default(), seed: 0 }
    }
}

impl Shape {
    /// The epoch of a field that takes this shape, or is dropped, at `wall_ms` for the first time.
    #[must_use]
    pub fn epoch_at(&self, wall_ms: u64, dropped: bool) -> Epoch {
        Epoch::IMPLICIT.raised(wall_ms, self.fingerprint(dropped, None))
    }

    /// A number that differs between shapes, for the low bits of the epoch.
    fn fingerprint(&self, dropped: bool, latent: Option<usize>) -> u64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(self.engine.len() as u64).to_le_bytes());
        hasher.update(self.engine.as_bytes());
        hasher.update(&(self.width as u64).to_le_bytes());
        hasher.update(&self.scale.exponent().to_le_bytes());
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(&[u8::from(dropped)]);
        if let Some(latent) = latent {
            hasher.update(&(latent as u64).to_le_bytes());
        }
        Digest::from(hasher).short()
    }
}

/// What is asked of a field: what is fixed within an epoch, and what may change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setup {
    /// Fixed within the epoch.
    pub shape: Shape,
    /// May change within the epoch, but for `latent_dim` where the engine is `core`.
    pub parameters: Parameters,
    /// May change within the epoch.
    pub guardian: Mode,
}

impl From<(Shape, Parameters)> for Setup {
    /// With a guardian that watches.
    fn from((shape, parameters): (Shape, Parameters)) -> Self {
        Self { shape, parameters, guardian: Mode::Watch }
    }
}

impl Setup {
    /// The engine, if this build knows it.
    pub(crate) fn engine(&self) -> Option<EngineKind> {
        self.shape.engine.parse().ok()
    }

    /// Length of the field's latent vectors, if its engine has any. Fixed within an epoch.
    #[must_use]
    pub fn latent(&self) -> Option<usize> {
        (self.engine() == Some(EngineKind::Core)).then(|| self.parameters.latent_dim())
    }
}

/// A field's spec, as some origin wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// What is asked of the field; within an epoch the last writer wins.
    pub setup: Setup,
    /// The field is gone.
    pub dropped: bool,
    /// When the spec was written.
    pub clock: Clock,
}

impl Spec {
    /// The spec of `default` before anybody wrote one: a constant of the protocol version.
    #[must_use]
    pub fn implicit() -> Self {
        Self { setup: Setup::default(), dropped: false, clock: Clock::default() }
    }

    fn fingerprint(&self) -> u64 {
        self.setup.shape.fingerprint(self.dropped, self.setup.latent())
    }

    /// The epoch in which this spec replaces whatever stood in `before`.
    pub(crate) fn epoch_after(&self, before: Epoch) -> Epoch {
        before.raised(self.clock.wall_ms, self.fingerprint())
    }

    /// Whether the spec may stand in `epoch` of `field`: the epoch's low bits are drawn from the shape, and before all
    /// others `default` has the one that it starts with.
    pub(crate) fn belongs_in(&self, field: &FieldName, epoch: Epoch) -> bool {
        if epoch == Epoch::IMPLICIT {
            return field.is_default() && !self.dropped && self.setup.shape == Shape::default();
        }
        epoch.shape_bits() == Epoch::IMPLICIT.raised(0, self.fingerprint()).shape_bits()
    }

    /// Whether another spec fixes the same for an epoch.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        let fixed = |spec: &Self| (spec.setup.shape.clone(), spec.setup.latent(), spec.dropped);
        fixed(self) == fixed(other)
    }

    pub(crate) fn to_proto(&self) -> proto::SpecValue {
        let Setup { shape, parameters, guardian } = &self.setup;
        let guardian = match guardian {
            Mode::Watch => proto::GuardianMode::Watch,
            Mode::Intervene => proto::GuardianMode::Intervene,
        };
        proto::SpecValue {
            clock: Some(self.clock.into()),
            engine: shape.engine.clone(),
            width: u32::try_from(shape.width).unwrap_or(u32::MAX),
            scale_exponent: shape.scale.exponent(),
            seed: shape.seed,
            dropped: self.dropped,
            parameters: parameters.iter().map(|(_, value)| value).collect(),
            guardian: guardian.into(),
            author: None,
        }
    }
}

impl TryFrom<proto::SpecValue> for Spec {
    type Error = ValueError;

    fn try_from(value: proto::SpecValue) -> Result<Self, ValueError> {
        let width = usize::try_from(value.width).unwrap_or(usize::MAX);
        if !value.dropped && !(1..=WIDTH_MAX).contains(&width) {
            return Err(ValueError::Width(width));
        }
        let named = psi_engine::DEFINITIONS.iter().map(|definition| definition.name);
        let parameters = Parameters::default()
            .with(named.zip(value.parameters))
            .map_err(|errors| ValueError::Parameters(errors.iter().map(ToString::to_string).collect()))?;
        let guardian = match proto::GuardianMode::try_from(value.guardian) {
            Ok(proto::GuardianMode::Watch) => Mode::Watch,
            Ok(proto::GuardianMode::Intervene) => Mode::Intervene,
            Err(_) => return Err(ValueError::GuardianMode(value.guardian)),
        };
        let shape = Shape {
            engine: value.engine,
            width,
            scale: Scale::new(value.scale_exponent).map_err(|_| ValueError::Scale(value.scale_exponent))?,
            seed: value.seed,
        };
        Ok(Self {
            setup: Setup { shape, parameters, guardian },
            dropped: value.dropped,
            clock: value.clock.ok_or(ValueError::NoClock)?.into(),
        })
    }
}

/// A field as it now is.
#[derive(Clone, Debug, PartialEq)]
pub struct CurrentSpec {
    /// The field.
    pub field: FieldName,
    /// Its epoch.
    pub epoch: Epoch,
    /// The spec that holds in it.
    pub spec: Spec,
}

/// What a fold of one epoch needs to know of its field; all zero where the field does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EpochShape {
    /// Numbers in an input vector.
    pub(crate) width: usize,
    /// Seed of the engine's randomness.
    pub(crate) seed: u64,
    /// Length of latent vectors, where the engine learns.
    pub(crate) latent: Option<usize>,
}

impl From<&Setup> for EpochShape {
    fn from(setup: &Setup) -> Self {
        Self { width: setup.shape.width, seed: setup.shape.seed, latent: setup.latent() }
    }
}
