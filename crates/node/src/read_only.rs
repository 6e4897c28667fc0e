//! Read-only mode: from the configuration, or while a file named `readonly` lies in a watched
//! folder.
//!
//! **Source:** `http-api.md` §1 (the reference looks every 60 s; here it is noticed in half one).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;

/// How often the files are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Whether a request may change something. Two routes take `POST` only because their questions are
/// too long for a path.
#[must_use]
pub(crate) fn may_write(method: &Method, path: &str) -> bool {
    let asks = || {
        let segments = crate::path::segments("/bricking", path);
        matches!(segments.as_deref(), Some([_, "have-bricks" | "get-bricks"]))
    };
    match *method {
        Method::GET | Method::HEAD => false,
        Method::POST => !asks(),
        _ => true,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_questions_are_no_writes() {
        let check = |method: Method, path, expected| {
            assert_eq!(may_write(&method, path), expected, "{method} {path}");
        };
        check(Method::GET, "/bricking/d/get-brick/x", false);
        check(Method::HEAD, "/anything", false);
        check(Method::POST, "/bricking/d/have-bricks", false);
        check(Method::POST, "/bricking/d/get-bricks/", false);
        check(Method::PUT, "/bricking/d/get-bricks", true);
        check(Method::DELETE, "/bricking/d/have-bricks", true);
        check(Method::POST, "/bricking/d/put-bricks", true);
        check(Method::POST, "/bricking/get-bricks", true);
        check(Method::POST, "/bricking/d/get-bricks/x", true);
        check(Method::POST, "/anchor/d/get-bricks", true);
        check(Method::PUT, "/bricking/d/put-brick", true);
    }
}
