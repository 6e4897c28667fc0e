//! What the figures were taken on.

use std::fs::read_to_string;
use std::path::Path;
use std::thread;

/// Command line, processor, load and disk, a line each.
pub(crate) fn describe(folder: &Path) -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!(
        "command  make bench-ledger (profile `dev`, the one that is installed: optimised, checks on)\n\
         machine  {cores} cores, {}\n\
         load     {} when this began\n\
         disk     {}",
        processor(),
        load(),
        disk(folder),
    )
}

fn processor() -> String {
    let text = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(": "));
    name.map_or("processor not known", |(_, name)| name)
        .to_owned()
}

/// How many threads wanted a core during the last minute, on average.
pub(crate) fn load() -> String {
    let text = read_to_string("/proc/loadavg").unwrap_or_default();
    let minute = text.split(' ').next().filter(|it| !it.is_empty());
    minute.unwrap_or("not known").to_owned()
}

/// Seconds that the cores worked for this process so far, in steps of 10 ms; 0 if Linux does not say.
pub(crate) fn cpu_s() -> f64 {
    let text = read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold anything, in hundredths: 12th for us, 13th in the kernel.
    let fields = text.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = fields.split(' ').skip(11).take(2);
    ticks.filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Seconds that threads of this process, those that still live, were ready and had no core; 0 if
/// Linux does not say.
pub(crate) fn core_wait_s() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let waits = tasks.flatten().filter_map(|task| {
        let text = read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').nth(1)?.parse::<f64>().ok()
    });
    waits.sum::<f64>() / 1e9
}

/// The file system of a folder and the disk below it, as Linux tells them.
fn disk(folder: &Path) -> String {
    let mounts = read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = mounts.lines().filter_map(Mount::parse);
    let below = mounts.filter(|mount| folder.starts_with(&mount.point));
    // Of mounts on one point the last one is seen.
    let Some(mount) = below.max_by_key(|mount| mount.point.len()) else {
        return "not known".to_owned();
    };
    let queue = format!("/sys/dev/block/{}/queue/rotational", mount.device);
    let of_partition = format!("/sys/dev/block/{}/../queue/rotational", mount.device);
    let rotates = read_to_string(queue).or_else(|_| read_to_string(of_partition));
    let kind = match rotates.as_deref().map(str::trim) {
        Ok("0") => "not rotating",
        Ok("1") => "rotating, or virtual and not telling",
        _ => "kind not known",
    };
    format!("{} on {}, {kind}", mount.file_system, mount.source)
}

struct Mount {
    device: String,
    point: String,
    file_system: String,
    source: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (here, there) = line.split_once(" - ")?;
        let mut here = here.split(' ').skip(2);
        let device = here.next()?.to_owned();
        let point = here.nth(1)?.to_owned();
        let mut there = there.split(' ');
        Some(Self {
            device,
            point,
            file_system: there.next()?.to_owned(),
            source: there.next()?.to_owned(),
        })
    }
}
