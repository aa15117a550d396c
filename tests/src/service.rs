//! Programs that run beside nodes until they are stopped.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::{DEADLINE, eventually};

/// A command of the program at a path, without the settings of the tests' own environment.
#[must_use]
pub fn command(program: impl AsRef<Path>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    command.env_clear().envs(std::env::vars().filter(|(name, _)| !name.starts_with("PSI_")));
    command.args(arguments);
    command
}

/// A running program, and all that it writes; killed when dropped.
pub struct Service {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Service {
    /// Starts it.
    ///
    /// # Errors
    /// If that is not possible.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let lines = Arc::<Mutex<Vec<String>>>::default();
        // Read to the end, so that the pipes do not fill up.
        if let Some(stdout) = child.stdout.take() {
            let keep = lines.clone();
            thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).for_each(|l| push(&keep, l)));
        }
        if let Some(stderr) = child.stderr.take() {
            let keep = lines.clone();
            thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).for_each(|l| push(&keep, l)));
        }
        Ok(Self { child, lines })
    }

    /// What it wrote so far, to standard output and to standard error.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines so far that hold a text.
    #[must_use]
    pub fn said(&self, text: &str) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.contains(text)).collect()
    }

    /// Waits for a line that holds a text; the first such.
    ///
    /// # Errors
    /// If none comes in time.
    pub async fn says(&self, text: &str) -> Result<String> {
        eventually(&format!("it says `{text}`"), async || Ok(!self.said(text).is_empty())).await?;
        Ok(self.said(text).remove(0))
    }

    /// Stops it, and waits until it has ended.
    ///
    /// # Errors
    /// If it does not end in time.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        self.ended().await
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it does not end in time.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("it did not end; it said: {}", self.lines().join("\n"))
    }
}

fn push(lines: &Mutex<Vec<String>>, line: String) {
    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- it said:\n{}", self.lines().join("\n"));
        }
    }
}
