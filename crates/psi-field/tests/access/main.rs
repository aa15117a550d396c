//! How commands get into a cluster that has a key: by tokens, and by certificates that others issued.

mod certificates;
mod tokens;
