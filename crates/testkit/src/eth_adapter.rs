//! A peer that answers as a real EthAdapter did: each answer is one of the recorded ones, chosen by
//! its name, and is sent byte for byte (`conformance-tests/vectors/ledger/adapter-*.json`). Answers
//! that no real one gives are for tests of hostile peers.
//!
//! All threads end when the value is dropped, also those that keep a client waiting.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::http::HttpError;
use crate::liar::wire;
use crate::listening::Listening;

const FIXTURES: &str =
    include_str!("../../../conformance-tests/vectors/ledger/adapter-fixtures.json");
const WEDGE: &str = include_str!("../../../conformance-tests/vectors/ledger/adapter-wedge.json");

/// The page for what such an adapter does not know; also for what a test says nothing about.
const UNKNOWN: &str = "unknown";
/// Longest wait for a request that must come.
const REQUEST_WAIT: Duration = Duration::from_secs(20);

/// What comes back for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A whole answer.
    Whole {
        /// The status.
        status: u16,
        /// The headers that were recorded.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Nothing, while the connection stays open.
    Silence,
    /// The connection ends without an answer: the process died.
    Close,
    /// These bytes, and the end of the connection.
    Raw(Vec<u8>),
    /// These bytes as the first of a body that never ends.
    Endless(Vec<u8>),
}

/// What was recorded under each name; `None` for what is not an exchange. Names of the second
/// recording begin with `wedge/`.
///
/// # Errors
/// When a recording is not in its form.
pub fn recordings() -> io::Result<BTreeMap<String, Option<Answer>>> {
    let mut all = BTreeMap::new();
    for (prefix, text) in [("", FIXTURES), ("wedge/", WEDGE)] {
        let recorded: BTreeMap<String, Value> = serde_json::from_str(text)?;
        for (name, exchange) in recorded {
            all.insert(format!("{prefix}{name}"), answer_of(&exchange));
        }
    }
    Ok(all)
}

/// The recorded answer of this name.
///
/// # Errors
/// When there is none.
pub fn recorded(name: &str) -> io::Result<Answer> {
    let found = recordings()?.remove(name).flatten();
    found.ok_or_else(|| io::Error::other(format!("no answer is recorded as {name}")))
}

fn answer_of(exchange: &Value) -> Option<Answer> {
    if exchange.get("process_died").is_some() {
        return Some(Answer::Close);
    }
    if exchange.get("timeout").is_some() || exchange.get("no_answer_within_ms").is_some() {
        return Some(Answer::Silence);
    }
    let headers = exchange.get("headers").and_then(Value::as_object);
    let headers = headers.into_iter().flatten().filter_map(|(name, value)| {
        let value = value.as_str()?;
        Some((name.clone(), value.to_owned()))
    });
    Some(Answer::Whole {
        status: u16::try_from(exchange.get("status")?.as_u64()?).ok()?,
        headers: headers.collect(),
        body: exchange.get("body")?.as_str()?.to_owned(),
    })
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path and the query.
    pub target: String,
    /// The body, empty if there was none.
    pub body: Vec<u8>,
}

impl Asked {
    /// The first segment of the path, in lower case: what is asked for.
    #[must_use]
    pub fn action(&self) -> String {
        let segment = self.target.trim_start_matches('/').split(['/', '?']).next();
        segment.unwrap_or_default().to_ascii_lowercase()
    }
}

/// A peer that follows a script. It listens until it is dropped.
#[derive(Debug)]
pub struct EthAdapter {
    shared: Arc<Shared>,
    listening: Listening,
}

impl EthAdapter {
    /// Listens on a free loopback port; answers everything with 404 until it is told more.
    ///
    /// # Errors
    /// When no port can be had, or the recordings cannot be read.
    pub fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            unknown: recorded(UNKNOWN)?,
        });
        let listening = {
            let shared = Arc::clone(&shared);
            Listening::start(move |stream| serve(stream, &shared))?
        };
        Ok(Self { shared, listening })
    }

    /// `http://` and the address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.listening.address())
    }

    /// From now on requests for `action` (`createAnchor`, `getAllVersions`, …) get these answers in
    /// turn; the last one stays.
    pub fn answer(&self, action: &str, answers: impl IntoIterator<Item = Answer>) {
        let mut answers: Vec<Answer> = answers.into_iter().collect();
        answers.reverse();
        let mut state = self.shared.state();
        state.scripts.insert(action.to_ascii_lowercase(), answers);
    }

    /// The requests so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.state().asked.clone()
    }

    /// The actions asked for so far, in lower case.
    #[must_use]
    pub fn actions(&self) -> Vec<String> {
        self.shared
            .state()
            .asked
            .iter()
            .map(Asked::action)
            .collect()
    }

    /// Waits for a request for `action` after the first `seen` requests; false when none comes.
    #[must_use]
    pub fn await_request(&self, action: &str, seen: usize) -> bool {
        let action = action.to_ascii_lowercase();
        let came = |state: &State| {
            let mut later = state.asked.iter().skip(seen);
            later.any(|it| it.action() == action)
        };
        let waited =
            self.shared
                .changed
                .wait_timeout_while(self.shared.state(), REQUEST_WAIT, |state| !came(state));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        came(&state)
    }
}

/// What the threads of a peer share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Told with each request.
    changed: Condvar,
    unknown: Answer,
}

#[derive(Debug, Default)]
struct State {
    /// By action; the next answer is the last of the list.
    scripts: HashMap<String, Vec<Answer>>,
    asked: Vec<Asked>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request and gives its answer.
    fn note(&self, asked: Asked) -> Answer {
        let mut state = self.state();
        let answer = match state.scripts.get_mut(&asked.action()) {
            Some(script) if script.len() > 1 => script.pop(),
            Some(script) => script.last().cloned(),
            None => None,
        };
        state.asked.push(asked);
        drop(state);
        self.changed.notify_all();
        answer.unwrap_or_else(|| self.unknown.clone())
    }
}

/// Answers the requests of one connection.
fn serve(mut stream: TcpStream, shared: &Shared) -> Result<(), HttpError> {
    stream.set_nodelay(true)?;
    let mut client = wire::Client::new(stream.try_clone()?);
    while let Some(request) = client.read_request()? {
        let asked = Asked {
            method: request.method,
            target: request.target,
            body: request.body.unwrap_or_default(),
        };
        match shared.note(asked) {
            Answer::Whole {
                status,
                headers,
                body,
            } => {
                let mut bytes = head(status, &headers, body.len());
                bytes.push_str(&body);
                stream.write_all(bytes.as_bytes())?;
            }
            Answer::Silence => client.wait_for_close()?,
            Answer::Close => break,
            Answer::Raw(bytes) => {
                stream.write_all(&bytes)?;
                break;
            }
            Answer::Endless(first) => {
                let head = head(200, &[], usize::MAX);
                stream.write_all(head.as_bytes())?;
                stream.write_all(&first)?;
                // Ends when the client, or the end of the peer, closes.
                loop {
                    stream.write_all(&[b' '; 16 * 1024])?;
                }
            }
        }
    }
    Ok(())
}

fn head(status: u16, headers: &[(String, String)], length: usize) -> String {
    let mut head = format!("HTTP/1.1 {status} Recorded\r\n");
    for (name, value) in headers {
        for part in [name, ": ", value, "\r\n"] {
            head.push_str(part);
        }
    }
    head + &format!("content-length: {length}\r\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Request, ask};

    #[test]
    fn answers_follow_the_script_and_the_last_one_stays() {
        let peer = EthAdapter::start().unwrap();
        let names = ["total0", "total"];
        peer.answer(
            "totalNumberOfAnchors",
            names.map(|it| recorded(it).unwrap()),
        );
        let bodies = [(); 3].map(|()| {
            let request = Request::to(peer.listening.address(), "GET", "/TOTALnumberOfAnchors/?x");
            ask(peer.listening.address(), &request).unwrap().body
        });
        assert_eq!(bodies, [b"0", b"3", b"3"]);
        assert_eq!(peer.actions(), ["totalnumberofanchors"; 3]);
        assert!(peer.await_request("totalNumberOfAnchors", 2));
        let request = Request::to(peer.listening.address(), "GET", "/nope");
        assert_eq!(ask(peer.listening.address(), &request).unwrap().status, 404);
    }

    #[test]
    fn each_recording_is_an_answer_but_for_the_state_of_a_pool() {
        let all = recordings().unwrap();
        let others = all.iter().filter(|(_, answer)| answer.is_none());
        let others: Vec<_> = others.map(|(name, _)| name.as_str()).collect();
        assert_eq!(others, ["wedge/pending_in_pool"]);
        assert_eq!(all.len(), 49);
    }
}
