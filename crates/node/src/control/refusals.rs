//! Refusals on their way to the audit log: collected in memory, equal ones summed up, written in
//! one transaction now and then. A flood of them costs a look-up each, and neither a sync nor, in
//! the long run, more than one record a second. A crash loses those that are not written yet: of the
//! last second, in a flood of the last minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Control, ControlError, Event, audit};

/// Different refusals that are held in memory; those beyond are only counted by reason.
const GROUPS_MAX: usize = 1_000;
/// Records that may be written at once, and again per second in the long run: at 300 bytes each a
/// flood adds 26 MB a day.
const RECORDS_BURST: f64 = 1_000.0;
const RECORDS_PER_SECOND: f64 = 1.0;
/// Shortest time between two transactions, and the longest that a flood delays its records.
const WRITE_EVERY: Duration = Duration::from_secs(1);
const WRITE_EVERY_IN_FLOOD: Duration = Duration::from_mins(1);

/// One refusal, without its time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Refusal {
    /// Why, as `refused.<reason>`.
    pub(crate) act: &'static str,
    /// Who was refused, as far as it is known.
    pub(crate) who: String,
    /// From where.
    pub(crate) address: IpAddr,
    /// A domain of the node, or nothing.
    pub(crate) domain: String,
}

/// What has not been written yet.
#[derive(Default)]
pub(super) struct Refusals {
    groups: HashMap<Refusal, Sum>,
    /// Those beyond [`GROUPS_MAX`], by reason.
    others: HashMap<&'static str, Sum>,
    budget: Budget,
    written: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    count: u64,
    first_ms: u64,
    last_ms: u64,
}

/// Records that may be written now.
struct Budget {
    records: f64,
    at: Option<Instant>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            records: RECORDS_BURST,
            at: None,
        }
    }
}

impl Control {
    /// Notes a refusal; written within a second, or a minute in a flood. Does not wait for the disk.
    pub(crate) fn note(&self, refusal: Refusal, now_ms: u64) {
        self.refusals().add(refusal, Sum::one(now_ms));
    }

    /// Writes what is due.
    pub(super) fn write_refusals(&self) -> Result<(), ControlError> {
        let now = Instant::now();
        let mut refusals = self.refusals();
        if !refusals.is_due(now) {
            return Ok(());
        }
        let taken = refusals.take(now);
        drop(refusals);
        self.write_taken(taken)
    }

    /// Writes all that was noted: before somebody looks. What cannot be written waits, and what is
    /// there can be read all the same, above all on a full disk.
    pub(super) fn write_refusals_before_a_look(&self) {
        if let Err(error) = self.write_all_refusals() {
            let error = anyhow::Error::from(error);
            tracing::warn!("the newest refusals are not in the audit log yet: {error:#}");
        }
    }

    fn write_all_refusals(&self) -> Result<(), ControlError> {
        let taken = self.refusals().take(Instant::now());
        self.write_taken(taken)
    }

    /// The same at the end of the process, when there is nobody left to be told of a failure.
    pub(crate) fn write_last_refusals(&self) {
        if let Err(error) = self.write_all_refusals() {
            let error = anyhow::Error::from(error);
            tracing::error!("the last refusals are not in the audit log: {error:#}");
        }
    }

    fn write_taken(&self, taken: Taken) -> Result<(), ControlError> {
        if taken.is_empty() {
            return Ok(());
        }
        let written = self.write(|transaction| {
            let mut events = taken.events().into_iter();
            events.try_for_each(|event| audit::append(transaction, &event))
        });
        if written.is_err() {
            self.refusals().put_back(taken);
        }
        written
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        let refusals = self.0.refusals.lock();
        refusals.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is being written.
struct Taken {
    groups: Vec<(Refusal, Sum)>,
    others: HashMap<&'static str, Sum>,
}

impl Refusals {
    fn add(&mut self, refusal: Refusal, sum: Sum) {
        if let Some(known) = self.groups.get_mut(&refusal) {
            known.add(sum);
        } else if self.groups.len() < GROUPS_MAX {
            self.groups.insert(refusal, sum);
        } else {
            add_other(&mut self.others, refusal.act, sum);
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        if self.groups.is_empty() && self.others.is_empty() {
            return false;
        }
        let wait = match self.budget.refilled(now) {
            enough if enough >= 1.0 => WRITE_EVERY,
            _ => WRITE_EVERY_IN_FLOOD,
        };
        let written = self.written;
        written.is_none_or(|written| now.saturating_duration_since(written) >= wait)
    }

    /// Everything, with no more different refusals than may be written; the rest is summed up.
    fn take(&mut self, now: Instant) -> Taken {
        self.budget.refilled(now);
        let mut others = std::mem::take(&mut self.others);
        let mut groups: Vec<_> = self.groups.drain().collect();
        // The oldest first, and in one order.
        groups.sort_by(|(one, one_sum), (other, other_sum)| {
            let key = |refusal: &Refusal, sum: &Sum| (sum.first_ms, refusal.address);
            key(one, one_sum).cmp(&key(other, other_sum))
        });
        groups.retain(|(refusal, sum)| {
            let is_written = self.budget.spend();
            if !is_written {
                add_other(&mut others, refusal.act, *sum);
            }
            is_written
        });
        self.written = Some(now);
        Taken { groups, others }
    }

    /// What could not be written waits for the next time.
    fn put_back(&mut self, taken: Taken) {
        for (refusal, sum) in taken.groups {
            self.add(refusal, sum);
        }
        for (act, sum) in taken.others {
            add_other(&mut self.others, act, sum);
        }
    }
}

impl Taken {
    fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.others.is_empty()
    }

    fn events(&self) -> Vec<Event> {
        let mut events = Vec::with_capacity(self.groups.len() + self.others.len());
        for (refusal, sum) in &self.groups {
            let event = Event::new(refusal.act, refusal.who.clone(), sum.first_ms);
            let event = event
                .address(refusal.address)
                .domain(refusal.domain.clone());
            events.push(sum.on(event));
        }
        for (act, sum) in &self.others {
            events.push(sum.on(Event::new(act, "several", sum.first_ms)));
        }
        events
    }
}

impl Sum {
    fn one(now_ms: u64) -> Self {
        Self {
            count: 1,
            first_ms: now_ms,
            last_ms: now_ms,
        }
    }

    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
    }

    fn on(&self, event: Event) -> Event {
        let detail = match self.count {
            1 => serde_json::Value::Null,
            _ => json!({ "lastMs": self.last_ms }),
        };
        event.times(self.count).detail(detail)
    }
}

impl Budget {
    fn refilled(&mut self, now: Instant) -> f64 {
        let since = self.at.replace(now).unwrap_or(now);
        let seconds = now.saturating_duration_since(since).as_secs_f64();
        self.records = (self.records + seconds * RECORDS_PER_SECOND).min(RECORDS_BURST);
        self.records
    }

    fn spend(&mut self) -> bool {
        let has_one = self.records >= 1.0;
        if has_one {
            self.records -= 1.0;
        }
        has_one
    }
}

fn add_other(others: &mut HashMap<&'static str, Sum>, act: &'static str, sum: Sum) {
    let known = others.entry(act);
    known.and_modify(|known| known.add(sum)).or_insert(sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(n: u32) -> Refusal {
        Refusal {
            act: "refused.no-credential",
            who: "anonymous".to_owned(),
            address: std::net::Ipv4Addr::from(0x0a00_0000 + n).into(),
            domain: String::new(),
        }
    }

    fn total(taken: &Taken) -> u64 {
        let groups = taken.groups.iter().map(|(_, sum)| sum.count);
        groups
            .chain(taken.others.values().map(|sum| sum.count))
            .sum()
    }

    #[test]
    fn a_flood_is_counted_and_not_written_out() {
        let start = Instant::now();
        let mut refusals = Refusals::default();
        assert!(!refusals.is_due(start));
        for n in 0..5_000 {
            refusals.add(refusal(n % 3_000), Sum::one(u64::from(n)));
        }
        assert!(refusals.is_due(start));
        let taken = refusals.take(start);
        assert_eq!((taken.groups.len(), taken.others.len()), (1_000, 1));
        assert_eq!(total(&taken), 5_000);
        // The budget is used up: the next records come a minute later, and only sixty of them.
        for n in 0..2_000 {
            refusals.add(refusal(n), Sum::one(0));
        }
        assert!(!refusals.is_due(start + Duration::from_millis(900)));
        let later = start + Duration::from_mins(1);
        assert!(refusals.is_due(later));
        let taken = refusals.take(later);
        assert_eq!((taken.groups.len(), total(&taken)), (60, 2_000));
        // In quieter times it grows again.
        refusals.add(refusal(1), Sum::one(0));
        assert!(refusals.is_due(later + Duration::from_secs(1_000)));
    }

    #[test]
    fn equal_refusals_are_one_record_and_at_most_one_transaction_a_second() {
        let start = Instant::now();
        let mut refusals = Refusals::default();
        for time in [3, 9, 5] {
            refusals.add(refusal(1), Sum::one(time));
        }
        let taken = refusals.take(start);
        let [(_, sum)] = taken.groups.as_slice() else {
            panic!("{} groups", taken.groups.len());
        };
        assert_eq!((sum.count, sum.first_ms, sum.last_ms), (3, 3, 9));
        refusals.put_back(taken);
        refusals.add(refusal(1), Sum::one(11));
        assert!(!refusals.is_due(start + Duration::from_millis(999)));
        assert!(refusals.is_due(start + WRITE_EVERY));
        assert_eq!(total(&refusals.take(start + WRITE_EVERY)), 4);
    }
}
