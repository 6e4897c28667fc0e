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
    bound: Bound,
}

/// What becomes of a body that is more than a day allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// It is cut off where it goes over.
    Holds,
    /// It was cut off. The rest passes uncounted: it is read only to be thrown away.
    Over,
    /// It passes, and is counted.
    Lifted,
}

/// Counts the bytes of a request piece by piece. Those that it states must fit, and are not counted
/// before they come: else whoever states much and sends nothing would use up the day of others.
///
/// # Errors
/// When it states more than is left of the day; the body comes back untouched.
pub(crate) fn request(
    body: Body,
    stated: Option<u64>,
    allowance: &Allowance,
) -> Result<Body, (Refused, Body)> {
    let what = Daily::BytesUp;
    match allowance.require_room(what, stated.unwrap_or(0)) {
        Ok(()) => Ok(Counted::within(body, allowance, what, (0, 0), Bound::Holds)),
        Err(refused) => Err((refused, body)),
    }
}

/// Counts the bytes of an answer: all that it states before it begins, or piece by piece.
///
/// # Errors
/// When it states more than is left of the day.
pub(crate) fn answer(body: Body, allowance: &Allowance) -> Result<Body, Refused> {
    let what = Daily::BytesDown;
    let stated = body.size_hint().exact().unwrap_or(0);
    let day = allowance.count(what, stated)?;
    Ok(Counted::within(
        body,
        allowance,
        what,
        (stated, day),
        Bound::Holds,
    ))
}

/// Counts the bytes of an answer that goes out however much was used.
pub(crate) fn answer_unbounded(body: Body, allowance: &Allowance) -> Body {
    Counted::within(body, allowance, Daily::BytesDown, (0, 0), Bound::Lifted)
}

impl Counted {
    /// The body as it is where nobody counts.
    fn within(
        body: Body,
        allowance: &Allowance,
        what: Daily,
        (reserved, day): (u64, u64),
        bound: Bound,
    ) -> Body {
        if !allowance.limits(what) {
            return body;
        }
        Body::new(Self {
            body,
            allowance: allowance.clone(),
            what,
            reserved,
            day,
            bound,
        })
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
        let known = bytes.min(self.reserved);
        self.reserved -= known;
        match self.bound {
            Bound::Holds => {
                if let Err(refused) = self.allowance.count(self.what, bytes - known) {
                    self.bound = Bound::Over;
                    return Poll::Ready(Some(Err(refused.into())));
                }
            }
            Bound::Lifted => self.allowance.add(self.what, bytes - known),
            Bound::Over => {}
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
