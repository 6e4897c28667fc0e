//! Ctrl-C and SIGTERM while something lies about that must not stay there: the work ends soon, and
//! takes it away.

use std::ops::ControlFlow;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Exit, Failure};

/// How often it is looked whether somebody wants an end.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Whether somebody wants the command to end.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    is_asked: Arc<AtomicBool>,
}

impl Stop {
    /// From now on the first signal is noted, and the second ends the process as it is.
    pub(super) fn watch() -> Result<Self, Failure> {
        let refused = |error| Failure::io("signals cannot be received", error);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(refused)?;
        let entered = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
        drop(entered);
        let stop = Self::default();
        let is_asked = Arc::clone(&stop.is_asked);
        let wait = async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if is_asked.swap(true, Ordering::Relaxed) {
                    process::exit(i32::from(Exit::Interrupted as u8));
                }
            }
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(wait))
            .map_err(refused)?;
        Ok(stop)
    }

    /// Whether to go on, for what tells of its progress.
    pub(super) fn flow(&self) -> ControlFlow<()> {
        if self.is_asked.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Fails when somebody wants an end.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.flow() {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => {
                Err(Failure::new(Exit::Interrupted, "interrupted").next("run it again"))
            }
        }
    }

    /// Does work that tells of no progress. When somebody wants an end it is left to itself, and goes
    /// with the process.
    pub(super) fn during<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (send, receive) = mpsc::sync_channel(1);
        let work = move || drop(send.send(work()));
        thread::Builder::new()
            .spawn(work)
            .map_err(|error| Failure::io("no thread can be started", error))?;
        loop {
            match receive.recv_timeout(LOOK_EVERY) {
                Ok(done) => return Ok(done),
                Err(RecvTimeoutError::Timeout) => self.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new(Exit::Local, "the work ended without a result")
                        .next("run it again; if it ends like this again, report it as a fault of kiln"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_when_it_is_done_or_when_somebody_wants_an_end() {
        let stop = Stop::default();
        assert_eq!(stop.during(|| 7).unwrap(), 7);
        stop.check().unwrap();
        assert!(stop.flow().is_continue());
        stop.is_asked.store(true, Ordering::Relaxed);
        assert!(stop.flow().is_break());
        let (_keep, wait) = mpsc::channel::<()>();
        let failure = stop.during(move || wait.recv()).unwrap_err();
        assert_eq!(failure.exit(), Exit::Interrupted);
    }
}
