//! Resources that a process uses, as Linux shows them under `/proc`.

use std::{collections::BTreeMap, fs, path::Path};

use crate::error::BenchError;

/// In what `/proc/PID/stat` counts time: USER_HZ, 100 on every architecture that this program is built for.
const TICKS_A_SECOND: f64 = 100.0;
/// Where user and system time stand, counted from what follows the program's name.
const USER_TIME: usize = 11;

/// What a process has taken so far.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Usage {
    /// Of all its threads, those that have ended too; to the hundredth.
    cpu_s: f64,
    /// Of each thread that is there, nanoseconds; where the system counts them.
    thread_cpu_ns: Option<BTreeMap<String, u64>>,
    /// Memory that is resident now.
    pub(crate) memory_bytes: u64,
}

impl Usage {
    /// Of a process that runs.
    ///
    /// # Errors
    /// If the system does not say.
    pub(crate) fn of(process: u32) -> Result<Self, BenchError> {
        let read = |file: &str| {
            let path = format!("/proc/{process}/{file}");
            fs::read_to_string(&path).map_err(|error| BenchError::failed(format!("can't read {path}: {error}")))
        };
        let (stat, status) = (read("stat")?, read("status")?);
        let missing = |what: &str| BenchError::failed(format!("/proc/{process} does not say {what}"));
        Ok(Self {
            cpu_s: cpu_s(&stat).ok_or_else(|| missing("CPU time"))?,
            thread_cpu_ns: thread_cpu_ns(Path::new(&format!("/proc/{process}/task"))),
            memory_bytes: memory_bytes(&status).ok_or_else(|| missing("memory"))?,
        })
    }

    /// CPU time since an earlier look, seconds: exact while threads neither come nor go, else to the hundredth.
    pub(crate) fn cpu_s_since(&self, earlier: &Self) -> f64 {
        let exact = self.thread_cpu_ns.as_ref().zip(earlier.thread_cpu_ns.as_ref());
        match exact.filter(|(now, then)| now.keys().eq(then.keys())) {
            Some((now, then)) => {
                now.values().zip(then.values()).map(|(now, then)| now - then).sum::<u64>() as f64 / 1e9
            }
            None => self.cpu_s - earlier.cpu_s,
        }
    }
}

/// What the scheduler counted; none where it does not, or where a thread ends just now.
fn thread_cpu_ns(tasks: &Path) -> Option<BTreeMap<String, u64>> {
    let of = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let ns = text.split_whitespace().next()?.parse().ok()?;
        Some((task.file_name().to_str()?.to_owned(), ns))
    };
    fs::read_dir(tasks).ok()?.map(|task| of(task.ok()?)).collect()
}

/// The name stands in brackets, and may hold anything.
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_whitespace().skip(USER_TIME).map(|ticks| ticks.parse::<u64>().ok());
    Some((times.next()?? + times.next()??) as f64 / TICKS_A_SECOND)
}

fn memory_bytes(status: &str) -> Option<u64> {
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(resident.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_found_behind_any_name() {
        let stat = "7 (a) b ( 1) S 1 7 7 0 -1 4194560 100 0 0 0 250 17 0 0 20 0 3 0 9 1 2 3";
        assert_eq!(cpu_s(stat), Some(2.67));
        assert_eq!(cpu_s("7 (a) S 1"), None);
    }

    #[test]
    fn time_is_that_of_threads_unless_some_came_or_went() {
        let usage = |cpu_s: f64, threads: &[(&str, u64)]| Usage {
            cpu_s,
            thread_cpu_ns: Some(threads.iter().map(|(thread, ns)| ((*thread).to_owned(), *ns)).collect()),
            memory_bytes: 1,
        };
        let before = usage(1.0, &[("7", 1_000), ("8", 2_000)]);
        assert_eq!(usage(1.01, &[("7", 4_000), ("8", 9_000)]).cpu_s_since(&before), 1e-5);
        assert_eq!(usage(1.5, &[("7", 4_000), ("9", 9_000)]).cpu_s_since(&before), 0.5);
    }

    #[test]
    fn resident_memory_is_shown_in_bytes() {
        assert_eq!(memory_bytes("VmHWM:\t    9 kB\nVmRSS:\t   12 kB\n"), Some(12 * 1024));
        assert_eq!(memory_bytes("VmHWM:\t    9 kB\n"), None);
    }
}
