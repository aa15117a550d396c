//! The parameters of a replay: the defaults, changed by what the recording says, and by what the user says.

use std::{fs, path::Path};

use psi_engine::Parameters;
use toml::{Table, Value};

use crate::output::Failure;

/// Values by name; of two with one name the later counts.
pub(super) type NamedValues = Vec<(String, f64)>;

/// Reads a file of lines such as `dt = 0.1`.
///
/// # Errors
/// If it can't be read, or a value is no number.
pub(super) fn read(path: &Path) -> Result<NamedValues, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| Failure::usage(format!("can't read {shown}: {error}")))?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        Failure::usage(format!("{shown}, line {line}: {}", error.message()))
    })?;
    table.into_iter().map(|(name, value)| number(path, name, &value)).collect()
}

fn number(path: &Path, name: String, value: &Value) -> Result<(String, f64), Failure> {
    match value {
        Value::Float(number) => Ok((name, *number)),
        // Integers lose digits only far beyond the limits of every parameter.
        Value::Integer(number) => Ok((name, *number as f64)),
        other => {
            let (path, kind) = (path.display(), other.type_str());
            Err(Failure::usage(format!("{path}: parameter `{name}` takes a number; its value is of type {kind}")))
        }
    }
}

/// The parameters of one run. `fixed` are those that the arrays of a trace decide; `source` says where `given` is from.
///
/// # Errors
/// Every parameter that is unknown, out of range, or other than it is fixed.
pub(super) fn of_run(
    base: &[(String, f64)],
    fixed: &[(&'static str, f64)],
    given: &[(String, f64)],
    source: &str,
) -> Result<Parameters, Failure> {
    let named = |(name, value): &'_ (String, f64)| (name.clone(), *value);
    let fixed_ones = fixed.iter().map(|(name, value)| ((*name).to_owned(), *value));
    let all: NamedValues = base.iter().map(named).chain(fixed_ones).chain(given.iter().map(named)).collect();
    let parameters = Parameters::default()
        .with(all.iter().map(|(name, value)| (name.as_str(), *value)))
        .map_err(|errors| refused(source, errors.iter().map(ToString::to_string)))?;
    let moved = fixed.iter().filter(|(name, value)| parameters.value(name) != Some(*value));
    let moved: Vec<String> = moved.map(|(name, value)| format!("the trace's arrays fix `{name}` at {value}")).collect();
    if moved.is_empty() { Ok(parameters) } else { Err(refused(source, moved.into_iter())) }
}

fn refused(source: &str, reasons: impl Iterator<Item = String>) -> Failure {
    Failure::usage(format!("{source}: {}", reasons.collect::<Vec<_>>().join("\n  ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(values: &[(&str, f64)]) -> NamedValues {
        values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    fn read_text(text: &str) -> Result<NamedValues, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.toml");
        fs::write(&path, text).unwrap();
        let shown = path.display().to_string();
        read(&path).map_err(|failure| failure.message.replace(&shown, "p.toml"))
    }

    #[test]
    fn files_have_numbers_by_name() {
        assert_eq!(read_text("dt = 0.1\nN = 4\n"), Ok(named(&[("N", 4.0), ("dt", 0.1)])));
        for (text, want) in [
            ("dt = \"fast\"", "p.toml: parameter `dt` takes a number; its value is of type string"),
            ("[engine]\ndt = 1", "p.toml: parameter `engine` takes a number; its value is of type table"),
        ] {
            assert_eq!(read_text(text), Err(want.to_owned()));
        }
        let message = read_text("dt = 0.1\nN = =\n").unwrap_err();
        assert!(message.starts_with("p.toml, line 2: "), "{message}");
    }

    #[test]
    fn what_the_user_says_counts_and_arrays_are_not_to_be_moved() {
        let base = named(&[("dt", 0.1), ("w1", 2.0)]);
        let fixed = [("latent_dim", 8.0), ("N", 2.0)];
        let got = of_run(&base, &fixed, &named(&[("dt", 0.3)]), "p").unwrap();
        for (name, want) in [("dt", 0.3), ("w1", 2.0), ("latent_dim", 8.0), ("N", 2.0), ("w2", 0.8)] {
            assert_eq!(got.value(name), Some(want), "{name}");
        }
        assert!(of_run(&base, &fixed, &named(&[("N", 2.0)]), "p").is_ok());
        for (given, want) in [
            ([("N", 8.0), ("dt", 0.3)], "p: the trace's arrays fix `N` at 2"),
            (
                [("lamda", 1.0), ("dt", -1.0)],
                "p: no parameter is called `lamda`; did you mean `lambda_`?\n  parameter `dt` takes 0.001 to 60, not -1",
            ),
        ] {
            assert_eq!(of_run(&base, &fixed, &named(&given), "p").unwrap_err().message, want);
        }
    }
}
