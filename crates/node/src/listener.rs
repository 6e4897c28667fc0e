//! Our own accept loop. `axum::serve` sets no header time limit; this one and `connection` limit the
//! time for a header, idle time, responses that are not read, and the number of connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::budget::BodyBudget;
use crate::connection::Terms;
use crate::limits_config::LimitsConfig;
use crate::metrics::ConnectionMetrics;
use crate::peer::Peer;
use crate::tls::Tls;

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

/// Answers each request by `answer` until `stop` says so, then lets what is in flight end, up to the
/// configured time. With `tls` it speaks nothing else.
///
/// # Errors
/// When the listener itself fails for good; a failed connection is not an error of the node.
pub(crate) async fn serve<A, F>(
    listener: TcpListener,
    tls: Option<Tls>,
    answer: A,
    limits: LimitsConfig,
    budget: BodyBudget,
    metrics: ConnectionMetrics,
    stop: impl Future<Output = ()>,
) -> io::Result<()>
where
    A: Fn(Peer, Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let encrypted = tls.is_some();
    let terms = Arc::new(Terms::new(answer, tls, &limits, budget));
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let (ending, _) = watch::channel(false);
    let mut connections = tokio::task::JoinSet::new();
    tokio::pin!(stop);
    loop {
        let (stream, address) = tokio::select! {
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
            metrics.refused();
            // Nothing can be said to a client that waits for a handshake.
            if !encrypted {
                connections.spawn(turn_away(stream));
            }
            continue;
        };
        let (terms, ending) = (Arc::clone(&terms), ending.subscribe());
        let open = metrics.open();
        connections.spawn(async move {
            terms.serve(stream, address, ending).await;
            drop(open);
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
