//! A node that lies: a proxy between a client and a real node that tells single lies.
//!
//! It listens on a free loopback port, hands every request on to the node and sends the answer back,
//! except where a [`Rule`] says otherwise. Each lie that was told is kept ([`Liar::told`]), so that a
//! test can show that its client was lied to. Whole bodies are held in memory.
//!
//! `/bdns` answers with `$ORIGIN`, so a client that asks the liar for its services stays with it.
//!
//! All threads end when the value is dropped, also those in the middle of an endless body.

mod archive;
mod deed;
mod history;
mod rule;
pub(crate) mod wire;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub use rule::{Endlessness, Lie, Part, Route, Rule};

use crate::http::HttpError;
use crate::listening::Listening;
use deed::Deed;
use wire::Incoming;

/// A proxy that lies. It listens until it is dropped.
#[derive(Debug)]
pub struct Liar {
    shared: Arc<Shared>,
    listening: Listening,
}

/// A lie that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The method of the request.
    pub method: String,
    /// The target of the request.
    pub target: String,
    /// The lie.
    pub lie: Lie,
}

impl Liar {
    /// Stands before the node at `node`, honest until it is told to lie.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn before(node: SocketAddr) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            node,
            state: Mutex::default(),
            ending: Condvar::new(),
        });
        let listening = {
            let shared = Arc::clone(&shared);
            Listening::start(move |stream| serve(stream, &shared))?
        };
        Ok(Self { shared, listening })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// `http://` and the address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Adds a rule. Of those that fit a request the first one is followed.
    pub fn tell(&self, rule: Rule) {
        self.shared.state().rules.push(rule);
    }

    /// Takes all rules back.
    pub fn be_honest(&self) {
        self.shared.state().rules.clear();
    }

    /// The lies told so far, in order.
    #[must_use]
    pub fn told(&self) -> Vec<Told> {
        self.shared.state().told.clone()
    }

    /// Method and target of every request so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<(String, String)> {
        self.shared.state().requests.clone()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        // Those who wait between two bytes; the listener, which is dropped next, ends the others.
        self.shared.state().ended = true;
        self.shared.ending.notify_all();
    }
}

/// What the threads of a liar share.
#[derive(Debug)]
struct Shared {
    node: SocketAddr,
    state: Mutex<State>,
    /// Told when the liar ends, for those who wait between two bytes.
    ending: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    told: Vec<Told>,
    requests: Vec<(String, String)>,
    ended: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request, and the lie for it if there is one.
    fn judge(&self, request: &Incoming) -> Option<Lie> {
        let mut state = self.state();
        let place = (request.method.clone(), request.target.clone());
        state.requests.push(place);
        let mut rules = state.rules.iter_mut();
        let lie = rules.find_map(|it| it.lie_for(request))?;
        state.told.push(Told {
            method: request.method.clone(),
            target: request.target.clone(),
            lie: lie.clone(),
        });
        Some(lie)
    }
}

/// Answers the requests of one connection.
fn serve(stream: TcpStream, shared: &Shared) -> Result<(), HttpError> {
    stream.set_nodelay(true)?;
    let mut client = wire::Client::new(stream);
    while let Some(request) = client.read_request()? {
        let lie = shared.judge(&request);
        let deed = deed::carry_out(lie, &request, shared.node)?;
        let keeps = match deed {
            Deed::Answer(answer, manner) => {
                client.send(&answer, &manner, &request.method, shared)?
            }
            Deed::Silence => {
                client.wait_for_close()?;
                false
            }
            Deed::Close => false,
        };
        if !keeps {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
