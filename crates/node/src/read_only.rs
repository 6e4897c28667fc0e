//! Read-only mode: from the configuration, or while a file named `readonly` lies in a watched
//! folder.
//!
//! **Source:** `http-api.md` §1 (the reference looks every 60 s; here it is noticed in half one).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often the files are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Starts watching; the flag is right from the start. `always` holds whatever the files say.
///
/// Must be called within a runtime; the watcher ends when the flag has no other holder.
#[must_use]
pub(crate) fn watch(always: bool, files: Vec<PathBuf>) -> Arc<AtomicBool> {
    let now = move || always || files.iter().any(|file| file.exists());
    let flag = Arc::new(AtomicBool::new(now()));
    let weak = Arc::downgrade(&flag);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(flag) = weak.upgrade() else { return };
            let is = now();
            if flag.swap(is, Ordering::Relaxed) != is {
                tracing::info!(read_only = is, "read-only mode changed");
            }
        }
    });
    flag
}
