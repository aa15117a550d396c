//! The counters of /proc that the host source uses, read from its six files.
//!
//! Leaves out rates and scaling: a snapshot is what the kernel says at one moment. Formats are those of proc(5).

use std::fs;

use crate::source::error::SourceError;

const UPTIME: &str = "/proc/uptime";
const LOADAVG: &str = "/proc/loadavg";
const STAT: &str = "/proc/stat";
const MEMINFO: &str = "/proc/meminfo";
const NETWORK: &str = "/proc/net/dev";
const VMSTAT: &str = "/proc/vmstat";

/// The contents of the files.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    uptime: String,
    loadavg: String,
    stat: String,
    meminfo: String,
    network: String,
    vmstat: String,
}

impl Texts {
    /// Reads the files one after the other; they are a few milliseconds apart at most.
    pub(super) fn read() -> Result<Self, SourceError> {
        let read = |path| fs::read_to_string(path).map_err(|error| SourceError::HostFile { path, error });
        Ok(Self {
            uptime: read(UPTIME)?,
            loadavg: read(LOADAVG)?,
            stat: read(STAT)?,
            meminfo: read(MEMINFO)?,
            network: read(NETWORK)?,
            vmstat: read(VMSTAT)?,
        })
    }
}

/// What the kernel says at one moment. Counters run from boot, and all are 0 by default, as at boot.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Snapshot {
    pub(super) uptime_seconds: f64,
    /// Load averages over 1, 5 and 15 minutes.
    pub(super) load: [f64; 3],
    pub(super) cores: u64,
    /// CPU time, of all cores, in ticks: in user code, niced or not.
    pub(super) cpu_user: u64,
    /// In the kernel, interrupts included.
    pub(super) cpu_system: u64,
    pub(super) cpu_iowait: u64,
    pub(super) cpu_idle: u64,
    /// All of it; what is not in the four above was stolen by a hypervisor.
    pub(super) cpu_total: u64,
    /// Memory, in KiB.
    pub(super) memory_total: u64,
    pub(super) memory_available: u64,
    pub(super) memory_cached: u64,
    pub(super) context_switches: u64,
    pub(super) forks: u64,
    pub(super) running: u64,
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
    pub(super) read_bytes: u64,
    pub(super) written_bytes: u64,
}

impl Snapshot {
    /// Reads the numbers out of the files.
    pub(super) fn of(texts: &Texts) -> Result<Self, SourceError> {
        let load = |place, wanted| real(LOADAVG, &texts.loadavg, place, wanted);
        let memory = |key| labelled(MEMINFO, &texts.meminfo, key);
        let stat = |key| labelled(STAT, &texts.stat, key);
        let paged = |key| labelled(VMSTAT, &texts.vmstat, key);
        let [user, nice, system, idle, iowait, interrupts, soft_interrupts, stolen] = cpu_ticks(&texts.stat)?;
        let cpu_user = user.saturating_add(nice);
        let cpu_system = add_up([system, interrupts, soft_interrupts]);
        let (received_bytes, sent_bytes) = network_bytes(&texts.network)?;
        Ok(Self {
            uptime_seconds: real(UPTIME, &texts.uptime, 0, "seconds since boot")?,
            load: [load(0, "load over 1 minute")?, load(1, "load over 5 minutes")?, load(2, "load over 15 minutes")?],
            cores: core_count(&texts.stat),
            cpu_user,
            cpu_system,
            cpu_iowait: iowait,
            cpu_idle: idle,
            cpu_total: add_up([cpu_user, cpu_system, iowait, idle, stolen]),
            memory_total: memory("MemTotal:")?,
            memory_available: memory("MemAvailable:")?,
            memory_cached: memory("Buffers:")?.saturating_add(memory("Cached:")?),
            context_switches: stat("ctxt")?,
            forks: stat("processes")?,
            running: stat("procs_running")?,
            received_bytes,
            sent_bytes,
            // In KiB. Unlike /proc/diskstats, which lists a disk, its partitions and what is mapped onto them, this
            // counts each transfer once.
            read_bytes: paged("pgpgin")?.saturating_mul(1024),
            written_bytes: paged("pgpgout")?.saturating_mul(1024),
        })
    }
}

fn add_up<const LENGTH: usize>(numbers: [u64; LENGTH]) -> u64 {
    numbers.into_iter().fold(0, u64::saturating_add)
}

/// The word at `place`, from 0, of a file of one line.
fn real(path: &'static str, text: &str, place: usize, wanted: &'static str) -> Result<f64, SourceError> {
    text.split_whitespace()
        .nth(place)
        .and_then(|word| word.parse().ok())
        .filter(|number: &f64| number.is_finite())
        .ok_or(SourceError::HostNumber { path, wanted })
}

/// The number after the first word `key` that starts a line.
fn labelled(path: &'static str, text: &str, key: &'static str) -> Result<u64, SourceError> {
    words_after(text, key)
        .and_then(|mut words| words.next()?.parse().ok())
        .ok_or(SourceError::HostNumber { path, wanted: key })
}

fn words_after<'a>(text: &'a str, key: &str) -> Option<impl Iterator<Item = &'a str>> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(key)).then_some(words)
    })
}

/// user, nice, system, idle, iowait, irq, softirq, steal. Time in guests, which follows, is part of user already.
fn cpu_ticks(stat: &str) -> Result<[u64; 8], SourceError> {
    let missing = || SourceError::HostNumber { path: STAT, wanted: "cpu" };
    let mut words = words_after(stat, "cpu").ok_or_else(missing)?;
    let mut ticks = [0; 8];
    for tick in &mut ticks {
        *tick = words.next().and_then(|word| word.parse().ok()).ok_or_else(missing)?;
    }
    Ok(ticks)
}

/// How many lines are about one core: `cpu0`, `cpu1` and so on.
fn core_count(stat: &str) -> u64 {
    let is_core = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    stat.lines().filter(is_core).map(|_| 1).sum()
}

/// Bytes received and sent by all interfaces but the loopback.
fn network_bytes(text: &str) -> Result<(u64, u64), SourceError> {
    const HEADER_LINES: usize = 2;
    let mut sums = (0_u64, 0_u64);
    for line in text.lines().skip(HEADER_LINES) {
        let (received, sent) = interface_bytes(line)
            .ok_or(SourceError::HostNumber { path: NETWORK, wanted: "bytes received and sent" })?;
        sums = (sums.0.saturating_add(received), sums.1.saturating_add(sent));
    }
    Ok(sums)
}

/// Bytes received and sent as one line shows them; none for the loopback, which carries what never left.
fn interface_bytes(line: &str) -> Option<(u64, u64)> {
    const RECEIVED: usize = 0;
    const SENT: usize = 8;
    // The last colon: names of interfaces may hold others.
    let (name, counters) = line.rsplit_once(':')?;
    if name.trim() == "lo" {
        return Some((0, 0));
    }
    let counters: Vec<&str> = counters.split_whitespace().collect();
    let counter = |place: usize| counters.get(place)?.parse().ok();
    Some((counter(RECEIVED)?, counter(SENT)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Texts {
        Texts {
            uptime: "1448.29 2460.78\n".into(),
            loadavg: "1.64 0.68 0.25 5/114 7062\n".into(),
            stat: "cpu  3254 17098 4731 123242 916 7 175 540 11 13\n\
                   cpu0 1184 8310 2077 62759 375 0 12 253 0 0\n\
                   cpu1 2070 8788 2653 60483 540 0 162 286 0 0\n\
                   intr 1000 0 1\n\
                   ctxt 521210\n\
                   btime 1795423108\n\
                   processes 7063\n\
                   procs_running 5\n\
                   procs_blocked 0\n"
                .into(),
            meminfo: "MemTotal:       24684096 kB\n\
                      MemFree:        22360996 kB\n\
                      MemAvailable:   23775880 kB\n\
                      Buffers:          218260 kB\n\
                      Cached:          1335500 kB\n\
                      SwapCached:            3 kB\n"
                .into(),
            network: "Inter-|   Receive                  |  Transmit\n\
                      \u{20}face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed\n\
                      \u{20}   lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0\n\
                      \u{20} eth0:203659776    7591    0    0    0     0          0         0   650349    5018    0    0    0     0       0          0\n\
                      eth0:1:     100       1    0    0    0     0          0         0       10       1    0    0    0     0       0          0\n"
                .into(),
            vmstat: "nr_free_pages 5589921\npgpgin 2913025\npgpgout 2078408\npswpin 0\n".into(),
        }
    }

    fn check_refused(texts: &Texts, want: &str) {
        let message = Snapshot::of(texts).unwrap_err().to_string();
        assert_eq!(message, want);
    }

    #[test]
    fn every_number_is_found_in_its_file() {
        assert_eq!(
            Snapshot::of(&sample()).unwrap(),
            Snapshot {
                uptime_seconds: 1448.29,
                load: [1.64, 0.68, 0.25],
                cores: 2,
                cpu_user: 3254 + 17_098,
                cpu_system: 4731 + 7 + 175,
                cpu_iowait: 916,
                cpu_idle: 123_242,
                cpu_total: 3254 + 17_098 + 4731 + 123_242 + 916 + 7 + 175 + 540,
                memory_total: 24_684_096,
                memory_available: 23_775_880,
                memory_cached: 218_260 + 1_335_500,
                context_switches: 521_210,
                forks: 7063,
                running: 5,
                received_bytes: 203_659_776 + 100,
                sent_bytes: 650_349 + 10,
                read_bytes: 2_913_025 * 1024,
                written_bytes: 2_078_408 * 1024,
            }
        );
    }

    #[test]
    fn a_missing_number_is_named_with_its_file() {
        let text = sample;
        for (texts, want) in [
            (Texts { uptime: String::new(), ..text() }, "/proc/uptime does not say `seconds since boot`"),
            (Texts { loadavg: "0.1 NaN".into(), ..text() }, "/proc/loadavg does not say `load over 5 minutes`"),
            (Texts { stat: text().stat.replace("cpu ", "gpu "), ..text() }, "/proc/stat does not say `cpu`"),
            (Texts { stat: text().stat.replace("ctxt", "text"), ..text() }, "/proc/stat does not say `ctxt`"),
            (
                Texts { meminfo: text().meminfo.replace("MemAvailable:", "x"), ..text() },
                "/proc/meminfo does not say `MemAvailable:`",
            ),
            (
                Texts { network: text().network.replace("203659776", "-1"), ..text() },
                "/proc/net/dev does not say `bytes received and sent`",
            ),
            (Texts { vmstat: "pgpgin x".into(), ..text() }, "/proc/vmstat does not say `pgpgin`"),
        ] {
            check_refused(&texts, want);
        }
    }

    #[test]
    fn a_machine_without_interfaces_has_no_traffic() {
        assert_eq!(network_bytes("Inter-|\n face |\n").unwrap(), (0, 0));
    }
}
