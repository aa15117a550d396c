//! The table of routes and all that follows from it.

mod cors;
mod hosts;
pub(super) mod observe;
mod openapi;
pub(super) mod properties;
pub(super) mod property;
pub(super) mod route;
pub(crate) mod router;
mod table;
