//! Arithmetic that gives the same bits on every CPU: sums in one order, matrices of rows, normal numbers.

mod kernels;
mod matrix;
mod normal;

pub(crate) use kernels::{NORM_GUARD, SPREAD_GUARD, add_scaled, cosine, distance, dot, logistic, mean_and_std, norm};
pub use matrix::Matrix;
pub(crate) use normal::normal;
