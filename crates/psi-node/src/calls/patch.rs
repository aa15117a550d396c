//! What a client asks of a field, and what no field may be.

use psi_api::Cause;
use psi_engine::{EngineKind, ParameterError, Parameters, UnknownEngine, guardian::Mode};
use psi_replica::{Setup, Shape, WIDTH_MAX};
use psi_stats::{Scale, ScaleError};
use tonic::Code;

/// What a client asks of a field, as it wrote it. `None` leaves a thing as it is or, in a new field, at its default.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) engine: Option<String>,
    pub(crate) width: Option<usize>,
    pub(crate) scale_exponent: Option<i32>,
    pub(crate) seed: Option<u64>,
    pub(crate) guardian: Option<Mode>,
    pub(crate) parameters: Vec<(String, f64)>,
}

/// One thing that no field may be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Unfit {
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

/// What a new field is where its maker does not say.
pub(crate) fn new_field() -> Setup {
    let shape = Shape { engine: EngineKind::Core.to_string(), ..Shape::default() };
    Setup { shape, parameters: Parameters::default(), guardian: Mode::Intervene }
}

/// What a field starts over with where nobody says: as it is, parameters at their defaults.
pub(crate) fn started_over(held: Setup) -> Setup {
    Setup { parameters: Parameters::default(), ..held }
}

impl Wanted {
    /// `setup` with what is wanted.
    ///
    /// # Errors
    /// All that no field may be.
    pub(crate) fn over(&self, setup: Setup) -> Result<Setup, Vec<Unfit>> {
        let mut wrong = Vec::new();
        let Setup { mut shape, mut parameters, guardian } = setup;
        if let Some(engine) = &self.engine {
            wrong.extend(engine.parse::<EngineKind>().err().map(Unfit::Engine));
            shape.engine.clone_from(engine);
        }
        if let Some(width) = self.width {
            wrong.extend((!(1..=WIDTH_MAX).contains(&width)).then_some(Unfit::Width(width)));
            shape.width = width;
        }
        match self.scale_exponent.map(Scale::new).transpose() {
            Ok(scale) => shape.scale = scale.unwrap_or(shape.scale),
            Err(error) => wrong.push(Unfit::Scale(error)),
        }
        shape.seed = self.seed.unwrap_or(shape.seed);
        match self.parameters_over(&parameters) {
            Ok(changed) => parameters = changed,
            Err(errors) => wrong.extend(errors),
        }
        let guardian = self.guardian.unwrap_or(guardian);
        if wrong.is_empty() { Ok(Setup { shape, parameters, guardian }) } else { Err(wrong) }
    }

    fn parameters_over(&self, parameters: &Parameters) -> Result<Parameters, Vec<Unfit>> {
        const GIVEN_MAX: usize = 2 * psi_engine::DEFINITIONS.len();
        let given = &self.parameters;
        if given.len() > GIVEN_MAX {
            return Err(vec![Unfit::TooManyParameters(given.len())]);
        }
        let changes = given.iter().map(|(name, value)| (name.as_str(), *value));
        parameters.with(changes).map_err(|errors| errors.into_iter().map(Unfit::Parameter).collect())
    }
}

impl From<&Unfit> for Cause {
    fn from(unfit: &Unfit) -> Self {
        let cause = |reason| Self::new(Code::InvalidArgument, reason, unfit);
        match unfit {
            Unfit::Engine(unknown) => cause("UNKNOWN_ENGINE").with("got", &unknown.got),
            Unfit::Width(got) => cause("BAD_SHAPE").with("got", got).with("limit", WIDTH_MAX),
            Unfit::Scale(error) => cause("BAD_SHAPE").with("scale_exponent", error.exponent),
            Unfit::TooManyParameters(got) => cause("BAD_PARAMETER").with("got", got),
            Unfit::Parameter(_) => cause("BAD_PARAMETER"),
        }
    }
}

/// One cause for all: the first one's reason and values, and what there is to say of each.
///
/// # Panics
/// If nothing is wrong.
pub(crate) fn cause_of_all(wrong: &[Unfit]) -> Cause {
    let first = Cause::from(wrong.first().expect("something is wrong"));
    let all: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    let Cause { code, reason, metadata, .. } = first;
    Cause { metadata, ..Cause::new(code, reason, all.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(parameters: &[(&str, f64)]) -> Wanted {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Wanted { parameters, ..Wanted::default() }
    }

    #[test]
    fn what_is_not_wanted_otherwise_stays() {
        let shape = Shape { engine: "synthetic".to_owned(), width: 3, seed: 9, ..Shape::default() };
        let held = Setup {
            shape,
            parameters: Parameters::default().with([("dt", 0.1)]).expect("valid"),
            guardian: Mode::Watch,
        };
        assert_eq!(Wanted::default().over(held.clone()), Ok(held.clone()));
        let changed = wanted(&[("lambda", 0.7)]).over(held.clone()).expect("valid");
        assert_eq!((changed.parameters.dt(), changed.parameters.lambda()), (0.1, 0.7));
        let reset = wanted(&[("lambda", 0.7)]).over(started_over(held.clone())).expect("valid");
        assert_eq!((reset.parameters.dt(), reset.parameters.lambda()), (0.2, 0.7));
        let all = Wanted {
            engine: Some("core".to_owned()),
            width: Some(4),
            scale_exponent: Some(-2),
            seed: Some(7),
            guardian: Some(Mode::Intervene),
            parameters: Vec::new(),
        };
        let Setup { shape, guardian, .. } = all.over(held).expect("valid");
        let got = (shape.engine.as_str(), shape.width, shape.scale.exponent(), shape.seed, guardian);
        assert_eq!(got, ("core", 4, -2, 7, Mode::Intervene));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let wrong = Wanted {
            engine: Some("cor".to_owned()),
            width: Some(0),
            scale_exponent: Some(99_999),
            ..wanted(&[("latentdim", 8.0), ("dt_min", 0.4), ("dt_max", 0.3)])
        };
        let cause = cause_of_all(&wrong.over(new_field()).expect_err("wrong"));
        assert_eq!(cause.reason, "UNKNOWN_ENGINE");
        for part in ["did you mean `core`?", "1 to 4096 numbers, not 0", "99999", "`latent_dim`?", "`dt_min` = 0.4"] {
            assert!(cause.message.contains(part), "{part}: {}", cause.message);
        }
    }

    /// Which of two parameters is too high depends on what the field has.
    #[test]
    fn parameters_are_judged_together_with_those_that_stay() {
        let held = wanted(&[("dt_max", 1.0)]).over(new_field()).expect("valid");
        assert!(wanted(&[("dt_min", 0.9)]).over(held.clone()).is_ok());
        assert!(wanted(&[("dt_min", 0.9)]).over(started_over(held)).is_err());
        let many = vec![("dt", 0.1); 51];
        assert_eq!(wanted(&many).over(new_field()), Err(vec![Unfit::TooManyParameters(51)]));
    }
}
