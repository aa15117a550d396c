//! The body of `/init`: parameters by name.

use psi_engine::Parameters;

use super::{
    json::{JsonObject, JsonValue},
    parse::{not_a, parameter_problem, parse},
};
use crate::http::refusal::Refusal;

/// The parameters that a body of `/init` names.
///
/// # Errors
/// [`Refusal`] with all that are wrong.
pub(in crate::http) fn read(bytes: &[u8]) -> Result<Vec<(String, f64)>, Refusal> {
    let JsonObject(members) = parse(bytes)?;
    let mut problems = Vec::new();
    let mut named = Vec::new();
    for (name, value) in members {
        match value {
            JsonValue::Number(value) => named.push((name, value)),
            // Known or not, which the check below says.
            other => problems.push(not_a("a number", "type_error.float", &name, &other)),
        }
    }
    let changes = named.iter().map(|(name, value)| (name.as_str(), *value));
    if let Err(errors) = Parameters::default().with(changes) {
        problems.extend(errors.iter().map(|error| parameter_problem(&["body"], error)));
    }
    if problems.is_empty() { Ok(named) } else { Err(Refusal::invalid("BAD_PARAMETER", problems)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_wrong_parameters_are_named() {
        let body =
            b"{\"dt\": 0, \"N\": 2.5, \"latentdim\": 8, \"w1\": \"a\", \"dt_min\": 0.4, \"dt_max\": 0.3, \"W_r\": 2}";
        let refusal = read(body).expect_err("wrong");
        assert_eq!(refusal.reason(), "BAD_PARAMETER");
        let text = format!("{refusal:?}");
        for part in ["0.001 to 60", "whole numbers, not 2.5", "`latent_dim`?", "w1 takes a number", "`dt_min` = 0.4"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("W_r"), "{text}");
    }
}
