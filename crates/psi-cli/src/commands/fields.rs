//! Fields: making and changing them, what they hold, and their guardians.

pub(crate) mod field;
pub(crate) mod guardian;
pub(crate) mod state;
