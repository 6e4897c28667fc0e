//! The memory of a process, as the kernel counts it (`proc(5)`, `/proc/PID/status`).

use std::io;

/// Resident memory of a process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// Now.
    pub now: u64,
    /// At most so far.
    pub most: u64,
}

impl Resident {
    /// Of the process `pid`.
    ///
    /// # Errors
    /// When there is no such process, or the kernel does not say.
    pub fn of(pid: u32) -> io::Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let told =
            |name| field(&status, name).ok_or_else(|| io::Error::other(format!("no {name}")));
        Ok(Self {
            now: told("VmRSS")?,
            most: told("VmHWM")?,
        })
    }
}

/// A field such as `VmRSS:    17124 kB`, in bytes.
fn field(status: &str, name: &str) -> Option<u64> {
    let mut lines = status.lines();
    let rest = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t   20 kB\nVmRSS:\t   17 kB\n";
        assert_eq!(field(status, "VmRSS"), Some(17 * 1024));
        assert_eq!(field(status, "VmSwap"), None);
    }

    #[test]
    fn a_process_has_memory() {
        let own = Resident::of(std::process::id()).unwrap();
        assert!(own.now > 0 && own.most >= own.now, "{own:?}");
        assert!(Resident::of(0).is_err());
    }
}
