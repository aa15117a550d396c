//! What messages carry: fields and changes of them, levels, interventions.

use psi_api::{Cause, v1};
use psi_engine::{Action, guardian::Mode};
use psi_state::{Shape, WIDTH_MAX};
use tonic::{Code, Status};

use crate::{
    calls::{answer::FieldSummary, fields::patch::FieldPatch, ops::Ops},
    sessions::level::Level,
};

/// Refuses a number that an enum does not have.
fn unknown_number(reason: &'static str, what: &str, got: i32, known: &str) -> Cause {
    Cause::new(Code::InvalidArgument, reason, format!("unknown {what} {got}; there are {known}")).with("got", got)
}

pub(super) fn level(ops: &Ops, level: i32) -> Result<Option<Level>, Status> {
    Ok(Level::from_proto(level).map_err(|cause| ops.record_cause(cause))?)
}

pub(super) fn action(number: i32) -> Result<Action, Cause> {
    match v1::Intervention::try_from(number) {
        Ok(v1::Intervention::Nigredo) => Ok(Action::Nigredo),
        Ok(v1::Intervention::Albedo) => Ok(Action::Albedo),
        _ => Err(unknown_number("UNKNOWN_ACTION", "intervention", number, "1 (nigredo) and 2 (albedo)")),
    }
}

/// Without a token.
pub(super) fn field(FieldSummary { spec, label, names, steps, last_step }: &FieldSummary) -> v1::Field {
    psi_api::field(spec, (label.as_ref(), names.as_ref()), (*steps, *last_step))
}

pub(super) fn patch_of_create(request: v1::CreateFieldRequest) -> Result<FieldPatch, Cause> {
    let width = Some(request.width).filter(|width| *width > 0).map_or(Shape::default().width, width);
    Ok(FieldPatch {
        engine: Some(request.engine).filter(|engine| !engine.is_empty()),
        width: Some(width),
        scale_exponent: Some(request.scale_exponent),
        seed: Some(request.seed),
        guardian: mode(request.guardian)?,
        parameters: parameters(request.parameters),
    })
}

pub(super) fn patch_of_change(request: v1::ChangeFieldRequest) -> Result<FieldPatch, Cause> {
    Ok(FieldPatch {
        engine: request.engine,
        width: request.width.map(width),
        scale_exponent: request.scale_exponent,
        seed: request.seed,
        guardian: mode(request.guardian)?,
        parameters: parameters(request.parameters),
    })
}

pub(super) fn patch_of_reset(request: v1::ResetFieldRequest) -> Result<FieldPatch, Cause> {
    let v1::ResetFieldRequest { name, parameters, engine, width, scale_exponent, seed, guardian } = request;
    patch_of_change(v1::ChangeFieldRequest { name, engine, width, scale_exponent, seed, parameters, guardian })
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
