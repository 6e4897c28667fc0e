//! The scrub: a walk over a whole store, in the background, at a bounded rate, that goes on where it
//! was after a restart. What it looks at is the store's matter ([`Scrubbed`]); when, how fast, and
//! how far it is, is decided here.
//!
//! ```text
//! meta:  "scrub"  ->  the current pass: number, began, things, bytes, damaged (8 each, big-endian)
//!                     the last whole pass: the same, and its end (8)
//!                     where the current pass is: a key of the store; empty when none runs
//! ```
//! A pass that began at 0 is none.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

/// What a look costs at least, in bytes: small things take time too.
const LOOK_BYTES_MIN: u64 = 4 << 10;
/// While clients wait for the store, the scrub takes this many times longer.
const SLOWER_WHILE_BUSY: u32 = 8;
/// Pauses shorter than this are taken together.
const PAUSE_MIN: Duration = Duration::from_millis(5);
/// How often the place is written down. A crash repeats what was looked at since.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// How long a scrub waits that the store cannot answer, for instance while it is being reopened.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How a store is scrubbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubOptions {
    /// Whether passes begin by themselves.
    pub automatic: bool,
    /// Bytes that are read per second while nobody waits for the store; at least 1.
    pub bytes_per_second: u64,
    /// Time from the end of one pass to the beginning of the next.
    pub pause_between: Duration,
}

/// A store that can be scrubbed.
pub trait Scrubbed: Send + 'static {
    /// Looks at what lies behind the key `after` (from the beginning: the empty key), one thing or a
    /// few small ones, and deals with what is damaged.
    ///
    /// # Errors
    /// When the store cannot answer now. It is asked again later.
    fn step(&mut self, after: &[u8]) -> Result<Step, crate::EngineError>;

    /// Keeps this record durably, and gives it back at the next start. Losing one costs time only.
    fn save(&mut self, record: Vec<u8>);

    /// Whether clients wait for the store now.
    fn is_busy(&self) -> bool;
}

/// What a step saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The last key that was looked at; `None` at the end of the store.
    pub reached: Option<Vec<u8>>,
    /// Things looked at.
    pub things: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them are damaged.
    pub damaged: u64,
}

/// One walk over the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pass {
    /// Its number, from 1.
    pub number: u64,
    /// When it began, in milliseconds since the epoch.
    pub began_ms: u64,
    /// When it ended, in milliseconds since the epoch; 0 while it runs.
    pub ended_ms: u64,
    /// Things looked at: bricks or anchors.
    pub things: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them are damaged.
    pub damaged: u64,
}

/// How far the scrub is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScrubState {
    /// Whether it is looking at the store now; a pass can also be held up.
    #[serde(rename = "running")]
    pub is_running: bool,
    /// The pass that has begun and not ended.
    pub current: Option<Pass>,
    /// The last pass that came to its end.
    pub last: Option<Pass>,
}

/// What the thread is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Pass after pass, with pauses.
    ByItself,
    /// A pass now.
    Now,
    /// Nothing, until told otherwise.
    Stop,
    /// The end.
    End,
}

struct Told {
    order: Order,
    state: ScrubState,
}

/// What the thread and its owner share.
struct Desk {
    told: Mutex<Told>,
    changed: Condvar,
}

impl Desk {
    fn look(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, but not longer than until the order is another one.
    fn wait(&self, order: Order, most: Option<Duration>) {
        let told = self.look();
        let same = |told: &mut Told| told.order == order;
        match most {
            Some(most) => drop(self.changed.wait_timeout_while(told, most, same)),
            None => drop(self.changed.wait_while(told, same)),
        }
    }
}

/// A thread that scrubs a store. Dropping it ends the thread; the pass goes on at the next start.
pub struct Scrubber {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

impl Scrubber {
    /// Starts the thread. `saved` is the record that the store kept last, `clock` gives the time in
    /// milliseconds since the epoch.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(
        name: &str,
        scrubbed: impl Scrubbed,
        options: ScrubOptions,
        saved: Option<&[u8]>,
        clock: fn() -> u64,
    ) -> std::io::Result<Self> {
        // A record that is none of ours begins a new pass, and nothing else is lost.
        let place = saved.and_then(Place::decode).unwrap_or_default();
        let order = if options.automatic {
            Order::ByItself
        } else {
            Order::Stop
        };
        let desk = Arc::new(Desk {
            told: Mutex::new(Told {
                order,
                state: place.state(false),
            }),
            changed: Condvar::new(),
        });
        let mut walk = Walk {
            scrubbed,
            options,
            clock,
            place,
            desk: Arc::clone(&desk),
            debt: Duration::ZERO,
            saved: Instant::now(),
            has_moved: false,
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || walk.run())?;
        Ok(Self {
            desk,
            thread: Some(thread),
        })
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> ScrubState {
        self.desk.look().state
    }

    /// Begins a pass now, or goes on with the one that was held up.
    pub fn start_pass(&self) {
        self.tell(Order::Now);
    }

    /// Holds the pass up, and lets none begin by itself, until [`Scrubber::start_pass`] or a restart.
    pub fn stop(&self) {
        self.tell(Order::Stop);
    }

    fn tell(&self, order: Order) {
        self.desk.look().order = order;
        self.desk.changed.notify_all();
    }
}

impl Drop for Scrubber {
    fn drop(&mut self) {
        self.tell(Order::End);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked scrubs no more; nothing else depends on it.
            let _ = thread.join();
        }
    }
}

/// Where the scrub is, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    current: Pass,
    last: Pass,
    cursor: Vec<u8>,
}

impl Place {
    fn encode(&self) -> Vec<u8> {
        let Self { current, last, .. } = self;
        let of = |pass: &Pass| {
            let Pass {
                number,
                began_ms,
                things,
                bytes,
                damaged,
                ..
            } = *pass;
            [number, began_ms, things, bytes, damaged]
        };
        let mut numbers = of(current).to_vec();
        numbers.extend(of(last));
        numbers.push(last.ended_ms);
        let mut record: Vec<u8> = numbers.iter().flat_map(|it| it.to_be_bytes()).collect();
        record.extend_from_slice(&self.cursor);
        record
    }

    fn decode(record: &[u8]) -> Option<Self> {
        let mut rest = record;
        let mut number = || {
            let (number, behind) = rest.split_first_chunk::<8>()?;
            rest = behind;
            Some(u64::from_be_bytes(*number))
        };
        let mut pass = || {
            Some(Pass {
                number: number()?,
                began_ms: number()?,
                things: number()?,
                bytes: number()?,
                damaged: number()?,
                ended_ms: 0,
            })
        };
        let (current, mut last) = (pass()?, pass()?);
        last.ended_ms = number()?;
        Some(Self {
            current,
            last,
            cursor: rest.to_vec(),
        })
    }

    fn has_begun(&self) -> bool {
        self.current.began_ms > 0
    }

    fn state(&self, is_running: bool) -> ScrubState {
        let is = |pass: Pass| (pass.began_ms > 0).then_some(pass);
        ScrubState {
            is_running,
            current: is(self.current),
            last: is(self.last),
        }
    }
}

struct Walk<S> {
    scrubbed: S,
    options: ScrubOptions,
    clock: fn() -> u64,
    place: Place,
    desk: Arc<Desk>,
    /// What was read and not yet paused for.
    debt: Duration,
    saved: Instant,
    /// Since then.
    has_moved: bool,
}

impl<S: Scrubbed> Walk<S> {
    fn run(&mut self) {
        loop {
            let order = self.desk.look().order;
            match order {
                Order::End => break,
                Order::Stop => {
                    self.save();
                    self.show(false);
                    self.desk.wait(order, None);
                }
                Order::ByItself if !self.place.has_begun() && !self.is_due() => {
                    self.show(false);
                    self.desk.wait(order, Some(self.until_due()));
                }
                Order::ByItself | Order::Now => self.go_on(order),
            }
        }
        self.save();
    }

    fn is_due(&self) -> bool {
        self.until_due().is_zero()
    }

    /// A clock that was set back makes the pause longer, one that was set forward shorter.
    fn until_due(&self) -> Duration {
        if self.place.last.ended_ms == 0 {
            return Duration::ZERO;
        }
        let since = (self.clock)().saturating_sub(self.place.last.ended_ms);
        self.options
            .pause_between
            .saturating_sub(Duration::from_millis(since))
    }

    fn go_on(&mut self, order: Order) {
        if !self.place.has_begun() {
            self.place.current = Pass {
                number: self.place.last.number + 1,
                began_ms: (self.clock)().max(1),
                ..Pass::default()
            };
            self.place.cursor.clear();
        }
        self.show(true);
        let step = match self.scrubbed.step(&self.place.cursor) {
            Ok(step) => step,
            Err(error) => {
                tracing::warn!(%error, "the scrub cannot read the store now");
                return self.desk.wait(order, Some(RETRY_AFTER));
            }
        };
        self.has_moved = true;
        let pass = &mut self.place.current;
        pass.things += step.things;
        pass.bytes += step.bytes;
        pass.damaged += step.damaged;
        match step.reached {
            Some(reached) => {
                self.place.cursor = reached;
                if self.saved.elapsed() >= SAVE_EVERY {
                    self.save();
                }
                self.pause(order, step.bytes.max(LOOK_BYTES_MIN));
            }
            None => self.end_pass(order),
        }
    }

    fn end_pass(&mut self, order: Order) {
        self.place.current.ended_ms = (self.clock)().max(1);
        self.place.last = std::mem::take(&mut self.place.current);
        self.place.cursor.clear();
        let Pass {
            number,
            things,
            bytes,
            damaged,
            ..
        } = self.place.last;
        if things > 0 {
            tracing::info!(
                number,
                things,
                bytes,
                damaged,
                "a scrub has come to its end"
            );
            self.save();
        }
        // Nobody needs to keep that an empty store is sound.
        self.has_moved = false;
        if order == Order::Now {
            let mut told = self.desk.look();
            // Unless something else was asked for meanwhile.
            if told.order == Order::Now {
                told.order = if self.options.automatic {
                    Order::ByItself
                } else {
                    Order::Stop
                };
            }
        }
        self.show(false);
    }

    fn pause(&mut self, order: Order, bytes: u64) {
        let nanoseconds =
            bytes.saturating_mul(1_000_000_000) / self.options.bytes_per_second.max(1);
        let mut due = Duration::from_nanos(nanoseconds);
        if self.scrubbed.is_busy() {
            due = due.saturating_mul(SLOWER_WHILE_BUSY);
        }
        self.debt = self.debt.saturating_add(due);
        if self.debt >= PAUSE_MIN {
            self.desk.wait(order, Some(std::mem::take(&mut self.debt)));
        }
    }

    fn save(&mut self) {
        if std::mem::take(&mut self.has_moved) {
            self.scrubbed.save(self.place.encode());
        }
        self.saved = Instant::now();
    }

    fn show(&self, is_running: bool) {
        self.desk.look().state = self.place.state(is_running);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::EngineError;

    /// A store of numbers: every step looks at one, and tells the test, which lets it go on.
    struct Numbers {
        count: u8,
        seen: mpsc::Sender<u8>,
        go: mpsc::Receiver<()>,
        saved: mpsc::Sender<Vec<u8>>,
    }

    impl Scrubbed for Numbers {
        fn step(&mut self, after: &[u8]) -> Result<Step, EngineError> {
            let next = after.first().map_or(0, |last| last + 1);
            if next == self.count {
                return Ok(Step::default());
            }
            let _ = self.seen.send(next);
            let _ = self.go.recv();
            Ok(Step {
                reached: Some(vec![next]),
                things: 1,
                bytes: 10,
                damaged: u64::from(next == 3),
            })
        }

        fn save(&mut self, record: Vec<u8>) {
            let _ = self.saved.send(record);
        }

        fn is_busy(&self) -> bool {
            false
        }
    }

    struct Test {
        scrubber: Scrubber,
        seen: mpsc::Receiver<u8>,
        go: mpsc::Sender<()>,
        saved: mpsc::Receiver<Vec<u8>>,
    }

    fn start(automatic: bool, record: Option<&[u8]>) -> Test {
        let (seen_to, seen) = mpsc::channel();
        let (go, go_from) = mpsc::channel();
        let (saved_to, saved) = mpsc::channel();
        let numbers = Numbers {
            count: 5,
            seen: seen_to,
            go: go_from,
            saved: saved_to,
        };
        let options = ScrubOptions {
            automatic,
            bytes_per_second: 1 << 40,
            pause_between: Duration::from_hours(24),
        };
        let scrubber = Scrubber::start("test-scrub", numbers, options, record, || 1_000).unwrap();
        Test {
            scrubber,
            seen,
            go,
            saved,
        }
    }

    #[test]
    fn a_pass_that_was_held_up_goes_on_where_it_was_after_a_restart() {
        let first = start(true, None);
        for number in 0..4 {
            assert_eq!(first.seen.recv().unwrap(), number);
            if number == 3 {
                first.scrubber.stop();
            }
            first.go.send(()).unwrap();
        }
        let record = first.saved.recv().unwrap();
        drop(first);

        let second = start(true, Some(&record));
        assert_eq!(second.seen.recv().unwrap(), 4);
        let current = second.scrubber.state().current.unwrap();
        assert_eq!((current.number, current.things, current.damaged), (1, 4, 1));
        second.go.send(()).unwrap();
        let record = second.saved.recv().unwrap();
        drop(second);

        // The whole pass is known after another restart, and the next one is not due.
        let third = start(true, Some(&record));
        let state = third.scrubber.state();
        let last = state.last.unwrap();
        assert_eq!((last.number, last.things, last.bytes), (1, 5, 50));
        assert_eq!((last.damaged, last.ended_ms), (1, 1_000));
        assert_eq!(state.current, None);
        // It begins when it is asked for.
        third.scrubber.start_pass();
        assert_eq!(third.seen.recv().unwrap(), 0);
        assert_eq!(third.scrubber.state().current.unwrap().number, 2);
        assert!(third.scrubber.state().is_running);
        drop(third.go);
    }

    #[test]
    fn without_being_automatic_nothing_is_looked_at_until_it_is_asked_for() {
        let test = start(false, None);
        assert_eq!(test.scrubber.state(), ScrubState::default());
        assert!(test.seen.try_recv().is_err());
        test.scrubber.start_pass();
        for number in 0..5 {
            assert_eq!(test.seen.recv().unwrap(), number);
            test.go.send(()).unwrap();
        }
        let record = test.saved.recv().unwrap();
        assert_eq!(Place::decode(&record).unwrap().last.things, 5);
        // What is no record of ours is no reason to fail.
        assert_eq!(Place::decode(&record[..87]), None);
    }
}
