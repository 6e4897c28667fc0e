//! The file that tells `kiln admin` where a running node's admin listener is.
//!
//! The process holds a lock on it as long as it runs. A file without the lock is left over from a
//! process that is gone: another program may have its port by now, and must not be sent the token.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Name of the file of a process that runs both services; of one that runs one of them, this, a
/// hyphen and the service's name.
const FILE: &str = "admin-address";
/// The longest address with its scheme, and some more.
const BYTES_MAX: u64 = 256;

/// The file of this process; removed when the value goes.
#[derive(Debug)]
pub(crate) struct AddressFile {
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl AddressFile {
    /// Writes the address of the listener in the data folder of a process with these `parts`.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn write(data: &Path, parts: &[&str], address: SocketAddr) -> io::Result<Self> {
        let name = match parts {
            [only] => format!("{FILE}-{only}"),
            _ => FILE.to_owned(),
        };
        let path = data.join(&name);
        let temporary = data.join(format!(".{name}.{}.tmp", std::process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        writeln!(file, "http://{address}")?;
        // Locked before it has its name, so that nobody finds it without the lock.
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        fs::rename(&temporary, &path)?;
        Ok(Self { path, _file: file })
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        // What stays behind has no lock, so it deceives nobody.
        let _ = fs::remove_file(&self.path);
    }
}

/// The addresses of the admin listeners of the processes that run on a data folder, each with the
/// name of its file: one of a node, up to two of services that run apart.
///
/// # Errors
/// When a file that is there cannot be read.
pub fn admin_addresses(data: &Path) -> io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for name in [
        FILE.to_owned(),
        format!("{FILE}-anchors"),
        format!("{FILE}-bricks"),
    ] {
        let file = match File::open(data.join(&name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
            continue;
        }
        let mut text = String::new();
        file.take(BYTES_MAX).read_to_string(&mut text)?;
        found.push((name, text.trim().to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_file_of_a_running_process_counts() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        assert_eq!(admin_addresses(data).unwrap(), []);
        let address = SocketAddr::from(([127, 0, 0, 1], 4321));
        let file = AddressFile::write(data, &["bricks", "anchors"], address).unwrap();
        let expected = (FILE.to_owned(), "http://127.0.0.1:4321".to_owned());
        assert_eq!(admin_addresses(data).unwrap(), [expected]);
        drop(file);
        assert_eq!(admin_addresses(data).unwrap(), []);

        let one = AddressFile::write(data, &["bricks"], address).unwrap();
        let two = AddressFile::write(data, &["anchors"], address).unwrap();
        let names: Vec<_> = admin_addresses(data).unwrap();
        let names: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["admin-address-anchors", "admin-address-bricks"]);
        drop((one, two));
    }

    #[test]
    fn a_file_left_over_from_a_killed_process_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = OpenOptions::new();
        let mut left = options
            .write(true)
            .create_new(true)
            .open(folder.path().join(FILE))
            .unwrap();
        left.write_all(b"http://127.0.0.1:1\n").unwrap();
        drop(left);
        assert_eq!(admin_addresses(folder.path()).unwrap(), []);
    }
}
