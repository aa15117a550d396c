//! What the messages about fields and guardians ask for.

use psi_api::{Cause, v1};
use psi_engine::guardian::Mode;
use psi_replica::{Shape, WIDTH_MAX};
use tonic::Code;

use crate::calls::patch::Wanted;

/// An enum's number that stands for nothing.
pub(super) fn unknown_number(reason: &'static str, what: &str, got: i32, known: &str) -> Cause {
    Cause::new(Code::InvalidArgument, reason, format!("unknown {what} {got}; there are {known}")).with("got", got)
}

pub(super) fn created(request: v1::CreateFieldRequest) -> Result<Wanted, Cause> {
    let width = Some(request.width).filter(|width| *width > 0).map_or(Shape::default().width, width);
    Ok(Wanted {
        engine: Some(request.engine).filter(|engine| !engine.is_empty()),
        width: Some(width),
        scale_exponent: Some(request.scale_exponent),
        seed: Some(request.seed),
        guardian: mode(request.guardian)?,
        parameters: parameters(request.parameters),
    })
}

pub(super) fn changed(request: v1::ChangeFieldRequest) -> Result<Wanted, Cause> {
    Ok(Wanted {
        engine: request.engine,
        width: request.width.map(width),
        scale_exponent: request.scale_exponent,
        seed: request.seed,
        guardian: mode(request.guardian)?,
        parameters: parameters(request.parameters),
    })
}

pub(super) fn reset(request: v1::ResetFieldRequest) -> Result<Wanted, Cause> {
    let v1::ResetFieldRequest { name, parameters, engine, width, scale_exponent, seed, guardian } = request;
    changed(v1::ChangeFieldRequest { name, engine, width, scale_exponent, seed, parameters, guardian })
}

fn mode(number: i32) -> Result<Option<Mode>, Cause> {
    match v1::GuardianMode::try_from(number) {
        Ok(v1::GuardianMode::Unspecified) => Ok(None),
        Ok(v1::GuardianMode::Watch) => Ok(Some(Mode::Watch)),
        Ok(v1::GuardianMode::Intervene) => Ok(Some(Mode::Intervene)),
        Err(_) => {
            let known = "1 (watch) and 2 (intervene)";
            Err(unknown_number("UNKNOWN_GUARDIAN_MODE", "mode of the guardian", number, known))
        }
    }
}

/// One that does not fit is too large in any case.
fn width(width: u32) -> usize {
    usize::try_from(width).unwrap_or(WIDTH_MAX + 1)
}

fn parameters(parameters: Vec<v1::Parameter>) -> Vec<(String, f64)> {
    parameters.into_iter().map(|parameter| (parameter.name, parameter.value)).collect()
}
