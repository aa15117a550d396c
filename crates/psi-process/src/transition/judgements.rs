//! How judgements are written down.

use super::error::TransitionError;
use crate::{
    judgement::{HoldReason, Judgement, READINGS_MAX, REASON_BYTES_MAX, Verdict},
    name::Name,
    proto::{self, reading},
    threshold::VALUE_NAME_BYTES_MAX,
    value::{Number, Reading, TEXT_BYTES_MAX, Value},
};

/// The message of a judgement that records keep.
pub(super) fn message(judgement: &Judgement) -> Result<proto::Judgement, TransitionError> {
    let Judgement { gate, verdict, reason, readings, missing } = judgement;
    let is_sorted = readings.is_sorted_by(|a, b| a.name < b.name);
    let is_line = !reason.chars().any(char::is_control);
    let is_short = is_line && reason.len() <= REASON_BYTES_MAX && readings.len() <= READINGS_MAX && missing.is_empty();
    if !is_sorted || !is_short || !readings.iter().all(is_sound) {
        return Err(TransitionError::Judgement(gate.to_string()));
    }
    let (verdict, hold) = match verdict {
        Verdict::Pass => (proto::Verdict::Pass, proto::HoldReason::Unspecified),
        Verdict::Fail => (proto::Verdict::Fail, proto::HoldReason::Unspecified),
        Verdict::Hold(reason) => (proto::Verdict::Hold, reason.message()),
    };
    Ok(proto::Judgement {
        gate: gate.to_string(),
        verdict: verdict.into(),
        hold: hold.into(),
        reason: reason.clone(),
        readings: readings.iter().map(reading_message).collect(),
    })
}

/// Reads a judgement.
pub(super) fn read(message: proto::Judgement) -> Result<Judgement, TransitionError> {
    let refusal = TransitionError::Judgement(message.gate.clone());
    let gate = Name::new(&message.gate).map_err(|error| TransitionError::Name(error.to_string()))?;
    let verdict = verdict(message.verdict, message.hold).ok_or_else(|| refusal.clone())?;
    let readings = message.readings.into_iter().map(read_reading).collect::<Option<_>>().ok_or(refusal)?;
    Ok(Judgement { gate, verdict, reason: message.reason, readings, missing: Vec::new() })
}

fn verdict(verdict: i32, hold: i32) -> Option<Verdict> {
    let hold = HoldReason::ALL.iter().copied().find(|reason| i32::from(reason.message()) == hold).ok_or(hold);
    match (proto::Verdict::try_from(verdict).ok()?, hold) {
        (proto::Verdict::Pass, Err(0)) => Some(Verdict::Pass),
        (proto::Verdict::Fail, Err(0)) => Some(Verdict::Fail),
        (proto::Verdict::Hold, Ok(reason)) => Some(Verdict::Hold(reason)),
        _ => None,
    }
}

fn is_sound(reading: &Reading) -> bool {
    let is_short = !matches!(&reading.value, Value::Text(text) if text.len() > TEXT_BYTES_MAX);
    let is_line = !reading.name.chars().any(char::is_control);
    is_short && is_line && (1..=VALUE_NAME_BYTES_MAX).contains(&reading.name.len())
}

fn reading_message(reading: &Reading) -> proto::Reading {
    let value = match &reading.value {
        Value::Number(number) => reading::Value::Number(number.get()),
        Value::Flag(flag) => reading::Value::Flag(*flag),
        Value::Text(text) => reading::Value::Text(text.clone()),
    };
    proto::Reading { name: reading.name.clone(), value: Some(value) }
}

fn read_reading(message: proto::Reading) -> Option<Reading> {
    let value = match message.value? {
        reading::Value::Number(number) => Value::Number(Number::new(number).ok()?),
        reading::Value::Flag(flag) => Value::Flag(flag),
        reading::Value::Text(text) => Value::Text(text),
    };
    Some(Reading { name: message.name, value })
}
