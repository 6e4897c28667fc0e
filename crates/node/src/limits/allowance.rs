//! What one request may use.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use keyssi::Domain;

use super::tally::{Daily, Limited, Refused};
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
    /// The caller, and the domain if the path names it.
    of: Vec<Limited>,
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
            of,
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
        if let Err(refused) = tallies.take_request(&self.0.of, Instant::now()) {
            return Err((refused.into(), body));
        }
        // One that is no number is refused where the body is received.
        let stated = crate::body::content_length(headers).ok().flatten();
        counted::count(body, stated, self, Daily::BytesUp)
            .map_err(|(refused, body)| (refused.into(), body))
    }

    /// Counts the bytes of an answer as they go out; one that states more than is left of the day is
    /// replaced by a refusal.
    pub(crate) fn count_answer(&self, answer: Response) -> Response {
        let (head, body) = answer.into_parts();
        let stated = body.size_hint().exact();
        match counted::count(body, stated, self, Daily::BytesDown) {
            Ok(body) => Response::from_parts(head, body),
            Err((refused, _)) => ApiError::from(refused).into_response(),
        }
    }

    pub(super) fn limits(&self, what: Daily) -> bool {
        self.0.of.iter().any(|limited| limited.limits(what))
    }

    pub(super) fn count(&self, what: Daily, amount: u64) -> Result<u64, Refused> {
        let now = (Instant::now(), clock_ms());
        self.0.limits.tallies().count(&self.0.of, what, amount, now)
    }

    pub(super) fn give_back(&self, what: Daily, amount: u64, day: u64) {
        let tallies = self.0.limits.tallies();
        tallies.give_back(&self.0.of, what, amount, (Instant::now(), day));
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
        match retry_after_s {
            Some(seconds) => Self::slow_down(text, seconds),
            None => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("{text}, which is more than a whole day allows; send less at once"),
            ),
        }
    }
}
