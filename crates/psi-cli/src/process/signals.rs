//! The signals to stop: Ctrl-C, SIGTERM as service managers send it, and SIGHUP as a terminal sends it that is closed.
//!
//! Left out on purpose: SIGHUP where it was ignored when this process began. `nohup` does so, to keep it running.

/// What stops this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// Somebody wants it to stop: SIGINT or SIGTERM.
    Request,
    /// The terminal or the connection is closed: SIGHUP.
    HangUp,
}

/// Resolves when this process is to stop. Each call waits for a signal of its own.
pub(crate) async fn stop() {
    Signals::listen().next().await;
}

/// The signals of this process from now on.
#[cfg(unix)]
pub(crate) struct Signals {
    interrupt: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
    hang_up: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let hang_up = if is_hang_up_ignored() { None } else { signal(SignalKind::hangup()).ok() };
        let interrupt = signal(SignalKind::interrupt()).ok();
        Self { interrupt, terminate: signal(SignalKind::terminate()).ok(), hang_up }
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> StopSignal {
        async fn received(signal: &mut Option<tokio::signal::unix::Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = received(&mut self.interrupt) => StopSignal::Request,
            () = received(&mut self.terminate) => StopSignal::Request,
            () = received(&mut self.hang_up) => StopSignal::HangUp,
        }
    }
}

/// Whether SIGHUP is ignored, as Linux tells it; elsewhere, this is taken not to be so.
#[cfg(unix)]
fn is_hang_up_ignored() -> bool {
    /// SIGHUP is signal 1.
    const HANG_UP: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & HANG_UP != 0)
}

/// The signals of this process from now on.
#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn listen() -> Self {
        Self
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> StopSignal {
        let _ = tokio::signal::ctrl_c().await;
        StopSignal::Request
    }
}

impl Signals {
    /// Resolves when somebody is not content to wait any longer for what `first` has begun.
    ///
    /// A hang-up is no impatience, however often it comes: a terminal that is closed sends several to the programs in
    /// it, and service managers send one after SIGTERM.
    pub(crate) async fn insisted(&mut self, first: Option<StopSignal>) {
        let mut requests = if first == Some(StopSignal::HangUp) { 2 } else { 1 };
        while requests > 0 {
            if self.next().await == StopSignal::Request {
                requests -= 1;
            }
        }
    }
}
