//! How processes end: by every signal that stops, and whether or not somebody reads what they print.
//!
//! Needs `/proc` and GNU's `env`, so Linux.
#![cfg(target_os = "linux")]

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use psi_tests::DEADLINE;
use serde_json::Value;

const SIGNALS: [&str; 3] = ["-HUP", "-TERM", "-INT"];
/// SIGHUP as a terminal leaves it, whatever runs the tests, and as `nohup` does.
const TERMINAL: &str = "--default-signal=HUP";
const NOHUP: &str = "--ignore-signal=HUP";

/// `psi-field` with these signals, without settings from the environment.
fn program(signals: &str) -> Command {
    let mut command = Command::new("env");
    command.args([signals, env!("CARGO_BIN_EXE_psi-field")]);
    command.env_clear().envs(std::env::vars().filter(|(name, _)| !name.starts_with("PSI_")));
    command
}

/// A process; killed when dropped.
struct Process(Child);

impl Process {
    fn signal(&self, signal: &str) -> Result<()> {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status()?;
        if sent.success() { Ok(()) } else { bail!("kill {signal} failed") }
    }

    /// Waits for the end of the process.
    fn ended(&mut self) -> Result<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("the process did not end")
    }

    /// What it printed, once it has ended.
    fn printed(&mut self) -> Result<String> {
        let mut printed = String::new();
        self.0.stdout.take().context("stdout")?.read_to_string(&mut printed)?;
        Ok(printed)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A node that writes snapshots when it stops and hardly before; the other ends of its output; and its gRPC address.
fn node(directory: &Path, signals: &str) -> Result<(Process, BufReader<std::process::ChildStderr>, String)> {
    let mut command = program(signals);
    command.args(["node", "--node-id", "n", "--log-format", "json", "--cluster-join-ms", "0", "--data-dir"]);
    command.arg(directory).args(["--data-snapshot-interval-ms", "3600000"]);
    for listen in ["--grpc-listen", "--http-listen", "--gossip-listen"] {
        command.args([listen, "127.0.0.1:0"]);
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut log = BufReader::new(child.stderr.take().context("stderr")?);
    loop {
        let mut line = String::new();
        log.read_line(&mut line)?;
        let entry: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        if entry["message"] == "node started" {
            let grpc = entry["grpc"].as_str().context("an address")?.to_owned();
            return Ok((Process(child), log, grpc));
        }
    }
}

fn client(arguments: &[&str]) -> Result<String> {
    let begun = Instant::now();
    loop {
        let output = program(TERMINAL).args(arguments).output()?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        if begun.elapsed() > DEADLINE {
            bail!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn steps(grpc: &str) -> Result<Value> {
    let state: Value = serde_json::from_str(&client(&["state", "--node", grpc, "--output", "json"])?)?;
    Ok(state["k"].clone())
}

fn feed(grpc: &str) -> Result<()> {
    client(&["feed", "--walk", "--rate", "max", "--count", "20", "--node", grpc]).map(drop)
}

#[test]
fn whatever_stops_a_node_and_whoever_reads_its_output_every_step_is_on_disk() -> Result<()> {
    for (signals, is_read) in [
        (&SIGNALS[..1], true),
        (&SIGNALS[..1], false),
        (&SIGNALS[1..2], true),
        (&SIGNALS[1..2], false),
        (&SIGNALS[2..], false),
        // A terminal that is closed sends several, and a service manager another after SIGTERM.
        (&["-HUP", "-HUP", "-HUP"], false),
        (&["-TERM", "-HUP"], false),
        (&["-HUP", "-TERM"], false),
    ] {
        let place = tempfile::tempdir()?;
        let (mut process, log, grpc) = node(place.path(), TERMINAL)?;
        feed(&grpc)?;
        // Closed where nobody reads, as by a terminal that is gone.
        let log = is_read.then_some(log);
        if !is_read {
            drop(process.0.stdout.take());
        }
        signals.iter().try_for_each(|signal| process.signal(signal))?;
        let status = process.ended()?;
        assert!(status.success(), "{signals:?}, read: {is_read}: {status}");
        if let Some(mut log) = log {
            let mut said = String::new();
            log.read_to_string(&mut said)?;
            assert!(said.contains("\"stopping\""), "{signals:?}: {said}");
        }
        let (_process, _log, grpc) = node(place.path(), TERMINAL)?;
        assert_eq!(steps(&grpc)?, 20, "{signals:?}, read: {is_read}");
    }
    Ok(())
}

#[test]
fn a_node_that_nobody_reads_goes_on() -> Result<()> {
    let place = tempfile::tempdir()?;
    let (mut process, log, grpc) = node(place.path(), TERMINAL)?;
    drop((log, process.0.stdout.take()));
    // It logs that it discards these.
    feed(&grpc)?;
    client(&["field", "reset", "default", "--yes", "--node", &grpc])?;
    feed(&grpc)?;
    assert_eq!(steps(&grpc)?, 20);
    assert!(process.0.try_wait()?.is_none());
    Ok(())
}

#[test]
fn nohup_keeps_a_node_running_without_its_terminal() -> Result<()> {
    let place = tempfile::tempdir()?;
    let (mut process, _log, grpc) = node(place.path(), NOHUP)?;
    process.signal("-HUP")?;
    feed(&grpc)?;
    assert!(process.0.try_wait()?.is_none());
    process.signal("-TERM")?;
    assert!(process.ended()?.success());
    Ok(())
}

#[test]
fn commands_that_go_on_end_with_their_summary_by_every_signal() -> Result<()> {
    let place = tempfile::tempdir()?;
    let (_node, _log, grpc) = node(place.path(), TERMINAL)?;
    feed(&grpc)?;
    let record = place.path().join("record.jsonl").display().to_string();
    for signal in SIGNALS {
        for (arguments, begun, summary) in [
            (&["feed", "--walk", "--rate", "50", "--node", &grpc][..], None, "interrupted"),
            (&["record", &record, "--force", "--node", &grpc], Some("recording"), "interrupted"),
            (&["sim", "--seeds", "1000000"], None, " held ("),
            (&["probe", "--listen", "127.0.0.1:0", "--node", &grpc], Some("probe started"), ""),
        ] {
            let mut command = program(TERMINAL);
            let child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
            let mut process = Process(child);
            let mut said = BufReader::new(process.0.stderr.take().context("stderr")?);
            let mut line = String::new();
            while begun.is_some_and(|begun| !line.contains(begun)) {
                line.clear();
                assert!(said.read_line(&mut line)? > 0, "{arguments:?} ended");
            }
            wait_until_caught(&process)?;
            process.signal(signal)?;
            let status = process.ended()?;
            assert!(status.code().is_some(), "{signal} {arguments:?}: {status}");
            let printed = process.printed()?;
            assert!(printed.contains(summary), "{signal} {arguments:?}: {printed}");
            let mut rest = String::new();
            said.read_to_string(&mut rest)?;
            assert!(arguments[0] != "probe" || rest.contains("probe stopped"), "{signal}: {rest}");
        }
    }
    Ok(())
}

/// Waits until SIGHUP and SIGTERM, which are signals 1 and 15, are caught.
fn wait_until_caught(process: &Process) -> Result<()> {
    let begun = Instant::now();
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.0.id()))?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).context("signals that are caught")?;
        if u64::from_str_radix(caught.trim(), 16)? & 0x4001 == 0x4001 {
            return Ok(());
        }
        if begun.elapsed() > DEADLINE {
            bail!("it waits for no signal");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
