//! What transitions come to.

mod decided;
mod fold;
mod oracle;
mod records;
