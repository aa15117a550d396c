//! Arguments that several commands share.

use std::time::Duration;

use clap::{Args, ValueEnum};
use psi_api::v1::{GuardianMode, Parameter};

/// The field that a command is about.
#[derive(Clone, Debug, Args)]
pub(crate) struct FieldArg {
    /// The field
    #[arg(long, short, value_name = "NAME", default_value = psi_replica::DEFAULT_FIELD, value_parser = parse_field)]
    pub(crate) field: String,
}

/// An empty name is more often a variable that was not set than a wish for `default`.
pub(crate) fn parse_field(name: &str) -> Result<String, String> {
    psi_replica::FieldName::new(name).map(|name| name.to_string()).map_err(|error| error.to_string())
}

/// Parameters given one by one.
#[derive(Clone, Debug, Args)]
pub(crate) struct Changes {
    /// The value of a parameter; repeat for more
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_parameter)]
    pub(crate) changes: Vec<Parameter>,
}

fn parse_parameter(text: &str) -> Result<Parameter, String> {
    let (name, value) = text.split_once('=').ok_or("takes NAME=VALUE, such as dt=0.1")?;
    let value = value.trim().parse().map_err(|_| format!("`{value}` is not a number"))?;
    Ok(Parameter { name: name.trim().to_owned(), value })
}

/// What the guardian of a field does about a threat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Raise the red flag, and leave interventions to people
    Watch,
    /// Raise the red flag and intervene, at most once in 100 steps
    Intervene,
}

impl From<Mode> for GuardianMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Watch => Self::Watch,
            Mode::Intervene => Self::Intervene,
        }
    }
}

/// A time after which a command ends, in seconds.
pub(crate) fn parse_limit(text: &str) -> Result<Duration, String> {
    const SECONDS_MAX: f64 = 1e9;
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= SECONDS_MAX => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("takes seconds above 0, up to {SECONDS_MAX:e}")),
    }
}
