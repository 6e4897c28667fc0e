//! Read-only mode: from the configuration, while a file named `readonly` lies in a watched folder,
//! or because the operator said so while the node runs.
//!
//! **Source:** `http-api.md` §1 (the reference looks every 60 s; here it is noticed in half one).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use tokio::sync::Notify;

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

/// Whether the node takes writes. Cheap to clone; all clones see the same.
#[derive(Clone, Debug)]
pub(crate) struct ReadOnly(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    configured: bool,
    files: Vec<PathBuf>,
    file_is_there: AtomicBool,
    told: AtomicBool,
    /// Writes that were let in and have not ended.
    writes: AtomicUsize,
    ended: Notify,
}

impl ReadOnly {
    /// Right from the start, whatever holds later. `configured` holds whatever else says.
    #[must_use]
    pub(crate) fn new(configured: bool, files: Vec<PathBuf>) -> Self {
        let file_is_there = AtomicBool::new(files.iter().any(|file| file.exists()));
        Self(Arc::new(Inner {
            configured,
            files,
            file_is_there,
            told: AtomicBool::new(false),
            writes: AtomicUsize::new(0),
            ended: Notify::new(),
        }))
    }

    /// Looks for the files from now on. Must be called within a runtime; ends when the value has no
    /// other holder.
    pub(crate) fn watch_files(&self) {
        let weak = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(inner) = weak.upgrade() else { return };
                let is = inner.files.iter().any(|file| file.exists());
                if inner.file_is_there.swap(is, Ordering::SeqCst) != is {
                    tracing::info!(file_is_there = is, "a file that means read-only mode");
                }
            }
        });
    }

    /// Whether writes are refused.
    pub(crate) fn is_active(&self) -> bool {
        let inner = &self.0;
        let is = |flag: &AtomicBool| flag.load(Ordering::SeqCst);
        inner.configured || is(&inner.told) || is(&inner.file_is_there)
    }

    /// Why writes are refused, by name: `configuration`, `admin`, `file`.
    pub(crate) fn causes(&self) -> Vec<&'static str> {
        let inner = &self.0;
        let is = |flag: &AtomicBool| flag.load(Ordering::SeqCst);
        let causes = [
            (inner.configured, "configuration"),
            (is(&inner.told), "admin"),
            (is(&inner.file_is_there), "file"),
        ];
        let holds = causes.into_iter().filter(|(holds, _)| *holds);
        holds.map(|(_, cause)| cause).collect()
    }

    /// What the operator says. Writes that were let in before go on; see [`ReadOnly::settled`].
    pub(crate) fn tell(&self, is_read_only: bool) {
        self.0.told.store(is_read_only, Ordering::SeqCst);
    }

    /// Lets a write in, until the value is dropped; `None` when writes are refused.
    pub(crate) fn admit(&self) -> Option<Admitted> {
        if self.is_active() {
            return None;
        }
        self.0.writes.fetch_add(1, Ordering::SeqCst);
        let admitted = Admitted(Arc::clone(&self.0));
        // Counted before this look, so that who changes the mode sees it or is seen.
        (!self.is_active()).then_some(admitted)
    }

    /// Waits until no write that was let in still runs. Once writes are refused and this returns
    /// `Ok`, nothing more is acknowledged.
    ///
    /// # Errors
    /// How many still run after `most`.
    pub(crate) async fn settled(&self, most: Duration) -> Result<(), usize> {
        let writes = || self.0.writes.load(Ordering::SeqCst);
        let all_ended = async {
            loop {
                let ended = self.0.ended.notified();
                tokio::pin!(ended);
                // Listening before the look, so that an end in between is not missed.
                ended.as_mut().enable();
                if writes() == 0 {
                    return;
                }
                ended.await;
            }
        };
        let waited = tokio::time::timeout(most, all_ended).await;
        waited.map_err(|_| writes())
    }
}

/// A write that was let in.
#[derive(Debug)]
pub(crate) struct Admitted(Arc<Inner>);

impl Drop for Admitted {
    fn drop(&mut self) {
        if self.0.writes.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.ended.notify_waiters();
        }
    }
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

    #[tokio::test]
    async fn a_write_that_was_let_in_is_waited_for() {
        let mode = ReadOnly::new(false, Vec::new());
        let write = mode.admit().unwrap();
        mode.tell(true);
        assert!(mode.is_active() && mode.admit().is_none());
        assert_eq!(mode.settled(Duration::ZERO).await, Err(1));
        let waiting = tokio::spawn({
            let mode = mode.clone();
            async move { mode.settled(Duration::from_mins(1)).await }
        });
        tokio::task::yield_now().await;
        drop(write);
        assert_eq!(waiting.await.unwrap(), Ok(()));
        assert_eq!(mode.causes(), ["admin"]);
        mode.tell(false);
        assert!(mode.admit().is_some() && mode.causes().is_empty());
    }

    #[test]
    fn each_cause_holds_alone() {
        let folder = tempfile::tempdir().unwrap();
        let configured = ReadOnly::new(true, Vec::new());
        configured.tell(false);
        assert_eq!(configured.causes(), ["configuration"]);
        let by_file = ReadOnly::new(false, vec![folder.path().to_owned()]);
        assert_eq!(by_file.causes(), ["file"]);
        assert!(by_file.admit().is_none());
    }
}
