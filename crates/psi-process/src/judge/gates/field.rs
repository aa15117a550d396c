//! Gates about statistics of fields.

use std::collections::BTreeMap;

use psi_replica::FieldName;

use super::evidence::judge_values;
use crate::{
    judge::facts::{Facts, FieldFacts},
    judgement::{HoldReason, Judgement},
    name::Name,
    threshold::Threshold,
    value::{Number, Reading, Value},
};

/// The name by which thresholds and readings have the number of inputs.
pub const COUNT: &str = "count";

/// What a field's statistics say about thresholds, once there are enough inputs.
pub(super) fn judge(
    gate: &Name,
    field: &FieldName,
    count_min: u32,
    thresholds: &[Threshold],
    facts: &Facts,
) -> Judgement {
    let hold = |hold, reason| Judgement::hold(gate, hold, reason);
    let statistics = match facts.fields.get(field) {
        None => return hold(HoldReason::NoData, format!("there are no statistics of field {field}")),
        Some(Err(error)) => {
            return hold(HoldReason::BrokenEvaluator, format!("statistics of field {field} could not be had: {error}"));
        }
        Some(Ok(statistics)) => statistics,
    };
    let values = match values(statistics) {
        Ok(values) => values,
        Err(reason) => return hold(HoldReason::BrokenEvaluator, format!("of field {field}, {reason}")),
    };
    let count = statistics.count;
    let reading = values.get(COUNT).map(|value| Reading { name: COUNT.to_owned(), value: value.clone() });
    if count < u64::from(count_min) {
        let reason = format!("field {field} has {count} inputs, and at least {count_min} are needed");
        return hold(HoldReason::InsufficientData, reason).with_readings(reading.into_iter().collect());
    }
    let mut judgement = judge_values(gate, thresholds, &values, HoldReason::NoData);
    judgement.reason = format!("of {count} inputs to field {field}: {}", judgement.reason);
    let is_read = judgement.readings.iter().any(|reading| reading.name == COUNT);
    judgement.readings.extend(reading.filter(|_| !is_read));
    judgement
}

/// Statistics by name, the count among them.
fn values(statistics: &FieldFacts) -> Result<BTreeMap<String, Value>, String> {
    let FieldFacts { count, metrics } = statistics;
    let mut values = BTreeMap::new();
    for (name, number) in metrics {
        let number = Number::new(*number).map_err(|error| format!("{name} can't be judged: {error}"))?;
        values.insert(name.clone(), Value::Number(number));
    }
    let count = Number::new(*count as f64).map_err(|error| format!("the count can't be judged: {error}"))?;
    values.insert(COUNT.to_owned(), Value::Number(count));
    Ok(values)
}
