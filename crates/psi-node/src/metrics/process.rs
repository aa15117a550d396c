//! Series of the process, under the names that other programs' exporters give them too: what it takes of the machine.
//! On Linux; elsewhere there are none. Nodes that share a process show the same.

use prometheus::Registry;

use super::family::{Family, SeriesKind};

const fn row(name: &'static str, kind: SeriesKind, help: &'static str) -> Family {
    Family { name, kind, labels: &[], help }
}

/// What the collector of the library shows.
pub(super) const FAMILIES: &[Family] = &[
    row("process_cpu_seconds_total", SeriesKind::Counter, "Total user and system CPU time spent in seconds."),
    row("process_open_fds", SeriesKind::Gauge, "Number of open file descriptors."),
    row("process_max_fds", SeriesKind::Gauge, "Maximum number of open file descriptors."),
    row("process_virtual_memory_bytes", SeriesKind::Gauge, "Virtual memory size in bytes."),
    row("process_resident_memory_bytes", SeriesKind::Gauge, "Resident memory size in bytes."),
    row("process_start_time_seconds", SeriesKind::Gauge, "Start time of the process since unix epoch in seconds."),
    row("process_threads", SeriesKind::Gauge, "Number of OS threads in the process."),
];

/// Shows them in a registry.
///
/// # Panics
/// If the registry has one of the names.
#[cfg(target_os = "linux")]
pub(super) fn register(registry: &Registry) {
    let collector = prometheus::process_collector::ProcessCollector::for_self();
    registry.register(Box::new(collector)).expect("names of their own");
}

#[cfg(not(target_os = "linux"))]
pub(super) fn register(_: &Registry) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use prometheus::proto::MetricType;

    use super::*;

    #[test]
    fn the_rows_are_what_is_shown() {
        let registry = Registry::new();
        register(&registry);
        let mut rows: Vec<_> = FAMILIES.iter().map(|row| (row.name, row.kind, row.help)).collect();
        rows.sort_by_key(|(name, ..)| *name);
        let gathered = registry.gather();
        let shown = gathered.iter().map(|family| {
            let is_counter = family.get_field_type() == MetricType::COUNTER;
            (family.name(), if is_counter { SeriesKind::Counter } else { SeriesKind::Gauge }, family.help())
        });
        assert_eq!(shown.collect::<Vec<_>>(), rows);
        let value = |name: &str| {
            let family = gathered.iter().find(|family| family.name() == name).unwrap();
            family.get_metric()[0].get_gauge().get_value()
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_open_fds") > 2.0);
    }
}
