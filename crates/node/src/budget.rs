//! One budget for all body bytes that the node holds at a time, in requests and in responses.
//!
//! Whoever wants a body waits for its share, the newest first: under overload the old ones give up
//! and the new ones are served, instead of all being served too late. A waiting one *presses*:
//! bodies that do not move are then cut off early (see [`crate::body`] and the listener), so that
//! stalled clients cannot hold the budget against those that work.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// Bodies up to this size may use the whole budget; larger ones leave [`RESERVE_PART`] of it, so
/// that anchors and small bricks go through while large uploads fill the rest. Bytes.
const SMALL_BYTES_MAX: u64 = 1 << 20;
/// The part of the budget (one in so many) that only small bodies may use.
const RESERVE_PART: u64 = 8;
/// How long a body waits for its share before the client is told to come back.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Bodies that may wait at a time; beyond it the answer is immediate.
const WAITING_MAX: usize = 4096;

/// The budget. Cheap to clone; all clones are the same budget.
#[derive(Clone, Debug)]
pub struct BodyBudget(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    capacity: u64,
    free: u64,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    bytes: u64,
    granted: oneshot::Sender<Share>,
}

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub struct Share {
    bytes: u64,
    budget: BodyBudget,
}

/// The budget is used up and stayed so.
#[derive(Debug, thiserror::Error)]
#[error("the bytes that the node may hold at a time are in use")]
pub struct Exhausted;

impl BodyBudget {
    /// A budget of `capacity` bytes.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            capacity,
            free: capacity,
            waiting: Vec::new(),
        })))
    }

    /// A share of `bytes`, waiting up to five seconds for it.
    ///
    /// **Cancellation:** a share granted to a dropped future goes back to the budget.
    ///
    /// # Errors
    /// [`Exhausted`].
    pub async fn acquire(&self, bytes: u64) -> Result<Share, Exhausted> {
        let granted = {
            let mut state = self.lock();
            if state.try_take(bytes) {
                return Ok(self.share(bytes));
            }
            // Those that have given up no longer wait.
            state.waiting.retain(|waiting| !waiting.granted.is_closed());
            if bytes > state.available_to(bytes, state.capacity)
                || state.waiting.len() >= WAITING_MAX
            {
                return Err(Exhausted);
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push(Waiting {
                bytes,
                granted: sender,
            });
            receiver
        };
        tokio::time::timeout(WAIT_MAX, granted)
            .await
            .map_err(|_| Exhausted)?
            .map_err(|_| Exhausted)
    }

    /// Whether somebody waits for a share.
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        self.lock()
            .waiting
            .iter()
            .any(|waiting| !waiting.granted.is_closed())
    }

    /// How many bodies wait for a share.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let state = self.lock();
        let waiting = state.waiting.iter();
        waiting.filter(|it| !it.granted.is_closed()).count()
    }

    /// The bytes of the whole budget.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.lock().capacity
    }

    /// Bytes of the budget that are in use.
    #[must_use]
    pub fn used(&self) -> u64 {
        let state = self.lock();
        state.capacity - state.free
    }

    fn share(&self, bytes: u64) -> Share {
        Share {
            bytes,
            budget: self.clone(),
        }
    }

    fn give_back(&self, bytes: u64) {
        // Shares whose receiver has gone are dropped after the lock, and come back here.
        let mut unwanted = Vec::new();
        let mut state = self.lock();
        state.free += bytes;
        state.waiting.retain(|waiting| !waiting.granted.is_closed());
        let mut newest = state.waiting.len();
        while newest > 0 {
            newest -= 1;
            let wanted = state.waiting.get(newest).map_or(0, |waiting| waiting.bytes);
            if state.try_take(wanted) {
                let waiting = state.waiting.remove(newest);
                if let Err(share) = waiting.granted.send(self.share(wanted)) {
                    unwanted.push(share);
                }
            }
        }
        drop(state);
        drop(unwanted);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What a body of `bytes` may use of `free` bytes.
    fn available_to(&self, bytes: u64, free: u64) -> u64 {
        if bytes <= SMALL_BYTES_MAX {
            free
        } else {
            free.saturating_sub(self.capacity / RESERVE_PART)
        }
    }

    fn try_take(&mut self, bytes: u64) -> bool {
        let fits = bytes <= self.available_to(bytes, self.free);
        if fits {
            self.free -= bytes;
        }
        fits
    }
}

impl Share {
    /// How large the share is.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the share larger by `bytes`, waiting for them.
    ///
    /// # Errors
    /// [`Exhausted`]; the share stays as it was.
    pub async fn grow(&mut self, bytes: u64) -> Result<(), Exhausted> {
        let mut more = self.budget.acquire(bytes).await?;
        self.bytes += std::mem::take(&mut more.bytes);
        Ok(())
    }
}

impl Share {
    /// Gives back what is above `bytes`.
    pub fn shrink_to(&mut self, bytes: u64) {
        if self.bytes > bytes {
            self.budget.give_back(self.bytes - bytes);
            self.bytes = bytes;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.give_back(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[tokio::test(start_paused = true)]
    async fn large_bodies_leave_room_for_small_ones() {
        let budget = BodyBudget::new(16 * MIB);
        let _large = budget.acquire(14 * MIB).await.unwrap();
        assert!(budget.acquire(2 * MIB).await.is_err());
        assert!(budget.acquire(MIB).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_waiter_is_served_first_and_nothing_is_lost() {
        let budget = BodyBudget::new(8 * MIB);
        let held = budget.acquire(7 * MIB).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for n in 0..2 {
            let (budget, order) = (budget.clone(), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let share = budget.acquire(5 * MIB).await;
                order.lock().unwrap().push((n, share.is_ok()));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }));
            tokio::task::yield_now().await;
        }
        assert!(budget.is_pressed());
        drop(held);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [(1, true), (0, true)]);
        assert_eq!(budget.used(), 0);
        assert!(!budget.is_pressed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_can_never_fit_is_refused_at_once() {
        let budget = BodyBudget::new(8 * MIB);
        let before = tokio::time::Instant::now();
        assert!(budget.acquire(9 * MIB).await.is_err());
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
}
