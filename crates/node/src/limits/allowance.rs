//! What one request may use.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use keyssi::Domain;

use super::tally::{Daily, Limited, Refused, Subject};
use super::{Limits, counted};
use crate::clock_ms;
use crate::error::ApiError;

/// What a request may use: of its caller's quotas, and of its domain's. In the request's extensions.
/// Cheap to clone.
#[derive(Clone)]
pub struct Allowance(Arc<Inner>);

struct Inner {
    limits: Limits,
    caller: Limited,
    /// To whom bricks count.
    account: String,
    /// The caller, the domain if the path names it, and those that were entered.
    of: Mutex<Vec<Limited>>,
}

/// What a put of bricks must fit into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageQuotas {
    /// The name under which the caller's bricks count.
    pub account: String,
    /// Bricks and bytes that the caller may have stored.
    pub of_account: [Option<u64>; 2],
    /// Bricks and bytes that the domain may hold.
    pub of_domain: [Option<u64>; 2],
}

/// Something of the day that was counted before it was done.
#[must_use]
pub struct Reserved {
    limits: Limits,
    of: Vec<Limited>,
    what: Daily,
    amount: u64,
    day: u64,
}

impl Allowance {
    pub(super) fn new(
        limits: Limits,
        caller: Limited,
        account: String,
        domain: Option<Limited>,
    ) -> Self {
        let mut of = vec![caller.clone()];
        of.extend(domain);
        of.retain(|limited| !limited.quotas.is_unlimited());
        Self(Arc::new(Inner {
            limits,
            caller,
            account,
            of: Mutex::new(of),
        }))
    }

    /// The allowance of a request that came through the front.
    ///
    /// # Errors
    /// 500 when it did not: then nobody knows who calls.
    pub fn of(head: &Parts) -> Result<&Self, ApiError> {
        head.extensions.get().ok_or_else(|| {
            let cause = anyhow::anyhow!("a request came past the front");
            let text = "the node does not know who calls";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text).because(cause)
        })
    }

    /// Takes the request from a domain too that its path does not name, with the bytes of its body,
    /// and has those of its answer counted there. A second time it changes nothing.
    ///
    /// # Errors
    /// As [`Allowance::bricks`]; nothing is counted in the domain then.
    pub fn enter(&self, domain: &Domain, body_bytes: u64) -> Result<(), ApiError> {
        let Some(limited) = self.0.limits.limited(domain) else {
            return Ok(());
        };
        let mut of = self.subjects();
        if of.iter().any(|it| it.subject == limited.subject) {
            return Ok(());
        }
        let (tallies, only) = (self.0.limits.tallies(), [limited]);
        let now = (Instant::now(), clock_ms());
        let day = tallies.count(&only, Daily::BytesUp, body_bytes, now)?;
        if let Err(refused) = tallies.take_request(&only, now.0) {
            tallies.give_back(&only, Daily::BytesUp, body_bytes, (now.0, day));
            return Err(refused.into());
        }
        of.extend(only);
        Ok(())
    }

    /// Whether the new bricks of a day are limited in a domain, for this caller.
    #[must_use]
    pub fn limits_bricks(&self, domain: &Domain) -> bool {
        let of_domain = self.0.limits.of_domain(domain).bricks_per_day;
        self.0.caller.limits(Daily::Bricks) || of_domain.is_some()
    }

    /// Whether the caller shares what he may store with others: those without a credential do.
    #[must_use]
    pub fn shares_storage(&self) -> bool {
        matches!(self.0.caller.subject, Subject::Address(_))
    }

    /// What the bricks of a put must fit into.
    #[must_use]
    pub fn storage(&self, domain: &Domain) -> StorageQuotas {
        let caller = &self.0.caller.quotas;
        let of_domain = self.0.limits.of_domain(domain);
        StorageQuotas {
            account: self.0.account.clone(),
            of_account: [caller.storage_bricks, caller.storage_bytes],
            of_domain: [of_domain.storage_bricks, of_domain.storage_bytes],
        }
    }

    /// Counts new bricks before they are stored; [`Reserved::done`] says how many there were.
    ///
    /// # Errors
    /// 429 with `Retry-After` when the day has too few left, 413 when they are more than a whole day
    /// allows.
    pub fn bricks(&self, domain: &Domain, count: u64) -> Result<Reserved, ApiError> {
        self.reserve(domain, Daily::Bricks, count)
    }

    /// Counts new versions of anchors before they are written; likewise.
    ///
    /// # Errors
    /// As [`Allowance::bricks`].
    pub fn anchors(&self, domain: &Domain, count: u64) -> Result<Reserved, ApiError> {
        self.reserve(domain, Daily::Anchors, count)
    }

    fn reserve(&self, domain: &Domain, what: Daily, amount: u64) -> Result<Reserved, ApiError> {
        let limits = self.0.limits.clone();
        let mut of = vec![self.0.caller.clone()];
        of.extend(limits.limited(domain));
        let now = (Instant::now(), clock_ms());
        let day = limits.tallies().count(&of, what, amount, now)?;
        Ok(Reserved {
            limits,
            of,
            what,
            amount,
            day,
        })
    }

    /// Takes the request, and has the bytes of its body counted as they come.
    ///
    /// # Errors
    /// 429 with `Retry-After`, or 413 for a body that a whole day does not allow; the body comes
    /// back untouched.
    pub(crate) fn admit(&self, headers: &HeaderMap, body: Body) -> Result<Body, (ApiError, Body)> {
        let tallies = self.0.limits.tallies();
        if let Err(refused) = tallies.take_request(&self.subjects(), Instant::now()) {
            return Err((refused.into(), body));
        }
        // One that is no number is refused where the body is received.
        let stated = crate::body::content_length(headers).ok().flatten();
        counted::request(body, stated, self).map_err(|(refused, body)| (refused.into(), body))
    }

    /// Counts the bytes of what was read as they go out; an answer that states more than is left of
    /// the day is replaced by a refusal.
    pub(crate) fn count_read(&self, answer: Response) -> Response {
        let (head, body) = answer.into_parts();
        match counted::answer(body, self) {
            Ok(body) => Response::from_parts(head, body),
            Err(refused) => ApiError::from(refused).into_response(),
        }
    }

    /// Counts the bytes of an answer that must not be lost: what a write has come to, or an error.
    pub(crate) fn count_told(&self, answer: Response) -> Response {
        answer.map(|body| counted::answer_unbounded(body, self))
    }

    pub(super) fn limits(&self, what: Daily) -> bool {
        self.subjects().iter().any(|limited| limited.limits(what))
    }

    pub(super) fn require_room(&self, what: Daily, amount: u64) -> Result<(), Refused> {
        let now = (Instant::now(), clock_ms());
        let tallies = self.0.limits.tallies();
        tallies.require_room(&self.subjects(), what, amount, now)
    }

    pub(super) fn count(&self, what: Daily, amount: u64) -> Result<u64, Refused> {
        let now = (Instant::now(), clock_ms());
        let tallies = self.0.limits.tallies();
        tallies.count(&self.subjects(), what, amount, now)
    }

    pub(super) fn add(&self, what: Daily, amount: u64) {
        let now = (Instant::now(), clock_ms());
        let tallies = self.0.limits.tallies();
        tallies.add(&self.subjects(), what, amount, now);
    }

    pub(super) fn give_back(&self, what: Daily, amount: u64, day: u64) {
        let tallies = self.0.limits.tallies();
        tallies.give_back(&self.subjects(), what, amount, (Instant::now(), day));
    }

    fn subjects(&self) -> MutexGuard<'_, Vec<Limited>> {
        self.0.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reserved {
    /// Says how much was used in the end; the rest is given back. Without it all stays counted, as
    /// of a request whose client hung up: what was begun goes on.
    pub fn done(self, used: u64) {
        let rest = self.amount.saturating_sub(used);
        let tallies = self.limits.tallies();
        tallies.give_back(&self.of, self.what, rest, (Instant::now(), self.day));
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let Refused {
            text,
            retry_after_s,
        } = refused;
        let refusal = match retry_after_s {
            Some(seconds) => Self::slow_down(text, seconds),
            None => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("{text}, which is more than a whole day allows; send less at once"),
            ),
        };
        refusal.of_quota()
    }
}
