//! `psi-field clock`: what operators see of clocks that are wrong, and how all members go on from one that is ahead.
//!
//! The clock of a process is wrong where it preloads a library that shifts the time. Needs Linux, glibc and a C compiler
//! (Debian: `apt-get install gcc`).
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use psi_api::v1::CreateFieldRequest;
use psi_tests::{
    eventually,
    process::{Launch, Process, Signal},
};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_psi-field");
const TEN_YEARS_S: i64 = 10 * 365 * 24 * 3_600;
const HOUR_MS: i64 = 3_600_000;
/// Far more than clocks of one machine differ by, and than it takes to ask.
const ABOUT_MS: i64 = 5_000;

const SHIFTED_CLOCK: &str = r#"
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    const char *shift = getenv("SHIFT_S");
    if (result == 0 && clock == CLOCK_REALTIME && shift)
        now->tv_sec += atoll(shift);
    return result;
}
"#;

/// The library that shifts the clock of a process, made in a folder.
fn shifted_clock(folder: &Path) -> Result<PathBuf> {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    std::fs::write(&source, SHIFTED_CLOCK)?;
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]);
    let made = compiler.output().context("no C compiler: apt-get install gcc")?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Ok(library)
}

fn shifted(launch: Launch, library: &Path, shift_s: i64) -> Launch {
    launch.with_variable("LD_PRELOAD", &library.display()).with_variable("SHIFT_S", &shift_s)
}

/// A node that joins the others.
fn joining(name: &str, seed: &Process) -> Launch {
    let launch = Launch::new(PROGRAM, name).with("--cluster-seeds", &seed.advertised.gossip);
    // It is not to give up on them while the machine is busy.
    launch.with("--cluster-join-ms", &600_000)
}

/// What a command answers with, and what it says of a failure.
struct Answer {
    code: Option<i32>,
    shown: String,
    said: String,
}

impl Answer {
    fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.shown).with_context(|| format!("{}{}", self.shown, self.said))
    }
}

fn ask(node: &Process, line: &str) -> Result<Answer> {
    let mut command = Command::new(PROGRAM);
    command.env_clear().envs(std::env::vars().filter(|(name, _)| !name.starts_with("PSI_")));
    let output = command.args(line.split(' ')).args(["--node", &node.grpc.to_string()]).output()?;
    let (shown, said) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    Ok(Answer { code: output.status.code(), shown, said })
}

/// What `clock show` says of a node, as JSON; null if it is not listed.
fn clock_of(asked: &Process, node: &str) -> Result<Value> {
    let clocks = ask(asked, "clock show --output json")?.json()?;
    let all = clocks.as_array().context("a list")?;
    Ok(all.iter().find(|clock| clock["node"] == node).cloned().unwrap_or_default())
}

async fn counts(nodes: &[&Process], field: &str, steps: u64) -> Result<()> {
    eventually(&format!("all count {steps} steps of `{field}`"), async || {
        for node in nodes {
            if node.count(field).await != steps {
                return Ok(false);
            }
        }
        Ok(true)
    })
    .await
}

async fn create(node: &Process, field: &str, steps: usize) -> Result<()> {
    let request = CreateFieldRequest { name: field.to_owned(), width: 1, ..CreateFieldRequest::default() };
    node.field.clone().create_field(request).await?;
    for _ in 0..steps {
        node.step(field, &[0.5]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_clock_is_off_is_named_and_takes_steps_all_the_same() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let library = shifted_clock(folder.path())?;
    let first = Launch::new(PROGRAM, "n1").start()?;
    first.ready().await?;
    let second = joining("n2", &first).start()?;
    let off = shifted(joining("n3", &first), &library, HOUR_MS / 1000).start()?;
    second.ready().await?;
    off.ready().await?;
    eventually("n3 has heard two right clocks", async || Ok(clock_of(&first, "n3")?["is_off"] == true)).await?;

    let of = |clock: &Value, key: &str| clock[key].as_i64().context("a number");
    for (name, offset_ms) in [("n1", 0), ("n2", 0), ("n3", -HOUR_MS)] {
        let clock = clock_of(&first, name)?;
        assert_eq!(clock["is_off"], offset_ms != 0, "{clock}");
        assert!((of(&clock, "offset_ms")? - offset_ms).abs() < ABOUT_MS, "{clock}");
        assert!(of(&clock, "lead_ms")?.abs() < 10_000 + ABOUT_MS, "one clock leads nobody further: {clock}");
        assert_eq!(clock["why"], Value::Null, "{clock}");
    }
    let text = ask(&second, "clock show")?;
    assert_eq!(text.code, Some(0), "{}", text.said);
    let advised: Vec<&str> = text.shown.lines().filter(|line| line.contains("off: set its clock")).collect();
    assert_eq!(advised.len(), 1, "{}", text.shown);
    assert!(advised[0].contains("n3") && advised[0].contains("+3"), "{}", text.shown);

    let stepped = ask(&off, "step --incident")?;
    assert_eq!(stepped.code, Some(0), "{}", stepped.said);
    counts(&[&first, &second, &off], "default", 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn members_go_on_from_a_clock_that_is_ahead_once_an_operator_accepts_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let library = shifted_clock(folder.path())?;
    let data = folder.path().join("n3");

    // It ran alone by a clock of ten years ahead; its machine's clock is right when it is started again.
    let alone = Launch::new(PROGRAM, "n3").with("--data-dir", &data.display());
    let mut alone = shifted(alone, &library, TEN_YEARS_S).start()?;
    alone.ready().await?;
    create(&alone, "shared", 3).await?;
    create(&alone, "alone", 4).await?;
    alone.signal(Signal::TERM)?;
    assert!(alone.ended().await?.success(), "{}", alone.said());

    let first = Launch::new(PROGRAM, "n1").start()?;
    first.ready().await?;
    let second = joining("n2", &first).start()?;
    second.ready().await?;
    create(&first, "shared", 5).await?;
    create(&second, "elsewhere", 2).await?;
    counts(&[&first, &second], "shared", 5).await?;
    counts(&[&first, &second], "elsewhere", 2).await?;
    let ahead = joining("n3", &first).with("--data-dir", &data.display()).start()?;
    counts(&[&ahead], "elsewhere", 2).await?;
    eventually("n3 takes no steps for its time", async || {
        let refused = ask(&ahead, "step --field alone 0.5")?;
        Ok(refused.code == Some(3) && refused.said.contains("psi-field clock accept"))
    })
    .await?;
    eventually("all list n3", async || Ok(clock_of(&first, "n3")?["lead_ms"].as_i64() > Some(TEN_YEARS_S * 900)))
        .await?;
    assert_eq!((first.count("alone").await, first.count("shared").await), (0, 5), "what n3 wrote is postponed");

    refuses_what_is_not_confirmed(&first)?;
    counts(&[&first, &second], "shared", 5).await?;

    let done = ask(&first, "clock accept n3 --yes --drop-steps")?;
    assert_eq!(done.code, Some(0), "{}{}", done.shown, done.said);
    assert!(done.shown.contains("3 members at the clock of n3"), "{}", done.shown);
    let all = [&first, &second, &ahead];
    for (field, steps) in [("shared", 3), ("alone", 4), ("elsewhere", 2)] {
        counts(&all, field, steps).await?;
    }
    for node in all {
        // It hears within two seconds that the others have accepted its time.
        let what = format!("{} takes steps", node.name);
        eventually(&what, async || Ok(ask(node, "step --field alone 0.5")?.code == Some(0))).await?;
    }
    counts(&all, "alone", 7).await?;
    let again = ask(&second, "clock accept n3 --yes --output json")?;
    let report = again.json()?;
    assert_eq!((again.code, &report["accepted"], &report["dropped"]), (Some(0), &json!(true), &json!([])), "{report}");
    assert_eq!(report["members"].as_array().map(Vec::len), Some(3), "{report}");
    Ok(())
}

/// What must be asked for is named, and nothing is done before.
fn refuses_what_is_not_confirmed(node: &Process) -> Result<()> {
    for flags in ["", " --yes"] {
        let plan = ask(node, &format!("clock accept n3{flags}"))?;
        assert_eq!(plan.code, Some(2), "{}{}", plan.shown, plan.said);
        assert!(plan.said.contains("nothing was done") && plan.said.contains("--yes --drop-steps"), "{}", plan.said);
        for part in ["10 years ahead of agreed time", "n3 has reset these fields", "shared"] {
            assert!(plan.shown.contains(part), "{part}: {}", plan.shown);
        }
        assert!(!plan.shown.contains("alone") && !plan.shown.contains("elsewhere"), "{}", plan.shown);
    }
    let plan = ask(node, "clock accept n3 --output json")?;
    let report = plan.json()?;
    let dropped = json!([{ "field": "shared", "steps": 5 }]);
    assert_eq!((plan.code, &report["accepted"], &report["dropped"]), (Some(2), &json!(false), &dropped), "{report}");
    let unknown = ask(node, "clock accept nobody --yes")?;
    assert_eq!(unknown.code, Some(1), "{}", unknown.said);
    assert!(unknown.said.contains("`nobody` is not a live member; live: n1, n2, n3"), "{}", unknown.said);
    Ok(())
}
