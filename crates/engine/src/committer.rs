//! Group commit: one thread owns all writes of a store, takes what has queued, commits it as one
//! batch, and answers. There is no timer: a batch is what arrived during the last sync.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::Stats;

/// Jobs that may wait for the committer. Each one's body is already counted against the budget of
/// body bytes in flight, so this only bounds the number of small ones.
const QUEUE_MAX: usize = 4096;
/// Bytes after which a batch is closed. A batch is copied twice on its way to disk, so this bounds
/// that copy; one larger job still forms a batch of its own.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// Jobs after which a batch is closed, so that the first ones do not wait for ever.
const BATCH_JOBS_MAX: usize = 1024;

/// A handle to the committer thread. Dropping the last one lets the thread finish what has queued
/// and waits for it.
pub struct Committer<J> {
    queue: Option<mpsc::Sender<J>>,
    thread: Option<JoinHandle<()>>,
}

/// The committer thread has ended, so nothing more can be written.
#[derive(Debug, thiserror::Error)]
#[error("the committer has ended")]
pub struct Closed;

impl<J: Send + 'static> Committer<J> {
    /// Starts the thread of the store whose figures `stats` are. `weigh` gives a job's bytes; `commit` gets each batch, in order of
    /// arrival, and answers every job in it.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(
        name: &str,
        stats: Arc<Stats>,
        weigh: fn(&J) -> usize,
        mut commit: impl FnMut(Vec<J>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, mut receiver) = mpsc::channel::<J>(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                while let Some(first) = receiver.blocking_recv() {
                    let mut bytes = weigh(&first);
                    let mut batch = vec![first];
                    while bytes < BATCH_BYTES_MAX && batch.len() < BATCH_JOBS_MAX {
                        let Ok(job) = receiver.try_recv() else { break };
                        bytes += weigh(&job);
                        batch.push(job);
                    }
                    stats.batch(batch.len(), bytes);
                    commit(batch);
                }
            })?;
        Ok(Self {
            queue: Some(sender),
            thread: Some(thread),
        })
    }

    /// Queues a job, waiting while the queue is full. A job that is queued is carried out, whether
    /// or not its sender still listens.
    ///
    /// **Cancellation:** dropping the future before it ends means that the job was not queued.
    ///
    /// # Errors
    /// [`Closed`] when the thread has ended.
    pub async fn submit(&self, job: J) -> Result<(), Closed> {
        match &self.queue {
            Some(queue) => queue.send(job).await.map_err(|_| Closed),
            None => Err(Closed),
        }
    }

    /// As [`Committer::submit`], for a thread outside any runtime.
    ///
    /// # Errors
    /// As [`Committer::submit`].
    pub fn submit_blocking(&self, job: J) -> Result<(), Closed> {
        match &self.queue {
            Some(queue) => queue.blocking_send(job).map_err(|_| Closed),
            None => Err(Closed),
        }
    }
}

impl<J> Drop for Committer<J> {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panicked committer has already dropped its jobs' answers; nothing is left to do.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn what_queued_is_committed_in_order_before_the_handle_is_gone() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let committer = Committer::start(
            "test",
            Arc::new(Stats::new()),
            |_| 1,
            move |batch| log.lock().unwrap().extend(batch),
        )
        .unwrap();
        for job in 0..5000_u32 {
            committer.submit(job).await.unwrap();
        }
        drop(committer);
        assert_eq!(*seen.lock().unwrap(), (0..5000).collect::<Vec<_>>());
    }
}
