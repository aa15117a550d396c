//! Comparison of values, bit for bit, in words.

use std::fmt::Debug;

/// Names the first number that differs; −0 and 0 do.
pub(super) fn same_numbers(what: &str, expected: Option<&[f64]>, got: Option<&[f64]>) -> Result<(), String> {
    let (Some(expected), Some(got)) = (expected, got) else {
        return same(what, expected.is_some(), got.is_some());
    };
    same(&format!("width of the {what}"), expected.len(), got.len())?;
    let mut pairs = expected.iter().zip(got).enumerate();
    match pairs.find(|(_, (expected, got))| expected.to_bits() != got.to_bits()) {
        Some((dimension, (expected, got))) => Err(format!("{what}[{dimension}] must be {expected:?}, is {got:?}")),
        None => Ok(()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "made for the comparison at each call")]
pub(super) fn same<T: PartialEq + Debug>(what: &str, expected: T, got: T) -> Result<(), String> {
    if expected == got {
        return Ok(());
    }
    Err(format!("{what} must be {expected:?}, is {got:?}"))
}
