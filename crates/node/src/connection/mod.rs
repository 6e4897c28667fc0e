//! One connection: which protocol it speaks, and when it has to end.
//!
//! HTTP/1.1 and HTTP/2 share one loop. In clear text HTTP/2 is spoken by prior knowledge only (RFC
//! 9113 §3.3); with TLS, ALPN says which one it is.

mod exchanges;
mod stall;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, Request, Version, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::budget::BodyBudget;
use crate::limits_config::LimitsConfig;
use crate::peer::Peer;
use crate::tls::Tls;
use exchanges::{Exchanges, Overdue};
use stall::{Patience, StallGuard};

/// Largest request header with its line, in bytes; more is answered 431. Also the size of the
/// pieces in which a body is read, so that many connections cost little.
const HEADER_BYTES_MAX: u16 = 16 << 10;
/// HTTP/2: requests in flight on one connection; RFC 9113 §6.5.2 recommends no fewer.
const STREAMS_MAX: u32 = 100;
/// HTTP/2: streams that the client took back before they were looked at; more end the connection.
const RESETS_PENDING_MAX: usize = 20;
/// HTTP/2: streams that broke the protocol; more end the connection.
const ERRORS_MAX: usize = 128;
/// HTTP/2: bytes of an answer that wait for the client's window, beside what its memory share counts.
const SEND_BYTES_MAX: usize = 64 << 10;
/// HTTP/2: bounds of the bytes that a client may send before they are asked for. The lower one is
/// the protocol's own window, and the other is enough for 100 ms of 80 Mbit/s.
const WINDOW_BYTES: (u64, u64) = (65_535, 1 << 20);
/// HTTP/2: silence after which a client is asked whether it is there, and its time to answer.
const PING_EVERY: Duration = Duration::from_secs(20);
/// HTTP/1.1 ends an idle connection by itself; what is left after this is ended here.
const IDLE_GRACE: Duration = Duration::from_secs(1);
/// What a client that is told that its connection ends has to hang up, if nothing is in flight.
const LINGER: Duration = Duration::from_secs(2);

/// What all connections of a listener share.
pub(crate) struct Terms<A> {
    answer: A,
    tls: Option<Tls>,
    protocols: auto::Builder<TokioExecutor>,
    header_time: Duration,
    patience: Patience,
}

impl<A, F> Terms<A>
where
    A: Fn(Peer, Request<Body>) -> F + Clone,
    F: Future<Output = Response> + Send + 'static,
{
    pub(crate) fn new(
        answer: A,
        tls: Option<Tls>,
        limits: &LimitsConfig,
        budget: BodyBudget,
    ) -> Self {
        let header_time = Duration::from_millis(limits.header_ms_max);
        Self {
            answer,
            tls,
            protocols: protocols(limits, header_time),
            header_time,
            patience: Patience {
                longest: Duration::from_millis(limits.write_stall_ms_max),
                budget,
            },
        }
    }

    /// Serves a connection until it ends, or until `ending` says so and what is in flight has ended.
    pub(crate) async fn serve(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        mut ending: watch::Receiver<bool>,
    ) {
        // Small answers go out at once; what is large is sent in one piece anyway.
        let _ = stream.set_nodelay(true);
        let stream = StallGuard::new(stream, self.patience.clone());
        let Some(tls) = &self.tls else {
            return self.speak(stream, Peer::plain(address), ending).await;
        };
        let shaken = tokio::select! {
            _ = ending.wait_for(|ending| *ending) => return,
            shaken = timeout(self.header_time, tls.accept(stream)) => shaken,
        };
        match shaken {
            Ok(Ok((stream, certificate))) => {
                let peer = Peer {
                    address,
                    certificate,
                    encrypted: true,
                };
                // In a box, since most connections are either this or plain.
                Box::pin(self.speak(stream, peer, ending)).await;
            }
            Ok(Err(error)) => tracing::debug!(peer = %address, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(peer = %address, "a TLS handshake took too long"),
        }
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        peer: Peer,
        mut ending: watch::Receiver<bool>,
    ) {
        let exchanges = Exchanges::new();
        let (address, answer, open) = (peer.address, self.answer.clone(), exchanges.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (exchange, version) = (open.begin(), request.version());
            let mut request = request.map(Body::new);
            name_host(&mut request);
            let answering = answer(peer.clone(), request);
            async move { Ok::<_, Infallible>(exchange.carry(version, answering.await)) }
        });
        let serving = self
            .protocols
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(serving);
        let idle_max = self.header_time + IDLE_GRACE;
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            overdue = async {
                tokio::select! {
                    _ = ending.wait_for(|ending| *ending) => Overdue::Idle,
                    overdue = exchanges.overdue(idle_max, &self.patience) => overdue,
                }
            } => {
                if overdue == Overdue::Stalled {
                    tracing::debug!(peer = %address, "a connection was cut: nobody reads its answers");
                    return;
                }
                serving.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = serving.as_mut() => ended,
                    _ = exchanges.overdue(LINGER, &self.patience) => return,
                }
            }
        };
        if let Err(error) = ended {
            // Clients hang up all the time; only somebody who looks for it wants to know.
            tracing::debug!(peer = %address, %error, "a connection ended early");
        }
    }
}

/// HTTP/2 says in `:authority` what HTTP/1.1 says in `Host` (RFC 9113 §8.3.1); what answers
/// looks at `Host` only.
fn name_host(request: &mut Request<Body>) {
    if request.version() != Version::HTTP_2 || request.headers().contains_key(header::HOST) {
        return;
    }
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    if let Some(Ok(host)) = authority.map(HeaderValue::from_str) {
        request.headers_mut().insert(header::HOST, host);
    }
}

fn protocols(limits: &LimitsConfig, header_time: Duration) -> auto::Builder<TokioExecutor> {
    let mut protocols = auto::Builder::new(TokioExecutor::new());
    protocols
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time)
        .max_buf_size(HEADER_BYTES_MAX.into());
    // What arrives unasked lies outside the budget of bodies, so all connections together get no
    // more than once that budget, if the protocol allows so little.
    let share = limits.body_bytes_in_flight_max / limits.connections_max.max(1) as u64;
    let window = u32::try_from(share.clamp(WINDOW_BYTES.0, WINDOW_BYTES.1)).unwrap_or(u32::MAX);
    protocols
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX.into())
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(ERRORS_MAX)
        .max_send_buf_size(SEND_BYTES_MAX)
        .initial_stream_window_size(window)
        .initial_connection_window_size(window)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY);
    protocols
}

#[cfg(test)]
mod tests;
