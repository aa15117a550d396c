//! Sixteen numbers about this machine, from /proc: something real that differs from node to node.
//!
//! Each is of order one: a share as it is, a load per core, a rate through a logarithm. Rates are those since the call
//! before; the first call gives the mean since boot. Leaves out all that needs more than reading six small files, and
//! every system but Linux. Inside a container the network is the container's and the rest mostly the machine's.

mod snapshot;

use snapshot::{Snapshot, Texts};

use super::{error::SourceError, vectors::Source};

/// Every number is clipped to plus or minus this; only loads can be that large.
const LIMIT: f64 = 16.0;

/// The numbers of this machine, measured again at each call; never exhausted.
#[derive(Debug)]
pub(crate) struct Host {
    before: Snapshot,
    latest: Vec<f64>,
}

impl Host {
    /// The name of each number, and what it is, its unit and its scaling.
    pub(crate) const NAMES: [(&'static str, &'static str); 16] = [
        ("load_1m", "load average over 1 minute, per core"),
        ("load_5m", "load average over 5 minutes, per core"),
        ("load_15m", "load average over 15 minutes, per core"),
        ("cpu_user", "share of CPU time in user code, 0 to 1"),
        ("cpu_system", "share of CPU time in the kernel and its interrupts, 0 to 1"),
        ("cpu_iowait", "share of CPU time idle while waiting for a disk, 0 to 1"),
        ("cpu_idle", "share of CPU time idle otherwise, 0 to 1"),
        ("memory_used", "share of memory not available to new programs, 0 to 1"),
        ("memory_cached", "share of memory that caches files, 0 to 1"),
        ("context_switches", "context switches a second, log10(1 + rate) / 4"),
        ("forks", "processes and threads started a second, log10(1 + rate) / 2"),
        ("running", "processes running or ready to run, per core"),
        ("network_received", "bytes received a second, loopback left out, log10(1 + rate) / 6"),
        ("network_sent", "bytes sent a second, loopback left out, log10(1 + rate) / 6"),
        ("disk_read", "bytes read from disks a second, log10(1 + rate) / 6"),
        ("disk_written", "bytes written to disks a second, log10(1 + rate) / 6"),
    ];

    /// Reads /proc once.
    ///
    /// # Errors
    /// If /proc or a number in it is missing, as on other systems than Linux.
    pub(crate) fn new() -> Result<Self, SourceError> {
        let now = Snapshot::of(&Texts::read()?)?;
        Ok(Self {
            // Every counter of the kernel starts at 0 at boot, and so does its clock.
            latest: numbers(&Snapshot::default(), &now),
            before: Snapshot::default(),
        })
    }

    /// The numbers at `now`. Where no time has passed on the kernel's clock, which has steps of 10 ms, those of the
    /// call before.
    fn measure(&mut self, now: Snapshot) -> Vec<f64> {
        if now.uptime_seconds > self.before.uptime_seconds {
            self.latest = numbers(&self.before, &now);
            self.before = now;
        }
        self.latest.clone()
    }
}

impl Source for Host {
    fn width(&self) -> Option<usize> {
        Some(Self::NAMES.len())
    }

    fn next(&mut self) -> Result<Option<Vec<f64>>, SourceError> {
        let now = Snapshot::of(&Texts::read()?)?;
        Ok(Some(self.measure(now)))
    }

    fn names(&self) -> Vec<String> {
        Self::NAMES.map(|(name, _)| name.to_owned()).to_vec()
    }

    fn describe(&self) -> String {
        let names = Self::NAMES.map(|(name, _)| name);
        format!("this machine, from /proc: {}", names.join(", "))
    }
}

/// The vector, in the order of [`Host::NAMES`].
fn numbers(before: &Snapshot, now: &Snapshot) -> Vec<f64> {
    let cores = now.cores.max(1) as f64;
    let seconds = now.uptime_seconds - before.uptime_seconds;
    let rate = |before: u64, now: u64, decades: f64| log_rate(before, now, seconds) / decades;
    let [user, system, iowait, idle] = shares(before, now);
    let vector = [
        now.load[0] / cores,
        now.load[1] / cores,
        now.load[2] / cores,
        user,
        system,
        iowait,
        idle,
        1.0 - ratio(now.memory_available, now.memory_total),
        ratio(now.memory_cached, now.memory_total),
        rate(before.context_switches, now.context_switches, 4.0),
        rate(before.forks, now.forks, 2.0),
        now.running as f64 / cores,
        rate(before.received_bytes, now.received_bytes, 6.0),
        rate(before.sent_bytes, now.sent_bytes, 6.0),
        rate(before.read_bytes, now.read_bytes, 6.0),
        rate(before.written_bytes, now.written_bytes, 6.0),
    ];
    vector.iter().copied().map(bounded).collect()
}

/// Shares of CPU time since `before`: user, system, waiting for a disk, idle. All 0 if no time was counted.
fn shares(before: &Snapshot, now: &Snapshot) -> [f64; 4] {
    // Counters can step back, as documented for iowait.
    let spent = |part: fn(&Snapshot) -> u64| part(now).saturating_sub(part(before));
    let total = spent(|snapshot| snapshot.cpu_total);
    [
        ratio(spent(|snapshot| snapshot.cpu_user), total),
        ratio(spent(|snapshot| snapshot.cpu_system), total),
        ratio(spent(|snapshot| snapshot.cpu_iowait), total),
        ratio(spent(|snapshot| snapshot.cpu_idle), total),
    ]
}

/// The decimal logarithm of one more than a counter's rise a second.
fn log_rate(before: u64, now: u64, seconds: f64) -> f64 {
    let rise = now.saturating_sub(before) as f64;
    (1.0 + rise / seconds).log10()
}

/// A part of a whole, in 0 to 1; of nothing, 0.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 / whole as f64).min(1.0)
}

fn bounded(number: f64) -> f64 {
    if number.is_finite() { number.clamp(-LIMIT, LIMIT) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_booted() -> Host {
        Host { before: Snapshot::default(), latest: vec![0.0; Host::NAMES.len()] }
    }

    /// A machine of two cores ten seconds after boot.
    fn busy() -> Snapshot {
        Snapshot {
            uptime_seconds: 10.0,
            load: [3.0, 2.0, 1.0],
            cores: 2,
            cpu_user: 500,
            cpu_system: 300,
            cpu_iowait: 50,
            cpu_idle: 100,
            cpu_total: 1000,
            memory_total: 1000,
            memory_available: 600,
            memory_cached: 250,
            context_switches: 99_990,
            forks: 90,
            running: 3,
            received_bytes: 9_999_990,
            sent_bytes: 0,
            read_bytes: 9_990,
            written_bytes: 99_990,
        }
    }

    fn check_close(got: &[f64], want: [f64; 16]) {
        for (((name, _), got), want) in Host::NAMES.iter().zip(got).zip(want) {
            assert!((got - want).abs() < 1e-12, "{name}: {got}, not {want}");
        }
    }

    #[test]
    fn each_number_is_scaled_as_documented() {
        check_close(
            &host_booted().measure(busy()),
            [1.5, 1.0, 0.5, 0.5, 0.3, 0.05, 0.1, 0.4, 0.25, 1.0, 0.5, 1.5, 1.0, 0.0, 0.5, 4.0 / 6.0],
        );
    }

    #[test]
    fn rates_are_those_since_the_call_before() {
        let mut host = host_booted();
        host.measure(busy());
        let later = Snapshot {
            uptime_seconds: 20.0,
            cpu_total: 2000,
            cpu_idle: 1100,
            // Smaller than before, as when an interface is removed.
            received_bytes: 5,
            ..busy()
        };
        check_close(
            &host.measure(later),
            [1.5, 1.0, 0.5, 0.0, 0.0, 0.0, 1.0, 0.4, 0.25, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0, 0.0],
        );
    }

    #[test]
    fn a_call_too_soon_repeats_the_numbers() {
        let mut host = host_booted();
        let first = host.measure(busy());
        assert_eq!(host.measure(busy()), first);
    }

    #[test]
    fn numbers_are_finite_and_bounded_whatever_the_counters() {
        let extremes = [
            Snapshot::default(),
            Snapshot {
                uptime_seconds: 1e-300,
                load: [1e300, -1e300, f64::NAN],
                cpu_user: u64::MAX,
                cpu_total: 1,
                context_switches: u64::MAX,
                running: u64::MAX,
                ..Snapshot::default()
            },
        ];
        for now in &extremes {
            let vector = numbers(&Snapshot::default(), now);
            assert!(vector.iter().all(|number| number.abs() <= LIMIT), "{vector:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_can_be_read() {
        let mut host = Host::new().unwrap();
        for _ in 0..3 {
            let vector = host.next().unwrap().unwrap();
            assert_eq!(Some(vector.len()), host.width());
            assert!(vector.iter().all(|number| number.abs() <= LIMIT), "{vector:?}");
            // A machine that runs this test uses memory and has spent time in user code.
            assert!(vector[7] > 0.0 && vector[3] >= 0.0);
        }
    }

    #[cfg(not(target_os = "linux"))]
    #[test]
    fn other_systems_are_refused() {
        let message = Host::new().unwrap_err().to_string();
        assert!(message.contains("needs Linux"), "{message}");
    }
}
