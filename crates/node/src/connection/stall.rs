//! A stream that gives up on a peer who does not read.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::body::STALL_PRESSED;
use crate::budget::BodyBudget;

/// How long an answer may stand still.
#[derive(Clone)]
pub(crate) struct Patience {
    /// The longest time in any case.
    pub longest: Duration,
    /// While somebody waits for these bytes, the time is [`STALL_PRESSED`].
    pub budget: BodyBudget,
}

impl Patience {
    /// How often to look at an answer that stands still.
    pub(crate) fn look_every(&self) -> Duration {
        STALL_PRESSED.min(self.longest)
    }

    /// Whether an answer that has stood still for so long is given up.
    pub(crate) fn is_over(&self, stalled: Duration) -> bool {
        stalled >= self.longest || (stalled >= STALL_PRESSED && self.budget.is_pressed())
    }
}

/// A stream that gives up when the peer does not read what it asked for.
pub(crate) struct StallGuard {
    stream: TcpStream,
    patience: Patience,
    /// Set while a write waits: since when, and when to look again.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl StallGuard {
    pub(crate) fn new(stream: TcpStream, patience: Patience) -> Self {
        Self {
            stream,
            patience,
            waiting: None,
        }
    }

    /// Passes on what a write said, and keeps time while it waits.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let look = self.patience.look_every();
        let (since, timer) = self
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(look))));
        loop {
            ready!(timer.as_mut().poll(context));
            if self.patience.is_over(since.elapsed()) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            timer.as_mut().reset(Instant::now() + look);
        }
    }
}

impl AsyncRead for StallGuard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for StallGuard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
