//! Folders that are there after a power cut: a new one is durable when the one above it is synced.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes a folder with those above it, if there is none, and syncs what names them. New ones get
/// this mode, less what the process masks.
///
/// # Errors
/// What the operating system says.
pub fn create_folder(folder: &Path, mode: u32) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|it| !it.exists()).collect();
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(folder)?;
    missing.into_iter().try_for_each(|made| {
        let above = match made.parent() {
            Some(above) if above != Path::new("") => above,
            _ => Path::new("."),
        };
        File::open(above)?.sync_all()
    })
}
