//! Changes of a field, and what makes a setup invalid.

use psi_api::Cause;
use psi_engine::{EngineKind, ParameterError, Parameters, UnknownEngine, guardian::Mode};
use psi_state::{Setup, Shape, WIDTH_MAX};
use psi_stats::{Scale, ScaleError};
use tonic::Code;

/// A change of a field, as a client wrote it. `None` keeps what the field has; a new field has the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FieldPatch {
    pub(crate) engine: Option<String>,
    pub(crate) width: Option<usize>,
    pub(crate) scale_exponent: Option<i32>,
    pub(crate) seed: Option<u64>,
    pub(crate) guardian: Option<Mode>,
    pub(crate) parameters: Vec<(String, f64)>,
}

/// Why no field may have a setup; one cause of perhaps several.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum InvalidSetup {
    #[error(transparent)]
    Engine(#[from] UnknownEngine),
    #[error("a field takes vectors of 1 to {WIDTH_MAX} numbers, not {0}")]
    Width(usize),
    #[error(transparent)]
    Scale(#[from] ScaleError),
    #[error("{0} parameters were given, there are {count}", count = psi_engine::DEFINITIONS.len())]
    TooManyParameters(usize),
    #[error(transparent)]
    Parameter(#[from] ParameterError),
}

/// The setup of a new field, where the client names nothing.
pub(crate) fn new_field() -> Setup {
    let shape = Shape { engine: EngineKind::Core.to_string(), ..Shape::default() };
    Setup { shape, parameters: Parameters::default(), guardian: Mode::Intervene }
}

/// The setup that a reset starts from: the field's, with default parameters.
pub(crate) fn with_default_parameters(setup: Setup) -> Setup {
    Setup { parameters: Parameters::default(), ..setup }
}

impl FieldPatch {
    /// The setup with this change.
    ///
    /// # Errors
    /// Everything that is invalid in it.
    pub(crate) fn apply_to(&self, setup: Setup) -> Result<Setup, Vec<InvalidSetup>> {
        let mut wrong = Vec::new();
        let Setup { mut shape, mut parameters, guardian } = setup;
        if let Some(engine) = &self.engine {
            wrong.extend(engine.parse::<EngineKind>().err().map(InvalidSetup::Engine));
            shape.engine.clone_from(engine);
        }
        if let Some(width) = self.width {
            wrong.extend((!(1..=WIDTH_MAX).contains(&width)).then_some(InvalidSetup::Width(width)));
            shape.width = width;
        }
        match self.scale_exponent.map(Scale::new).transpose() {
            Ok(scale) => shape.scale = scale.unwrap_or(shape.scale),
            Err(error) => wrong.push(InvalidSetup::Scale(error)),
        }
        shape.seed = self.seed.unwrap_or(shape.seed);
        match self.apply_parameters_to(&parameters) {
            Ok(changed) => parameters = changed,
            Err(errors) => wrong.extend(errors),
        }
        let guardian = self.guardian.unwrap_or(guardian);
        if wrong.is_empty() { Ok(Setup { shape, parameters, guardian }) } else { Err(wrong) }
    }

    fn apply_parameters_to(&self, parameters: &Parameters) -> Result<Parameters, Vec<InvalidSetup>> {
        const CHANGES_MAX: usize = 2 * psi_engine::DEFINITIONS.len();
        let changes = &self.parameters;
        if changes.len() > CHANGES_MAX {
            return Err(vec![InvalidSetup::TooManyParameters(changes.len())]);
        }
        let changes = changes.iter().map(|(name, value)| (name.as_str(), *value));
        parameters.with(changes).map_err(|errors| errors.into_iter().map(InvalidSetup::Parameter).collect())
    }
}

impl From<&InvalidSetup> for Cause {
    fn from(invalid: &InvalidSetup) -> Self {
        let cause = |reason| Self::new(Code::InvalidArgument, reason, invalid);
        match invalid {
            InvalidSetup::Engine(unknown) => cause("UNKNOWN_ENGINE").with("got", &unknown.got),
            InvalidSetup::Width(got) => cause("BAD_SHAPE").with("got", got).with("limit", WIDTH_MAX),
            InvalidSetup::Scale(error) => cause("BAD_SHAPE").with("scale_exponent", error.exponent),
            InvalidSetup::TooManyParameters(got) => cause("BAD_PARAMETER").with("got", got),
            InvalidSetup::Parameter(_) => cause("BAD_PARAMETER"),
        }
    }
}

/// One cause for all: the reason and values of the first, and the messages of each.
///
/// # Panics
/// If there is none.
pub(crate) fn cause_of_all(wrong: &[InvalidSetup]) -> Cause {
    let first = Cause::from(wrong.first().expect("something is wrong"));
    let all: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    let Cause { code, reason, metadata, .. } = first;
    Cause { metadata, ..Cause::new(code, reason, all.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch_of(parameters: &[(&str, f64)]) -> FieldPatch {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        FieldPatch { parameters, ..FieldPatch::default() }
    }

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let shape = Shape { engine: "synthetic".to_owned(), width: 3, seed: 9, ..Shape::default() };
        let setup = Setup {
            shape,
            parameters: Parameters::default().with([("dt", 0.1)]).expect("valid"),
            guardian: Mode::Watch,
        };
        assert_eq!(FieldPatch::default().apply_to(setup.clone()), Ok(setup.clone()));
        let changed = patch_of(&[("lambda", 0.7)]).apply_to(setup.clone()).expect("valid");
        assert_eq!((changed.parameters.dt(), changed.parameters.lambda()), (0.1, 0.7));
        let reset = patch_of(&[("lambda", 0.7)]).apply_to(with_default_parameters(setup.clone())).expect("valid");
        assert_eq!((reset.parameters.dt(), reset.parameters.lambda()), (0.2, 0.7));
        let all = FieldPatch {
            engine: Some("core".to_owned()),
            width: Some(4),
            scale_exponent: Some(-2),
            seed: Some(7),
            guardian: Some(Mode::Intervene),
            parameters: Vec::new(),
        };
        let Setup { shape, guardian, .. } = all.apply_to(setup).expect("valid");
        let got = (shape.engine.as_str(), shape.width, shape.scale.exponent(), shape.seed, guardian);
        assert_eq!(got, ("core", 4, -2, 7, Mode::Intervene));
    }

    #[test]
    fn everything_invalid_is_named_at_once() {
        let wrong = FieldPatch {
            engine: Some("cor".to_owned()),
            width: Some(0),
            scale_exponent: Some(99_999),
            ..patch_of(&[("latentdim", 8.0), ("dt_min", 0.4), ("dt_max", 0.3)])
        };
        let cause = cause_of_all(&wrong.apply_to(new_field()).expect_err("wrong"));
        assert_eq!(cause.reason, "UNKNOWN_ENGINE");
        for part in ["did you mean `core`?", "1 to 4096 numbers, not 0", "99999", "`latent_dim`?", "`dt_min` = 0.4"] {
            assert!(cause.message.contains(part), "{part}: {}", cause.message);
        }
    }

    /// Which of two parameters is too high depends on what the field has.
    #[test]
    fn parameters_are_judged_together_with_those_that_stay() {
        let setup = patch_of(&[("dt_max", 1.0)]).apply_to(new_field()).expect("valid");
        assert!(patch_of(&[("dt_min", 0.9)]).apply_to(setup.clone()).is_ok());
        assert!(patch_of(&[("dt_min", 0.9)]).apply_to(with_default_parameters(setup)).is_err());
        let too_many = 2 * psi_engine::DEFINITIONS.len() + 1;
        let many = vec![("dt", 0.1); too_many];
        assert_eq!(patch_of(&many).apply_to(new_field()), Err(vec![InvalidSetup::TooManyParameters(too_many)]));
    }
}
