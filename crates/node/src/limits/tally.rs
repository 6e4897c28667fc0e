//! Who has used how much: a token bucket for requests, and counters of the day, for each address,
//! account and domain that has a limit.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use keyssi::Domain;

use super::quotas::Quotas;

/// Addresses, and likewise accounts and domains, that are remembered, at some 150 bytes each.
const SUBJECTS_MAX: usize = 65_536;
/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Who is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A caller without a credential: his address, or in IPv6 the network of 64 bits around it.
    Address(IpAddr),
    /// A credential, by the name under which it stores bricks.
    Account(Arc<str>),
    /// All callers in a domain together.
    Domain(Domain),
}

/// Somebody and what he may use.
#[derive(Clone, Debug)]
pub(crate) struct Limited {
    pub(crate) subject: Subject,
    pub(crate) quotas: Quotas,
}

/// What is counted by the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Daily {
    BytesUp,
    BytesDown,
    Bricks,
    Anchors,
}

/// Why something is refused now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Refused {
    pub(crate) text: String,
    /// `None`: it is more than a whole day allows.
    pub(crate) retry_after_s: Option<u32>,
}

/// What a subject has used on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Day {
    /// Days since the epoch.
    pub(crate) number: u64,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
    pub(crate) bricks: u64,
    pub(crate) anchors: u64,
}

struct Tally {
    tokens: f64,
    /// When `tokens` was right.
    refilled: Instant,
    /// When it was last looked at.
    seen: Instant,
    day: Day,
    /// Since it was last written down.
    has_changed: bool,
}

#[derive(Default)]
struct Tables {
    addresses: HashMap<Subject, Tally>,
    others: HashMap<Subject, Tally>,
}

/// All tallies.
#[derive(Default)]
pub(crate) struct Tallies(Mutex<Tables>);

impl Daily {
    fn limit(self, quotas: &Quotas) -> Option<u64> {
        match self {
            Self::BytesUp => quotas.bytes_up_per_day,
            Self::BytesDown => quotas.bytes_down_per_day,
            Self::Bricks => quotas.bricks_per_day,
            Self::Anchors => quotas.anchors_per_day,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::BytesUp => "bytes of request bodies",
            Self::BytesDown => "bytes of answers",
            Self::Bricks => "new bricks",
            Self::Anchors => "new anchor versions",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(_) => out.write_str("callers without a credential at this address"),
            Self::Account(_) => out.write_str("this credential"),
            Self::Domain(domain) => write!(out, "domain {domain}"),
        }
    }
}

impl Day {
    /// The day that a time belongs to, with nothing used.
    pub(crate) fn of(now_ms: u64) -> Self {
        Self {
            number: now_ms / DAY_MS,
            ..Self::default()
        }
    }

    fn used(&mut self, what: Daily) -> &mut u64 {
        match what {
            Daily::BytesUp => &mut self.bytes_up,
            Daily::BytesDown => &mut self.bytes_down,
            Daily::Bricks => &mut self.bricks,
            Daily::Anchors => &mut self.anchors,
        }
    }
}

impl Limited {
    pub(crate) fn limits(&self, what: Daily) -> bool {
        what.limit(&self.quotas).is_some()
    }
}

impl Tallies {
    /// Takes a request from each of these, or from none.
    ///
    /// # Errors
    /// When one has none left.
    pub(crate) fn take_request(&self, of: &[Limited], now: Instant) -> Result<(), Refused> {
        let limited = || of.iter().filter_map(|it| Some((it, it.quotas.rate()?)));
        if limited().next().is_none() {
            return Ok(());
        }
        let mut tables = self.tables();
        for (limited, (burst, per_second)) in limited() {
            let tally = tables.of(&limited.subject, now);
            let since = now.saturating_duration_since(tally.refilled);
            let tokens = tally.tokens + since.as_secs_f64() * f64::from(per_second);
            tally.tokens = tokens.min(f64::from(burst));
            tally.refilled = tally.refilled.max(now);
            if tally.tokens < 1.0 {
                let subject = &limited.subject;
                return Err(Refused {
                    text: format!(
                        "{subject} may make {per_second} requests per second, {burst} at once"
                    ),
                    // A token takes a second at most.
                    retry_after_s: Some(1),
                });
            }
        }
        for (limited, _) in limited() {
            tables.of(&limited.subject, now).tokens -= 1.0;
        }
        Ok(())
    }

    /// Counts `amount` for each of these, or for none; gives the number of the day.
    ///
    /// # Errors
    /// When it is more than is left of the day for one.
    pub(crate) fn count(
        &self,
        of: &[Limited],
        what: Daily,
        amount: u64,
        now: (Instant, u64),
    ) -> Result<u64, Refused> {
        let mut tables = self.tables();
        tables.require_room(of, what, amount, now)?;
        tables.add(of, what, amount, now);
        Ok(Day::of(now.1).number)
    }

    /// Whether `amount` could be counted for each of these now. Counts nothing.
    ///
    /// # Errors
    /// As [`Tallies::count`].
    pub(crate) fn require_room(
        &self,
        of: &[Limited],
        what: Daily,
        amount: u64,
        now: (Instant, u64),
    ) -> Result<(), Refused> {
        self.tables().require_room(of, what, amount, now)
    }

    /// Counts what cannot be refused any more, also beyond what a day allows.
    pub(crate) fn add(&self, of: &[Limited], what: Daily, amount: u64, now: (Instant, u64)) {
        self.tables().add(of, what, amount, now);
    }

    /// Takes back what was counted on a day and then not used.
    pub(crate) fn give_back(
        &self,
        of: &[Limited],
        what: Daily,
        amount: u64,
        (instant, day): (Instant, u64),
    ) {
        if amount == 0 || !of.iter().any(|it| it.limits(what)) {
            return;
        }
        let mut tables = self.tables();
        for limited in of.iter().filter(|it| it.limits(what)) {
            let tally = tables.of(&limited.subject, instant);
            if tally.day.number == day {
                let used = tally.day.used(what);
                *used = used.saturating_sub(amount);
                tally.has_changed = true;
            }
        }
    }

    /// What accounts and domains have used today and was not given out here before.
    pub(crate) fn changed(&self, now_ms: u64) -> Vec<(Subject, Day)> {
        let mut tables = self.tables();
        let mut changed = Vec::new();
        for (subject, tally) in &mut tables.others {
            if std::mem::take(&mut tally.has_changed) && tally.day.number == now_ms / DAY_MS {
                changed.push((subject.clone(), tally.day));
            }
        }
        changed
    }

    /// What was given out is to be given out again: it could not be written down.
    pub(crate) fn put_back(&self, changed: &[(Subject, Day)]) {
        let mut tables = self.tables();
        for (subject, _) in changed {
            if let Some(tally) = tables.others.get_mut(subject) {
                tally.has_changed = true;
            }
        }
    }

    /// Takes up what was written down before a restart.
    pub(crate) fn restore(&self, subject: &Subject, day: Day, now: Instant) {
        self.tables().of(subject, now).day = day;
    }

    /// What a subject has used today.
    pub(crate) fn today(&self, subject: &Subject, now_ms: u64) -> Day {
        let tables = self.tables();
        let tally = tables.others.get(subject);
        let tally = tally.or_else(|| tables.addresses.get(subject));
        match tally {
            Some(tally) if tally.day.number == now_ms / DAY_MS => tally.day,
            _ => Day::of(now_ms),
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn require_room(
        &mut self,
        of: &[Limited],
        what: Daily,
        amount: u64,
        (instant, now_ms): (Instant, u64),
    ) -> Result<(), Refused> {
        if amount == 0 {
            return Ok(());
        }
        for limited in of {
            let Some(limit) = what.limit(&limited.quotas) else {
                continue;
            };
            let tally = self.today(&limited.subject, (instant, now_ms));
            let used = *tally.day.used(what);
            if used.saturating_add(amount) > limit {
                let (subject, what) = (&limited.subject, what.what());
                let text = format!(
                    "{subject} may have {limit} {what} a day (UTC), {used} are counted, and this \
                     needs {amount} more"
                );
                let until_midnight = (DAY_MS - now_ms % DAY_MS).div_ceil(1000);
                let retry_after_s = u32::try_from(until_midnight).ok();
                return Err(Refused {
                    text,
                    retry_after_s: retry_after_s.filter(|_| amount <= limit),
                });
            }
        }
        Ok(())
    }

    fn add(&mut self, of: &[Limited], what: Daily, amount: u64, now: (Instant, u64)) {
        if amount == 0 {
            return;
        }
        for limited in of.iter().filter(|it| it.limits(what)) {
            let tally = self.today(&limited.subject, now);
            let used = tally.day.used(what);
            *used = used.saturating_add(amount);
            tally.has_changed = true;
        }
    }

    /// The tally of a subject, whose day is today.
    fn today(&mut self, subject: &Subject, (instant, now_ms): (Instant, u64)) -> &mut Tally {
        let tally = self.of(subject, instant);
        let today = Day::of(now_ms);
        if tally.day.number != today.number {
            // Also when the clock was set back.
            tally.day = today;
        }
        tally
    }

    /// The tally of a subject; a new one has a full bucket.
    fn of(&mut self, subject: &Subject, now: Instant) -> &mut Tally {
        let table = match subject {
            Subject::Address(_) => &mut self.addresses,
            Subject::Account(_) | Subject::Domain(_) => &mut self.others,
        };
        if table.len() >= SUBJECTS_MAX && !table.contains_key(subject) {
            make_room(table);
        }
        let tally = table.entry(subject.clone()).or_insert_with(|| Tally {
            tokens: f64::INFINITY,
            refilled: now,
            seen: now,
            day: Day::default(),
            has_changed: false,
        });
        tally.seen = tally.seen.max(now);
        tally
    }
}

/// Drops those that were seen least lately: the older half. Somebody with more addresses than the
/// table holds begins anew again and again; what all of them do together is for the quota of the
/// domain to bound.
fn make_room(table: &mut HashMap<Subject, Tally>) {
    let mut seen: Vec<Instant> = table.values().map(|tally| tally.seen).collect();
    let middle = seen.len() / 2;
    let (_, median, _) = seen.select_nth_unstable(middle);
    let median = *median;
    table.retain(|_, tally| tally.seen > median);
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn address(number: u32) -> Subject {
        Subject::Address(Ipv4Addr::from(0x0a00_0000 + number).into())
    }

    fn limited(subject: Subject, json: &str) -> Limited {
        Limited {
            subject,
            quotas: serde_json::from_str(json).unwrap(),
        }
    }

    #[test]
    fn a_request_is_taken_from_all_or_from_none() {
        let tallies = Tallies::default();
        let domain = Subject::Domain("default".parse().unwrap());
        let many = r#"{"requestsPerSecond":1,"requestsBurst":3}"#;
        let domain = limited(domain, many);
        let one = |number| limited(address(number), r#"{"requestsPerSecond":1}"#);
        let start = Instant::now();
        let take = |number, now| tallies.take_request(&[one(number), domain.clone()], now);
        assert_eq!(take(1, start), Ok(()));
        let refused = take(1, start).unwrap_err();
        assert!(refused.text.contains("at this address"), "{refused}");
        assert_eq!(refused.retry_after_s, Some(1));
        assert_eq!(take(2, start), Ok(()));
        // What was refused cost the domain nothing.
        assert_eq!(take(3, start), Ok(()));
        let refused = take(4, start).unwrap_err();
        assert!(refused.text.starts_with("domain default"), "{refused}");
        assert_eq!(take(1, start + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn a_day_is_counted_to_the_last_byte_and_begins_anew() {
        let tallies = Tallies::default();
        let of = [limited(address(1), r#"{"bytesUpPerDay":100}"#)];
        let instant = Instant::now();
        let (day, late) = (DAY_MS * 20_000, DAY_MS * 20_001 - 1_500);
        let count = |amount, now_ms| tallies.count(&of, Daily::BytesUp, amount, (instant, now_ms));
        assert_eq!(count(60, day), Ok(20_000));
        assert_eq!(count(40, late), Ok(20_000));
        assert_eq!(count(1, late).unwrap_err().retry_after_s, Some(2));
        assert_eq!(count(101, late).unwrap_err().retry_after_s, None);
        tallies.give_back(&of, Daily::BytesUp, 1, (instant, 20_000));
        assert_eq!(count(1, late), Ok(20_000));
        // Other things are not limited, and nothing is counted for them.
        let other = tallies.count(&of, Daily::Bricks, u64::MAX, (instant, late));
        assert_eq!(other, Ok(20_000));
        let today = tallies.today(&address(1), late);
        assert_eq!((today.bytes_up, today.bricks), (100, 0));
        assert_eq!(count(100, late + 1_500), Ok(20_001));
        // What comes back from the day before changes nothing.
        tallies.give_back(&of, Daily::BytesUp, 9, (instant, 20_000));
        let refused = count(1, late + 1_500).unwrap_err();
        assert_eq!(refused.retry_after_s, Some(86_400));
    }

    #[test]
    fn what_must_fit_is_not_counted_and_what_cannot_be_refused_is() {
        let tallies = Tallies::default();
        let of = [limited(address(1), r#"{"bytesDownPerDay":100}"#)];
        let now = (Instant::now(), DAY_MS * 20_000);
        let room = |amount| tallies.require_room(&of, Daily::BytesDown, amount, now);
        assert_eq!((room(100), room(100)), (Ok(()), Ok(())));
        assert_eq!(room(101).unwrap_err().retry_after_s, None);
        tallies.add(&of, Daily::BytesDown, 150, now);
        tallies.add(&of, Daily::BytesDown, u64::MAX, now);
        assert_eq!(room(0), Ok(()));
        assert!(room(1).is_err());
    }

    #[test]
    fn what_has_changed_is_given_out_once_and_taken_up_again() {
        let account = Subject::Account("key/x".into());
        let of = [
            limited(account.clone(), r#"{"bricksPerDay":5}"#),
            limited(address(1), r#"{"bricksPerDay":5}"#),
        ];
        let now = (Instant::now(), DAY_MS * 20_000);
        let before = Tallies::default();
        before.count(&of, Daily::Bricks, 4, now).unwrap();
        let changed = before.changed(now.1);
        // Addresses are not written down.
        assert_eq!(changed.len(), 1);
        assert_eq!(before.changed(now.1), []);
        // Unless it could not be written down.
        before.put_back(&changed);
        assert_eq!(before.changed(now.1), changed);

        let after = Tallies::default();
        for (subject, day) in changed {
            after.restore(&subject, day, now.0);
        }
        let refused = after.count(&of, Daily::Bricks, 2, now).unwrap_err();
        assert!(refused.text.contains("4 are counted"), "{refused}");
        after.count(&of, Daily::Bricks, 1, now).unwrap();
    }

    #[test]
    fn the_tables_are_bounded_and_keep_the_newest() {
        let tallies = Tallies::default();
        let start = Instant::now();
        let take = |number: u32, at| {
            let of = [limited(address(number), r#"{"requestsPerSecond":1}"#)];
            tallies.take_request(&of, at)
        };
        for number in 0..100_000_u32 {
            take(number, start + Duration::from_millis(number.into())).unwrap();
        }
        assert!(tallies.tables().addresses.len() <= SUBJECTS_MAX);
        let now = start + Duration::from_millis(99_999);
        assert!(take(99_999, now).is_err());
    }
}
