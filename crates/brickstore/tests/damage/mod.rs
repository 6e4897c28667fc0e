//! Damage to stored files.

use std::path::Path;

/// Every occurrence of `from` becomes `to`, of the same length; gives how many there were.
pub(crate) fn alter_files(folder: &Path, from: &[u8], to: &[u8]) -> usize {
    let mut altered = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(mut bytes) = std::fs::read(&path) else {
            continue;
        };
        let before = altered;
        while let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
            bytes[at..at + to.len()].copy_from_slice(to);
            altered += 1;
        }
        if altered > before {
            #[expect(clippy::disallowed_methods, reason = "damage need not be durable")]
            std::fs::write(&path, bytes).unwrap();
        }
    }
    altered
}
