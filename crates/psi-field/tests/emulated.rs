//! The same binary on other CPUs gives the same bits: nothing on the way to an answer is chosen by what a CPU can do.
//!
//! CPUs without AVX and FMA, and one with all that there is, are emulated. Needs `qemu-x86_64` (Debian: `apt-get install
//! qemu-user`) and an x86-64 machine; without them the test says so and passes, unless the variable CI is set.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};

const EMULATOR: &str = "qemu-x86_64";

/// CPUs of 2003 and 2008, neither with AVX nor FMA; and whatever the emulator has.
const OLD: [&str; 2] = ["qemu64", "Nehalem"];
const ALL: [&str; 3] = [OLD[0], OLD[1], "max"];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name)
}

fn succeeded(output: Output) -> Result<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// How often a program is run where the emulator itself breaks: its locks do, on some machines, when a thread ends.
const TRIES: usize = 5;

/// Whether the emulator broke, and not the program in it.
fn is_emulators(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    !output.status.success() && said.starts_with(EMULATOR) && said.contains("rcu_read_unlock: Assertion")
}

/// What a program prints, on the emulated CPU if one is named.
fn run(cpu: Option<&str>, program: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = match cpu {
        None => Command::new(program),
        Some(cpu) => {
            let mut command = Command::new(EMULATOR);
            command.args(["-cpu", cpu]).arg(program);
            command
        }
    };
    command.args(arguments);
    let mut output = command.output().with_context(|| format!("{cpu:?}"))?;
    for _ in 1..TRIES {
        if !is_emulators(&output) {
            break;
        }
        output = command.output()?;
    }
    succeeded(output)
}

fn can_emulate() -> Result<bool> {
    let why = if !cfg!(target_arch = "x86_64") {
        "this machine is not an x86-64 one"
    } else if Command::new(EMULATOR).arg("--version").output().is_err() {
        "qemu-x86_64 is missing: apt-get install qemu-user"
    } else {
        return Ok(true);
    };
    ensure!(env::var_os("CI").is_none() || !cfg!(target_arch = "x86_64"), "{why}");
    eprintln!("SKIPPED: no CPUs are emulated, since {why}");
    Ok(false)
}

#[cfg(target_arch = "x86_64")]
fn features() -> [bool; 2] {
    [std::arch::is_x86_feature_detected!("avx"), std::arch::is_x86_feature_detected!("fma")]
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> [bool; 2] {
    [false; 2]
}

/// Says what the CPU that it runs on has; the test below runs it on those that are emulated.
#[test]
fn what_this_cpu_has() {
    println!("avx and fma: {:?}", features());
}

#[test]
fn other_cpus_give_the_same_bits() -> Result<()> {
    if !can_emulate()? {
        return Ok(());
    }
    for cpu in OLD {
        let this = env::current_exe()?;
        let said = run(Some(cpu), &this, &["--exact", "what_this_cpu_has", "--nocapture"])?;
        ensure!(said.contains("avx and fma: [false, false]"), "{cpu}: {said}");
    }
    let program = Path::new(env!("CARGO_BIN_EXE_psi-field"));
    let path = |name| data(name).to_string_lossy().into_owned();
    let (walk, narrow) = (path("core/walk.npz"), path("core/guarded.npz"));
    let replay = ["replay", "--output", "json", "--engine"];
    for arguments in [
        // With the numbers that a trace holds, and with those that a node would draw.
        [&replay[..], &["core", &walk]].concat(),
        [
            &replay[..],
            &["core", "--guardian", "intervene", "--condition", "--seed", "5", "--param", "pe_high=9", &narrow],
        ]
        .concat(),
        [&replay[..], &["synthetic", "--guardian", "intervene", "--condition", &narrow]].concat(),
        // Whole clusters: what is folded, hashed and sent.
        vec!["sim", "--seed", "7", "--output", "json"],
        vec!["sim", "--seed", "12", "--output", "json"],
    ] {
        let want = run(None, program, &arguments)?;
        ensure!(want.len() > 100, "{arguments:?}: {want}");
        for cpu in ALL {
            let got = run(Some(cpu), program, &arguments)?;
            let differs = got.lines().zip(want.lines()).position(|(got, want)| got != want);
            ensure!(got == want, "{arguments:?} on {cpu}: line {differs:?} differs");
        }
    }
    Ok(())
}
