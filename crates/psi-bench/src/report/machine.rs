//! What it was measured on. Figures of two machines can't be compared, ratios within one run can.

use std::{fs, thread};

use serde::Serialize;

/// The machine, as it describes itself; null where it does not.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Its model.
    pub cpu: Option<String>,
    /// Cores that this process may use.
    pub cores: Option<usize>,
    /// The system's name and version.
    pub kernel: Option<String>,
    /// All that it has.
    pub memory_bytes: Option<u64>,
    /// Tasks that ran or waited for a core in the minute before, on average: what else the machine did.
    pub load: Option<f64>,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).ok();
        Self {
            cpu: read("/proc/cpuinfo").and_then(|text| cpu(&text)),
            cores: thread::available_parallelism().ok().map(Into::into),
            kernel: read("/proc/sys/kernel/osrelease").map(|text| format!("Linux {}", text.trim())),
            memory_bytes: read("/proc/meminfo").and_then(|text| memory_bytes(&text)),
            load: read("/proc/loadavg").and_then(|text| load(&text)),
        }
    }

    /// One line.
    #[must_use]
    pub fn text(&self) -> String {
        const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
        let unknown = || "unknown".to_owned();
        format!(
            "{}, {} cores, {} memory, {}, load {}",
            self.cpu.clone().unwrap_or_else(|| "unknown CPU".to_owned()),
            self.cores.map_or_else(unknown, |cores| cores.to_string()),
            self.memory_bytes.map_or_else(unknown, |bytes| format!("{:.1} GiB", bytes as f64 / GIB)),
            self.kernel.clone().unwrap_or_else(|| std::env::consts::OS.to_owned()),
            self.load.map_or_else(unknown, |load| load.to_string()),
        )
    }
}

/// The first model name; ARM machines have none there.
fn cpu(cpuinfo: &str) -> Option<String> {
    value(cpuinfo, "model name").map(str::to_owned)
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let kibibytes: u64 = value(meminfo, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn load(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

/// The value of the first line `key : value`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: A CPU @ 2.0GHz\n\nprocessor\t: 1\nmodel name\t: Another\n";
        assert_eq!(cpu(cpuinfo).as_deref(), Some("A CPU @ 2.0GHz"));
        assert_eq!(cpu("processor\t: 0\nBogoMIPS\t: 50\n"), None);
        assert_eq!(memory_bytes("MemTotal:       2048 kB\nMemFree:  1 kB\n"), Some(2 << 20));
        assert_eq!(memory_bytes("MemFree:  1 kB\n"), None);
        assert_eq!((load("0.52 0.4 0.3 1/99 7\n"), load("")), (Some(0.52), None));
    }
}
