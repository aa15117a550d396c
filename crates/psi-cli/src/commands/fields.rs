//! Fields: making and changing them, what they hold, whether they drift, and their guardians.

mod columns;
pub(crate) mod drift;
pub(crate) mod field;
pub(crate) mod guardian;
pub(crate) mod state;
pub(crate) mod version;
