//! The ports for connections.

/// Which of the ports for connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Grpc,
    Http,
}

impl Port {
    /// What it speaks, as TLS names it.
    pub(super) fn protocol(self) -> &'static [u8] {
        match self {
            Self::Grpc => b"h2",
            Self::Http => b"http/1.1",
        }
    }
}
