//! A cluster whose nodes are all restarted once a day, for up to a year: how many runs are held at any moment, and what
//! those that have ended cost. `cargo run --release -p psi-sim --example year -- --help`
//!
//! Replicas, frames and snapshots are real, and there is one synthetic field. All is simulated to the millisecond while
//! nodes restart and until all has ended that should. The rest of a day is passed over by jumps, as if all machines were
//! suspended: between two, the cluster is watched for three seconds and some nodes take steps. So heartbeats and
//! repeated votes of quiet hours are mostly left out, and nothing else is. Jumps are longer than what tells a node of up
//! to 32 that it is cut off, so fewer than 34 nodes are refused.

mod bytes;
mod cluster;
mod days;
mod machine;

use std::{process::ExitCode, time::Instant};

use bytes::{Sizes, measured};
use cluster::Counts;
use days::{DayReport, Days, Options};

const HELP: &str = "\
Restarts every node of a simulated cluster once a day. Fails if a replica ever holds too many runs, if something does not
end, or if a step is missing or counts twice.

    --nodes N        nodes, at least 34                          36
    --days N         days                                        3
    --apart S        seconds from one restart to the next        20
    --at-once N      nodes that restart at once                  6
    --end-after H    cluster.end_after_s, in hours               24
    --jump M         minutes that are passed over at once        60
    --most N         runs that a replica may hold at any moment  3 for each node
    --seed N         what everything random is drawn from        1

A year of 100 nodes:

    cargo run --release -p psi-sim --example year -- --nodes 100 --days 365 --at-once 25
";
const NODES_MIN: u64 = 34;
/// Days after which sizes are shown.
const SHOWN: [u64; 5] = [1, 10, 30, 100, 365];

/// The value of an option; what it is by default where it is not given.
fn number(name: &str, default: u64) -> Result<u64, String> {
    let mut words = std::env::args().skip(1);
    match words.find(|word| word == name).and(words.next()) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| format!("{name}: {text} is no number")),
    }
}

fn options() -> Result<Options, String> {
    let nodes = number("--nodes", 36)?;
    if nodes < NODES_MIN {
        return Err(format!("--nodes: at least {NODES_MIN}"));
    }
    let size = |number: u64| usize::try_from(number).map_err(|error| error.to_string());
    Ok(Options {
        nodes: size(nodes)?,
        days: number("--days", 3)?,
        seed: number("--seed", 1)?,
        apart_ms: 1_000 * number("--apart", 20)?.max(1),
        at_once: size(number("--at-once", 6)?.max(1))?,
        end_after_ms: 3_600_000 * number("--end-after", 24)?,
        jump_ms: 60_000 * number("--jump", 60)?.max(1),
        origins_max: size(number("--most", 3 * nodes)?)?,
    })
}

/// Lives through all days. What it prints on stdout is the same each time.
#[expect(clippy::disallowed_methods, reason = "progress, for people")]
fn run(options: Options) -> Days {
    let begun = Instant::now();
    let mut days = Days::new(options);
    let mut most = 0;
    for day in 1..=options.days {
        let DayReport { origins_max, checkpoints, settled_ms } = days.live();
        most = most.max(origins_max);
        let seconds = begun.elapsed().as_secs();
        eprintln!(
            "day {day} after {seconds} s: at most {origins_max} origins, {checkpoints} checkpoints, all ended after {} s",
            settled_ms / 1_000
        );
        if SHOWN.contains(&day) || day == options.days {
            let Sizes { origins, names, base, state, snapshot, listing, join } = measured(&mut days);
            println!("day {day}: at most {most} origins so far, {origins} now; {names} names of ended runs are kept");
            println!("    bytes: base {base}, state {state}, snapshot {snapshot}, listing {listing}, join {join}");
        }
    }
    let Counts { frames, bytes, late, replaced, reminted, refused, restarts, killed, disks_lost, .. } =
        days.cluster.counts;
    println!(
        "{restarts} restarts, {killed} by kill, {disks_lost} without their disk; {frames} frames of {bytes} bytes"
    );
    println!("{late} late, {replaced} bases replaced, {reminted} reminted, {refused} deltas refused");
    println!("{} steps, each counted once on every node", days.cluster.truth.steps);
    days
}

fn main() -> ExitCode {
    if std::env::args().any(|word| word == "--help" || word == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match options() {
        Ok(options) => {
            run(options);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}; see --help");
            ExitCode::from(2)
        }
    }
}

#[test]
fn runs_end_though_all_nodes_are_restarted_daily() {
    let options = Options {
        nodes: 34,
        days: 2,
        seed: 1,
        apart_ms: 20_000,
        at_once: 9,
        end_after_ms: 86_400_000,
        jump_ms: 3_600_000,
        origins_max: 3 * 34,
    };
    let days = run(options);
    assert_eq!(days.cluster.counts.restarts, 68);
}
