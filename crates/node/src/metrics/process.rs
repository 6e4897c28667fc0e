//! The process itself, under the names that Prometheus' own clients use. From `/proc`; where that
//! is not there, only the start is known.

use std::fs;

use super::sampled::{Family, Kind, Samples, sampled};
use crate::system::clock_ms;

/// Clock ticks per second in `/proc/self/stat`: the same on every Linux that we run on, whatever
/// the kernel's own tick is.
const TICKS_PER_SECOND: f64 = 100.0;
/// `VmRSS` is in these.
const KIB: u64 = 1024;

const FAMILIES: &[Family] = &[
    Family {
        name: "process_cpu_seconds_total",
        help: "Time that the process spent on processors, its own and the system's for it.",
        kind: Kind::Counter,
        labels: &[],
    },
    Family {
        name: "process_resident_memory_bytes",
        help: "Memory of the process that is in RAM.",
        kind: Kind::Gauge,
        labels: &[],
    },
    Family {
        name: "process_open_fds",
        help: "Open file descriptors.",
        kind: Kind::Gauge,
        labels: &[],
    },
    Family {
        name: "process_max_fds",
        help: "File descriptors that may be open.",
        kind: Kind::Gauge,
        labels: &[],
    },
    Family {
        name: "process_start_time_seconds",
        help: "When the process began, in seconds since the epoch.",
        kind: Kind::Gauge,
        labels: &[],
    },
];

/// The collector. What begins now is the process.
pub(super) fn collector() -> prometheus::Result<Box<dyn prometheus::core::Collector>> {
    let started_s = clock_ms() / 1000;
    sampled(FAMILIES, move |samples| {
        samples.set("process_start_time_seconds", &[], started_s);
        read(samples);
    })
}

fn read(samples: &mut Samples) {
    if let Some(ticks) = fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| processor_ticks(&stat))
    {
        let seconds = ticks / TICKS_PER_SECOND;
        samples.set_fraction("process_cpu_seconds_total", &[], seconds);
    }
    let status = fs::read_to_string("/proc/self/status").ok();
    if let Some(kib) = status.and_then(|status| resident_kib(&status)) {
        samples.set("process_resident_memory_bytes", &[], kib * KIB);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder that is being read.
        let open = open.count().saturating_sub(1) as u64;
        samples.set("process_open_fds", &[], open);
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    if let Some(most) = limit.current {
        samples.set("process_max_fds", &[], most);
    }
}

/// The sum of the 14th and 15th field. The second is the program's name in parentheses and may hold
/// anything, so what is counted begins after the last one.
fn processor_ticks(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn resident_kib(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_whatever_the_program_is_called() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(processor_ticks(stat), Some(200.0));
        assert_eq!(resident_kib("Name:\tx\nVmRSS:\t  512 kB\n"), Some(512));
        assert_eq!(resident_kib("VmRSS:\tmuch\n"), None);
    }
}
