//! Where log lines go: standard error, as text or as JSON. Nothing depends on whether somebody reads them.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub(crate) struct LogSettings {
    pub(crate) format: LogFormat,
    /// In the syntax of `tracing_subscriber::EnvFilter`, and known to be valid.
    pub(crate) filter: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        // chitchat logs every change of its keys, h2 a line for each connection that a stranger floods.
        Self { format: LogFormat::Text, filter: "info,chitchat=error,h2=error".to_owned() }
    }
}

/// Sends the events of this process to standard error from now on.
pub(crate) fn start(settings: &LogSettings) {
    let filter = EnvFilter::new(&settings.filter);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| LossyStderr);
    match settings.format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}

/// Standard error while somebody reads it. A line that can't be written, as once the terminal is closed, is lost:
/// to report that would be to write to standard error again, which panics.
struct LossyStderr;

impl Write for LossyStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match io::stderr().write(bytes) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
