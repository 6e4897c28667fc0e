//! A listener on a free loopback port that serves each connection on a thread of its own. All threads
//! end when the value is dropped, also those that wait for their client.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::http::HttpError;

/// It listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    address: SocketAddr,
    connections: Arc<Connections>,
    accepting: Option<JoinHandle<()>>,
}

impl Listening {
    /// Serves every connection that comes. One is closed when `serve` is done with it.
    ///
    /// # Errors
    /// When no port can be had.
    pub(crate) fn start<S>(serve: S) -> io::Result<Self>
    where
        S: Fn(TcpStream) -> Result<(), HttpError> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let connections = Arc::new(Connections::default());
        let accepting = {
            let (connections, serve) = (Arc::clone(&connections), Arc::new(serve));
            thread::spawn(move || accept(&listener, &connections, &serve))
        };
        Ok(Self {
            address,
            connections,
            accepting: Some(accepting),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        {
            let mut open = self.connections.open();
            open.ended = true;
            for stream in open.streams.iter().flatten() {
                // One that is closed already needs no closing.
                let _closed = stream.shutdown(Shutdown::Both);
            }
        }
        // Wakes the thread that accepts; it finds that it has ended.
        let _woken = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _joined = accepting.join();
        }
    }
}

/// The connections that are served.
#[derive(Debug, Default)]
struct Connections(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    /// By number; those that have ended are `None`.
    streams: Vec<Option<TcpStream>>,
    ended: bool,
}

impl Connections {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a connection, so that the end of the listener ends it; `None` when it has ended.
    fn enter(&self, stream: &TcpStream) -> Option<usize> {
        let stream = stream.try_clone().ok()?;
        let mut open = self.open();
        if open.ended {
            return None;
        }
        open.streams.push(Some(stream));
        Some(open.streams.len() - 1)
    }

    fn leave(&self, number: usize) {
        if let Some(place) = self.open().streams.get_mut(number) {
            *place = None;
        }
    }
}

fn accept<S>(listener: &TcpListener, connections: &Arc<Connections>, serve: &Arc<S>)
where
    S: Fn(TcpStream) -> Result<(), HttpError> + Send + Sync + 'static,
{
    let mut serving = Vec::new();
    while let Ok((stream, _)) = listener.accept() {
        let Some(number) = connections.enter(&stream) else {
            break;
        };
        let (connections, serve) = (Arc::clone(connections), Arc::clone(serve));
        serving.push(thread::spawn(move || {
            // A client that goes away, or sends nonsense, ends its own connection only.
            let _ended = serve(stream);
            connections.leave(number);
        }));
    }
    for thread in serving {
        let _joined = thread.join();
    }
}
