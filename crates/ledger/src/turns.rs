//! One write at a time to each anchor. The map holds the anchors that are being written to and no
//! others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Lock, OwnedMutexGuard};

type Locks = HashMap<Box<str>, Arc<Lock<()>>>;

/// The anchors that are being written to.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<Locks>>);

/// The right to write to an anchor, until it is dropped.
pub(crate) struct Turn {
    turns: Turns,
    anchor: Box<str>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for the turn to write to an anchor. Whoever takes several does so in their order.
    pub(crate) async fn take(&self, anchor: &str) -> Turn {
        let lock = self.with(|locks| Arc::clone(locks.entry(anchor.into()).or_default()));
        // Made before the wait, so that the entry goes as well when the wait is given up.
        let mut turn = Turn {
            turns: self.clone(),
            anchor: anchor.into(),
            guard: None,
        };
        turn.guard = Some(lock.lock_owned().await);
        turn
    }

    fn with<T>(&self, act: impl FnOnce(&mut Locks) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        self.turns.with(|locks| {
            // Others who hold or await the lock have a share of it, taken while the map was locked.
            let is_last = |lock: &Arc<_>| Arc::strong_count(lock) == 1;
            if locks.get(&self.anchor).is_some_and(is_last) {
                locks.remove(&self.anchor);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    use super::*;

    fn is_pending(wait: Pin<&mut impl Future<Output = Turn>>) -> bool {
        wait.poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    }

    #[tokio::test]
    async fn turns_are_taken_one_after_the_other_and_leave_nothing_behind() {
        let turns = Turns::default();
        let first = turns.take("a").await;
        let other = turns.take("b").await;
        let mut second = pin!(turns.take("a"));
        assert!(is_pending(second.as_mut()));
        {
            let given_up = pin!(turns.take("a"));
            assert!(is_pending(given_up));
        }
        drop(first);
        let second = second.await;
        drop((second, other));
        assert_eq!(turns.with(|locks| locks.len()), 0);
    }

    #[tokio::test]
    async fn a_wait_given_up_after_the_lock_was_free_leaves_nothing_behind() {
        let turns = Turns::default();
        let first = turns.take("a").await;
        {
            let mut given_up = Box::pin(turns.take("a"));
            assert!(is_pending(given_up.as_mut()));
            drop(first);
        }
        assert_eq!(turns.with(|locks| locks.len()), 0);
    }
}
