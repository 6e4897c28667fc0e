//! Damage to the stored files of a stopped node.

use std::path::Path;

use anyhow::{Result, ensure};

/// Changes the stored bytes of a brick that is 20,000 times `x`, in the folder of the bricks.
pub(crate) fn damage(folder: &Path) -> Result<()> {
    let mut damaged = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Ok(mut bytes) = std::fs::read(&path) else {
            continue;
        };
        if let Some(at) = bytes.windows(1_000).position(|it| it == [b'x'; 1_000]) {
            bytes[at + 500] = b'y';
            testkit::server::write_file(&path, &bytes)?;
            damaged += 1;
        }
    }
    ensure!(damaged > 0, "no stored file holds the brick");
    Ok(())
}
