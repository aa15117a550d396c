//! What people see: every screen fits its terminal, uses what there is, and has colour where a terminal wants it.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use psi_tests::{INCIDENT, Member, cluster, eventually};
use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// `psi-field`, without settings from the environment, and on a terminal that knows colours.
fn program(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_psi-field"));
    let ours = |name: &str| name.starts_with("PSI_") || ["NO_COLOR", "COLUMNS", "CLICOLOR_FORCE"].contains(&name);
    command.env_clear().envs(std::env::vars().filter(|(name, _)| !ours(name))).env("TERM", "xterm-256color");
    command.args(arguments.split(' '));
    command
}

/// What a command writes to a terminal of this width, all of it.
fn on_terminal(command: &mut Command, columns: u16, typed: &str) -> Result<String> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let terminal = rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
    tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?;
    let end = |fd: &OwnedFd| Ok::<Stdio, std::io::Error>(Stdio::from(fd.try_clone()?));
    let mut child = command.stdin(end(&terminal)?).stdout(end(&terminal)?).stderr(end(&terminal)?).spawn()?;
    // The command keeps its ends alone, so that reading ends with it.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    drop(terminal);
    let mut master = File::from(master);
    master.write_all(typed.as_bytes())?;
    let mut shown = Vec::new();
    let mut part = [0; 4096];
    // Linux reports the end as an error.
    while let Ok(length @ 1..) = master.read(&mut part) {
        shown.extend_from_slice(&part[..length]);
    }
    child.wait()?;
    Ok(String::from_utf8_lossy(&shown).replace("\r\n", "\n"))
}

/// The widest line, of what is left after lines were drawn over.
fn widest(shown: &str) -> (usize, &str) {
    let lines = shown.split(['\n', '\r']).map(|line| (console::measure_text_width(line), line));
    lines.max_by_key(|(width, _)| *width).unwrap_or_default()
}

/// Commands whose answers have numbers of all kinds.
const SCREENS: &[&str] = &[
    "members",
    "field list",
    "state",
    "state --field sensors-of-the-northern-hall",
    "drift list",
    "drift show",
    "drift baseline show",
    "guardian status",
    "guardian statistics",
    "health",
    "step --incident",
    "feed --incident --count 3 --rate max",
];

async fn prepared() -> Result<Vec<Member>> {
    let members = cluster(3).await?;
    for _ in 0..3 {
        members[0].step("", &INCIDENT).await?;
    }
    let node = members[0].node.addresses().grpc.to_string();
    let run = |arguments: &str| program(&format!("{arguments} --node {node}")).output();
    run(
        "field create sensors-of-the-northern-hall --width 40 --param dt=0.125 --param W_r=2.5 --param C_w=17 --param N=3",
    )?;
    run(
        "step --field sensors-of-the-northern-hall 1e-9,12345.678,-0.000123456,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39",
    )?;
    Command::new(env!("CARGO_BIN_EXE_psi-field"))
        .args([
            "field",
            "label",
            "sensors-of-the-northern-hall",
            "Pumps, fans and valves of the hall in the north",
            "--node",
            &node,
        ])
        .output()?;
    eventually("all know of each other", async || {
        let output = run("members --output json")?;
        let members: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let live = members["members"].as_array().is_some_and(|all| all.iter().all(|one| one["protocol"] == 1));
        Ok(live && members["verdict"] == "agree")
    })
    .await?;
    Ok(members)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_screen_fits_and_uses_what_there_is() -> Result<()> {
    let members = prepared().await?;
    let node = members[0].node.addresses().grpc.to_string();
    for screen in SCREENS {
        let command = || program(&format!("{screen} --node {node}"));
        let output = command().output()?;
        let piped = String::from_utf8(output.stdout)?;
        assert!(!piped.contains('\u{1b}'), "{screen}: {piped}");
        for columns in [80, 120] {
            let shown = on_terminal(&mut command(), columns, "")?;
            assert!(shown.lines().count() >= 1, "{screen}");
            let (width, line) = widest(&shown);
            assert!(width <= usize::from(columns), "{screen} at {columns}: {width}: {line}\n{shown}");
        }
    }
    let at = |columns| on_terminal(&mut program(&format!("members --node {node}")), columns, "");
    let (narrow, wide) = (at(80)?, at(160)?);
    assert!(widest(&wide).0 > 80, "{wide}");
    assert!(wide.lines().count() < narrow.lines().count(), "{narrow}\n{wide}");
    for want in ["version", "protocol", env!("CARGO_PKG_VERSION"), "all 3 live members agree"] {
        assert!(narrow.contains(want) && wide.contains(want), "{want}: {narrow}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_fits_too() -> Result<()> {
    let members = prepared().await?;
    let node = members[0].node.addresses().grpc.to_string();
    for columns in [80, 130] {
        let mut command = Command::new("timeout");
        command.args(["-s", "INT", "3", env!("CARGO_BIN_EXE_psi-field"), "state", "--watch", "--node", &node]);
        let shown = on_terminal(&mut command, columns, "")?;
        let (width, line) = widest(&shown);
        assert!(width <= usize::from(columns), "{columns}: {width}: {line}");
        assert!(shown.contains("novelty") && shown.lines().count() >= 2, "{shown}");
        assert_eq!(shown.contains("dt_eff"), columns > 80, "{shown}");
    }
    Ok(())
}

#[test]
fn what_needs_no_node_fits_too() -> Result<()> {
    for screen in
        ["sim --seeds 2", "sim --seed 1", "sim --burst --nodes 4 --seeds 2", "bench moments --quick", "check-config"]
    {
        let shown = on_terminal(&mut program(screen), 80, "")?;
        let (width, line) = widest(&shown);
        assert!(width <= 80, "{screen}: {width}: {line}");
    }
    for help in ["--help", "node --help", "feed --help", "members -h", "replay --help"] {
        let (narrow, wide) = (on_terminal(&mut program(help), 80, "")?, on_terminal(&mut program(help), 120, "")?);
        assert!(widest(&narrow).0 <= 80 && widest(&wide).0 > 80 && widest(&wide).0 <= 120, "{help}: {narrow}");
    }
    Ok(())
}

#[test]
fn the_demo_fits_too() -> Result<()> {
    // Not on a terminal, where it draws over what it has drawn: the same text, line by line.
    let output = program("demo --seconds 3").output()?;
    let shown = String::from_utf8([output.stderr, output.stdout].concat())?;
    let (width, line) = widest(&shown);
    assert!(width <= 80, "{width}: {line}\n{shown}");
    assert!(shown.contains("All 3 nodes gave one answer.") && shown.contains("Act three"), "{shown}");
    Ok(())
}

#[test]
fn the_demo_of_rollouts_fits_too() -> Result<()> {
    let output = program("demo --rollout").output()?;
    let shown = String::from_utf8([output.stderr, output.stdout].concat())?;
    let (width, line) = widest(&shown);
    assert!(width <= 80, "{width}: {line}\n{shown}");
    assert!(shown.contains("All went as promised") && shown.contains("Act four"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_terminals_that_want_them() -> Result<()> {
    const GREEN: &str = "\u{1b}[32m";
    const COMFY_GREEN: &str = "\u{1b}[38;5;10m";
    let members = prepared().await?;
    let command = || program(&format!("members --node {}", members[0].node.addresses().grpc));
    let shown = on_terminal(&mut command(), 80, "")?;
    assert!(shown.contains(GREEN) && shown.contains(COMFY_GREEN), "{shown:?}");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let shown = on_terminal(command().env(name, value), 80, "")?;
        assert!(!shown.contains("\u{1b}["), "{name}: {shown:?}");
    }
    Ok(())
}

/// What can't be undone is asked for on a terminal; without one it takes `--yes`.
#[tokio::test(flavor = "multi_thread")]
async fn a_drop_and_a_reset_ask() -> Result<()> {
    let members = prepared().await?;
    let node = members[0].node.addresses().grpc.to_string();
    let fields =
        || -> Result<String> { Ok(String::from_utf8(program(&format!("field list --node {node}")).output()?.stdout)?) };
    for action in ["drop", "reset"] {
        let command = || program(&format!("field {action} sensors-of-the-northern-hall --node {node}"));
        let output = command().stdin(Stdio::null()).output()?;
        let said = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(2), "{action}: {said}");
        assert!(said.contains("add --yes to do it"), "{action}: {said}");
        let shown = on_terminal(&mut command(), 80, "n\n")?;
        assert!(shown.contains("1 step of all nodes") && shown.contains("nothing was done"), "{action}: {shown}");
        assert!(fields()?.contains("sensors-of-the"), "{action}");
    }
    on_terminal(&mut program(&format!("field reset sensors-of-the-northern-hall --node {node}")), 80, "y\n")?;
    let listed = fields()?;
    let row = listed.lines().find(|line| line.contains("sensors-of-the")).context("it is there")?;
    assert!(row.contains(" 0 "), "{listed}");
    let dropped = program(&format!("field drop sensors-of-the-northern-hall --yes --node {node}")).output()?;
    assert!(dropped.status.success() && !fields()?.contains("sensors-of-the"), "{}", fields()?);
    Ok(())
}
