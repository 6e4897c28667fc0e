//! Our own accept loop. `axum::serve` sets no header time limit; this one limits the time for a
//! header, idle time, responses that are not read, and the number of connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep};

use crate::body::STALL_PRESSED;
use crate::budget::BodyBudget;
use crate::config::LimitsConfig;

/// Largest request header with its line, in bytes; more is answered 431. Also the size of the
/// pieces in which a body is read, so that many connections cost little.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// Connections that the kernel keeps until they are accepted. Tokio's own figure is 128; clients of
/// a burst beyond it wait a second for the kernel to try again, or believe in a connection that the
/// node never hears of. The system's `somaxconn` (4096 on Linux) may lower it.
const BACKLOG: u32 = 1024;
/// Pause after a failed accept (out of file descriptors, say), so that it is not retried at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens on an address; port 0 takes a free one.
///
/// # Errors
/// When the address cannot be listened on. Must be called within a runtime.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // As Tokio does: a restarted node gets its port while old connections are in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Answers each request by `answer` until `stop` says so, then lets what is in flight end, up to the configured time.
///
/// # Errors
/// When the listener itself fails for good; a failed connection is not an error of the node.
pub(crate) async fn serve<A, F>(
    listener: TcpListener,
    answer: A,
    limits: LimitsConfig,
    budget: BodyBudget,
    stop: impl Future<Output = ()>,
) -> io::Result<()>
where
    A: Fn(SocketAddr, Request<Body>) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send,
{
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let (ending, _) = watch::channel(false);
    let mut connections = tokio::task::JoinSet::new();
    tokio::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            connections.spawn(turn_away(stream));
            continue;
        };
        let connection = Connection {
            answer: answer.clone(),
            peer,
            header_time: Duration::from_millis(limits.header_ms_max),
            write_stall: Duration::from_millis(limits.write_stall_ms_max),
            budget: budget.clone(),
            ending: ending.subscribe(),
        };
        connections.spawn(async move {
            connection.run(stream).await;
            drop(slot);
        });
    }
    drop(listener);
    ending.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_millis(limits.stop_ms_max), all)
        .await
        .is_err()
    {
        tracing::warn!("requests were still in flight at the end of the time to stop");
    }
    Ok(())
}

/// Answers a connection beyond the cap, without reading from it.
async fn turn_away(mut stream: TcpStream) {
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
        Connection: close\r\nContent-Length: 45\r\n\r\n\
        {\"message\":\"too many connections; try again\"}";
    let _ = tokio::time::timeout(Duration::from_secs(1), stream.write_all(ANSWER)).await;
}

struct Connection<A> {
    answer: A,
    peer: SocketAddr,
    header_time: Duration,
    write_stall: Duration,
    budget: BodyBudget,
    ending: watch::Receiver<bool>,
}

impl<A, F> Connection<A>
where
    A: Fn(SocketAddr, Request<Body>) -> F,
    F: Future<Output = Response>,
{
    async fn run(mut self, stream: TcpStream) {
        // Small answers go out at once; what is large is sent in one piece anyway.
        let _ = stream.set_nodelay(true);
        let guarded = StallGuard::new(stream, self.write_stall, self.budget);
        let (answer, peer) = (self.answer, self.peer);
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer(peer, request.map(Body::new));
            async move { Ok::<_, std::convert::Infallible>(answer.await) }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_time)
            .max_buf_size(HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(guarded), service);
        tokio::pin!(serving);
        let ending = async { drop(self.ending.wait_for(|ending| *ending).await) };
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = ending => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            // Clients hang up all the time; only somebody who looks for it wants to know.
            tracing::debug!(peer = %peer, %error, "a connection ended early");
        }
    }
}

/// A stream that gives up when the peer does not read what it asked for.
struct StallGuard {
    stream: TcpStream,
    patience: Duration,
    budget: BodyBudget,
    /// Set while a write waits: since when, and when to look again.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl StallGuard {
    fn new(stream: TcpStream, patience: Duration, budget: BodyBudget) -> Self {
        Self {
            stream,
            patience,
            budget,
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
        let look = STALL_PRESSED.min(self.patience);
        let (since, timer) = self
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(look))));
        loop {
            ready!(timer.as_mut().poll(context));
            let stalled = since.elapsed();
            if stalled >= self.patience || self.budget.is_pressed() {
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
