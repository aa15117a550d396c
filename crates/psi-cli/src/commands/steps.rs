//! Steps: sending them, writing them down, and going through them again.

pub(crate) mod feed;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod step;
