//! Bodies whose bytes are counted as they pass.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::allowance::Allowance;
use super::tally::{Daily, Refused};

/// A body on its way. What it reserved and did not bring is given back when it is dropped.
struct Counted {
    body: Body,
    allowance: Allowance,
    what: Daily,
    /// Bytes that are counted already, and the day on which.
    reserved: u64,
    day: u64,
    /// The rest of a refused body passes uncounted: it is read only to be thrown away.
    is_over: bool,
}

/// Counts a body's bytes: all that it states before it begins, or piece by piece.
///
/// # Errors
/// When it states more than is left of the day; the body comes back untouched.
pub(crate) fn count(
    body: Body,
    stated: Option<u64>,
    allowance: &Allowance,
    what: Daily,
) -> Result<Body, (Refused, Body)> {
    if !allowance.limits(what) {
        return Ok(body);
    }
    let reserved = stated.unwrap_or(0);
    match allowance.count(what, reserved) {
        Ok(day) => Ok(Body::new(Counted {
            body,
            allowance: allowance.clone(),
            what,
            reserved,
            day,
            is_over: false,
        })),
        Err(refused) => Err((refused, body)),
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => return Poll::Ready(None),
        };
        let bytes = frame.data_ref().map_or(0, |piece| piece.len() as u64);
        if !self.is_over {
            let known = bytes.min(self.reserved);
            self.reserved -= known;
            if let Err(refused) = self.allowance.count(self.what, bytes - known) {
                self.is_over = true;
                return Poll::Ready(Some(Err(refused.into())));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.allowance.give_back(self.what, self.reserved, self.day);
    }
}
