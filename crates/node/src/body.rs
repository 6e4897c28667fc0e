//! Receiving request bodies: size limit, budget, and a minimum rate.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::ApiError;
use crate::budget::{BodyBudget, Share};
use crate::limits::Refused;

/// Pause after which a body counts as stalled while others wait for its memory.
pub(crate) const STALL_PRESSED: Duration = Duration::from_secs(2);
/// How often a waiting receiver looks whether it is cut off.
const TICK: Duration = Duration::from_millis(250);
/// First share of a body that does not say its length; it grows from there.
const UNKNOWN_LENGTH_SHARE: u64 = 64 << 10;
/// What is read and thrown away of a body that is refused, so that the client reads the answer
/// instead of a reset connection.
const DISCARD_BYTES_MAX: u64 = 64 << 20;
/// How long that may take.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(3);

/// Limits on one body.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Largest body, in bytes.
    pub bytes_max: u64,
    /// Bytes per second that a client must reach on average after the first ten seconds.
    pub bytes_per_second_min: u64,
    /// Longest pause between two pieces.
    pub idle_max: Duration,
}

/// Grace before the minimum rate counts.
const RATE_GRACE: Duration = Duration::from_secs(10);
/// While others wait for its memory, a body must arrive at a rate at which all that it holds would
/// arrive in this time. Without it a few clients that send a little now and then could hold the
/// whole budget for hours.
const PRESSED_TIME_MAX: Duration = Duration::from_mins(2);
/// The rate under pressure is taken over this time, so that a fast start does not pay for a stall.
const PRESSED_WINDOW: Duration = Duration::from_secs(10);

/// Bytes with their share, so that both live equally long.
struct Held {
    bytes: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Joins bytes with the share that they occupy.
#[must_use]
pub fn hold(bytes: Vec<u8>, share: Share) -> Bytes {
    Bytes::from_owner(Held {
        bytes,
        _share: share,
    })
}

/// Receives a body. `on_piece` sees each piece as it arrives, in order: hash while receiving.
///
/// # Errors
/// 413 over the limit, 408 when the client stalls, 503 when the budget is used up, 400 when the
/// body ends early. The rest of a refused body is read and thrown away for a short while.
pub async fn receive(
    headers: &HeaderMap,
    mut body: Body,
    limits: &BodyLimits,
    budget: &BodyBudget,
    on_piece: impl FnMut(&[u8]),
) -> Result<Bytes, ApiError> {
    let share = match admit(headers, limits, budget).await {
        Ok(share) => share,
        Err(refusal) => {
            discard(headers, body).await;
            return Err(refusal);
        }
    };
    match collect(&mut body, share, limits, budget, on_piece).await {
        Ok(bytes) => Ok(bytes),
        Err(refusal) => {
            // What stalled has nothing to drain.
            if refusal.status() != StatusCode::REQUEST_TIMEOUT {
                drain(body).await;
            }
            Err(refusal)
        }
    }
}

/// What can be said before anything of the body is read; gives a share for its stated length, or
/// a first one when there is none.
async fn admit(
    headers: &HeaderMap,
    limits: &BodyLimits,
    budget: &BodyBudget,
) -> Result<Share, ApiError> {
    let length = content_length(headers)?;
    if length.is_some_and(|length| length > limits.bytes_max) {
        return Err(too_large(limits.bytes_max));
    }
    let first = length.unwrap_or(UNKNOWN_LENGTH_SHARE.min(limits.bytes_max));
    budget.acquire(first).await.map_err(|_| busy())
}

async fn collect(
    body: &mut Body,
    mut share: Share,
    limits: &BodyLimits,
    budget: &BodyBudget,
    mut on_piece: impl FnMut(&[u8]),
) -> Result<Bytes, ApiError> {
    // Reserved, not touched: the kernel gives the pages as the bytes arrive.
    let mut bytes = Vec::with_capacity(usize::try_from(share.bytes()).unwrap_or(0));
    let mut pace = Pace::new(limits);
    while let Some(piece) = pace.next_piece(body, share.bytes(), budget).await? {
        let total = bytes.len() as u64 + piece.len() as u64;
        if total > limits.bytes_max {
            return Err(too_large(limits.bytes_max));
        }
        let held = share.bytes();
        if total > held {
            let more = total.max(held * 2).min(limits.bytes_max) - held;
            share.grow(more).await.map_err(|_| busy())?;
        }
        on_piece(&piece);
        bytes.extend_from_slice(&piece);
    }
    Ok(hold(bytes, share))
}

/// Keeps the time of one body.
struct Pace<'a> {
    limits: &'a BodyLimits,
    started: Instant,
    last: Instant,
    received: u64,
    /// When the current window began, and what had been received by then.
    window: (Instant, u64),
}

impl<'a> Pace<'a> {
    fn new(limits: &'a BodyLimits) -> Self {
        let now = Instant::now();
        Self {
            limits,
            started: now,
            last: now,
            received: 0,
            window: (now, 0),
        }
    }

    /// The next piece of a body that holds `held` bytes of the budget; `None` at its end.
    async fn next_piece(
        &mut self,
        body: &mut Body,
        held: u64,
        budget: &BodyBudget,
    ) -> Result<Option<Bytes>, ApiError> {
        loop {
            match tokio::time::timeout(TICK, body.frame()).await {
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => {
                    if let Ok(refused) = error.into_inner().downcast::<Refused>() {
                        return Err((*refused).into());
                    }
                    return Err(ApiError::bad_request(
                        "the request body ended early or is not well-formed",
                    ));
                }
                Ok(Some(Ok(frame))) => {
                    let Ok(piece) = frame.into_data() else {
                        continue;
                    };
                    self.last = Instant::now();
                    self.received += piece.len() as u64;
                    self.require_rate()?;
                    self.require_pressed_rate(held, budget)?;
                    return Ok(Some(piece));
                }
                Err(_) => {
                    self.require_progress(budget)?;
                    self.require_pressed_rate(held, budget)?;
                }
            }
        }
    }

    fn require_progress(&self, budget: &BodyBudget) -> Result<(), ApiError> {
        let idle = self.last.elapsed();
        if idle >= self.limits.idle_max {
            return Err(stalled("the request body stalled; send it again"));
        }
        if idle >= STALL_PRESSED && budget.is_pressed() {
            return Err(stalled(
                "the request body stalled while others waited; send it again",
            ));
        }
        self.require_rate()
    }

    fn require_rate(&self) -> Result<(), ApiError> {
        let elapsed = self.started.elapsed();
        let due = self
            .limits
            .bytes_per_second_min
            .saturating_mul(elapsed.as_secs());
        if elapsed > RATE_GRACE && self.received < due {
            return Err(stalled(
                "the request body arrives too slowly; send it again",
            ));
        }
        Ok(())
    }

    fn require_pressed_rate(&mut self, held: u64, budget: &BodyBudget) -> Result<(), ApiError> {
        let (began, before) = self.window;
        let elapsed = began.elapsed();
        if elapsed < PRESSED_WINDOW {
            return Ok(());
        }
        let due = (held / PRESSED_TIME_MAX.as_secs()).saturating_mul(elapsed.as_secs());
        if self.received - before < due && budget.is_pressed() {
            return Err(stalled(
                "the request body arrives too slowly while others wait; send it again",
            ));
        }
        self.window = (Instant::now(), self.received);
        Ok(())
    }
}

/// Reads and drops a body that nobody has read from and nobody wants. One for which the client
/// waits to be asked (`Expect: 100-continue`) is left alone: reading would ask for it.
pub async fn discard(headers: &HeaderMap, body: Body) {
    let is_held_back = headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if !is_held_back {
        drain(body).await;
    }
}

/// Reads and drops what is left of a body, for a while.
async fn drain(mut body: Body) {
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, |piece| piece.len() as u64);
            if read > DISCARD_BYTES_MAX {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIME_MAX, reading).await;
}

pub(crate) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(header::CONTENT_LENGTH) else {
        return Ok(None);
    };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length
        .map(Some)
        .ok_or_else(|| ApiError::bad_request("Content-Length is not a number of bytes"))
}

fn too_large(bytes_max: u64) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the request body is larger than the limit of {bytes_max} bytes"),
    )
}

fn stalled(text: &str) -> ApiError {
    ApiError::new(StatusCode::REQUEST_TIMEOUT, text)
}

fn busy() -> ApiError {
    ApiError::unavailable("the node holds as many body bytes as it may; try again", 1)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use hyper::body::Frame;
    use tokio::time::Interval;

    use super::*;

    const MIB: u64 = 1 << 20;

    /// A body whose pieces come at a steady rate and never end.
    struct Steady {
        beat: Interval,
        piece_bytes: usize,
    }

    impl Steady {
        fn body(every: Duration, piece_bytes: usize) -> Body {
            let beat = tokio::time::interval(every);
            Body::new(Self { beat, piece_bytes })
        }
    }

    impl axum::body::HttpBody for Steady {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            ready!(self.beat.poll_tick(context));
            let piece = Bytes::from(vec![0; self.piece_bytes]);
            Poll::Ready(Some(Ok(Frame::data(piece))))
        }
    }

    /// Receives an endless body that states 16 MiB while another one of that size waits for the
    /// same budget of 32 MiB (28 for large ones), again and again for three minutes; gives the
    /// status that it ended with, and when.
    async fn under_pressure(body: Body) -> (StatusCode, Duration) {
        let budget = BodyBudget::new(32 * MIB);
        let waiting = budget.clone();
        let other = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            while waiting.acquire(16 * MIB).await.is_err() {}
        });
        let limits = BodyLimits {
            bytes_max: 16 * MIB,
            bytes_per_second_min: 1024,
            idle_max: Duration::from_secs(20),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, (16 * MIB).into());
        let started = Instant::now();
        let refusal = receive(&headers, body, &limits, &budget, |_| ()).await;
        let took = started.elapsed();
        other.await.unwrap();
        let answer = axum::response::IntoResponse::into_response(refusal.unwrap_err());
        (answer.status(), took)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_dribbles_gives_way_to_those_that_wait() {
        // Twice the rate that is enough while nobody waits.
        let dribbling = Steady::body(Duration::from_millis(500), 1024);
        let (status, took) = under_pressure(dribbling).await;
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
        assert!(took < PRESSED_WINDOW + DISCARD_TIME_MAX * 2, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_moves_is_received_to_its_end_whoever_waits() {
        // Half as fast again as it must be: only the limit on its size ends it.
        let moving = Steady::body(Duration::from_millis(500), 100 << 10);
        let (status, took) = under_pressure(moving).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(took > Duration::from_mins(1), "{took:?}");
    }
}
