//! The requests of one connection that are not answered to the last byte: what tells an idle
//! connection from a busy one, and an HTTP/2 stream that nobody reads from one that is slow.
//!
//! An answer counts until its last byte has left the node's memory: each piece of it holds the
//! exchange that it belongs to. HTTP/2 has its own flow control above the connection's, so there a
//! write that never waits does not mean that somebody reads; answers are cut into pieces, and each
//! must move.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::{Response, Version};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::stall::Patience;

/// Pieces in which an answer goes to HTTP/2, in bytes: the size of its frames.
const PIECE_BYTES_MAX: usize = 16 << 10;

/// The exchanges of one connection. All clones are of the same connection.
#[derive(Clone)]
pub(crate) struct Exchanges {
    open: Arc<Mutex<Vec<Weak<Exchange>>>>,
    /// When the connection began, or an exchange ended.
    ended: Arc<Mutex<Instant>>,
    /// Told when there is an answer whose pieces are to be looked at.
    answered: Arc<Notify>,
}

/// Why a connection is to end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// Nothing was asked for too long.
    Idle,
    /// An answer is not read.
    Stalled,
}

/// One request, from its header to the last byte of its answer.
pub(crate) struct Exchange {
    ended: Arc<Mutex<Instant>>,
    answered: Arc<Notify>,
    /// When a piece of the answer last moved; `None` while there is none, or somebody else looks.
    moved: Mutex<Option<Instant>>,
}

impl Exchanges {
    /// A connection that begins now.
    pub(crate) fn new() -> Self {
        Self {
            open: Arc::default(),
            ended: Arc::new(Mutex::new(Instant::now())),
            answered: Arc::default(),
        }
    }

    /// A request has arrived.
    pub(crate) fn begin(&self) -> Arc<Exchange> {
        let exchange = Arc::new(Exchange {
            ended: Arc::clone(&self.ended),
            answered: Arc::clone(&self.answered),
            moved: Mutex::new(None),
        });
        let mut open = lock(&self.open);
        open.retain(|it| it.strong_count() > 0);
        open.push(Arc::downgrade(&exchange));
        exchange
    }

    /// Waits until nothing was asked for `idle_max`, or an answer stood still for too long.
    pub(crate) async fn overdue(&self, idle_max: Duration, patience: &Patience) -> Overdue {
        loop {
            match self.quiet_since() {
                Some(since) if since.elapsed() >= idle_max => return Overdue::Idle,
                Some(since) => tokio::select! {
                    () = sleep_until(since + idle_max) => {}
                    () = self.answered.notified() => {}
                },
                None if self.has_stalled(patience) => return Overdue::Stalled,
                None => sleep(patience.look_every()).await,
            }
        }
    }

    /// When the last exchange ended, if none is open.
    fn quiet_since(&self) -> Option<Instant> {
        let none_open = lock(&self.open).iter().all(|it| it.strong_count() == 0);
        none_open.then(|| *lock(&self.ended))
    }

    fn has_stalled(&self, patience: &Patience) -> bool {
        let open = lock(&self.open);
        let moved = open
            .iter()
            .filter_map(Weak::upgrade)
            .filter_map(|it| *lock(&it.moved));
        moved.map(|it| it.elapsed()).any(|it| patience.is_over(it))
    }
}

impl Exchange {
    /// Gives the answer a body that holds the exchange open until its last byte is sent.
    pub(crate) fn carry(
        self: Arc<Self>,
        version: Version,
        answer: Response<Body>,
    ) -> Response<Carried> {
        let piece_bytes_max = if version == Version::HTTP_2 {
            *lock(&self.moved) = Some(Instant::now());
            self.answered.notify_one();
            PIECE_BYTES_MAX
        } else {
            usize::MAX
        };
        answer.map(|body| Carried {
            body,
            rest: Bytes::new(),
            piece_bytes_max,
            exchange: self,
        })
    }

    fn has_moved(&self) {
        if let Some(moved) = lock(&self.moved).as_mut() {
            *moved = Instant::now();
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        *lock(&self.ended) = Instant::now();
    }
}

/// The body of an answer whose pieces know their exchange.
pub(crate) struct Carried {
    body: Body,
    /// What the body has given and is not passed on.
    rest: Bytes,
    piece_bytes_max: usize,
    exchange: Arc<Exchange>,
}

impl HttpBody for Carried {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        while self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body.frame()).poll(context)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(bytes) => self.rest = bytes,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let length = self.rest.len().min(self.piece_bytes_max);
        let piece = Piece {
            bytes: self.rest.split_to(length),
            exchange: Arc::clone(&self.exchange),
        };
        self.exchange.has_moved();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, hint) = (self.rest.len() as u64, self.body.size_hint());
        let mut all = SizeHint::new();
        if let Some(upper) = hint.upper() {
            all.set_upper(upper.saturating_add(rest));
        }
        all.set_lower(hint.lower().saturating_add(rest));
        all
    }
}

/// A piece of an answer, until it is sent.
struct Piece {
    bytes: Bytes,
    exchange: Arc<Exchange>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.exchange.has_moved();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
