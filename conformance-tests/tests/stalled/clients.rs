//! Clients that hold a connection and do not go on.
//!
//! Each is a thread with a small stack and no buffer of its own, so that five hundred of them need
//! little memory on this side.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Stack of a client's thread.
const STACK_BYTES: usize = 128 << 10;
/// A pause between two pieces of a client that dribbles.
const PAUSE: Duration = Duration::from_millis(500);
/// What a body that trickles sends between two pauses: twice what the configuration asks for.
const TRICKLE_BYTES: usize = 1024;
/// What all clients send.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// The node answered with this status.
    Answered(u16),
    /// The node began to answer and closed before all of the answer was sent.
    CutOff,
    /// The node closed without an answer.
    Closed,
    /// The node still held it at the deadline.
    Held,
}

/// What a client does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Behaviour {
    /// Declares a body, sends a part of it, and then nothing.
    StallsInBody { declared: usize, sent: usize },
    /// Declares a body and sends a little of it now and then, at a rate that is enough while
    /// nobody waits.
    TricklesBody { declared: usize },
    /// Asks for something large and does not read until `patience` is over.
    DoesNotRead { patience: Duration },
    /// Sends its header a byte now and then.
    DribblesHeader,
    /// Connects and says nothing.
    IsSilent,
}

/// Runs `count` clients of these behaviours at the same time, each until the node has ended its connection or
/// `deadline` has passed, and counts how they ended.
pub(crate) fn run(
    address: SocketAddr,
    target: &str,
    behaviours: &[Behaviour],
    count: usize,
    deadline: Duration,
) -> Result<BTreeMap<Fate, usize>> {
    let deadline = Instant::now() + deadline;
    let mut fates = BTreeMap::new();
    thread::scope(|scope| {
        let mut clients = Vec::new();
        for behaviour in behaviours.iter().copied().cycle().take(count) {
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            clients.push(thread.spawn_scoped(scope, move || {
                let mut client = Client::connect(address, deadline)?;
                client.behave(target, behaviour)
            })?);
        }
        for client in clients {
            let fate = client.join().ok().context("a client panicked")??;
            *fates.entry(fate).or_default() += 1;
        }
        Ok(fates)
    })
}

struct Client {
    stream: TcpStream,
    host: String,
    deadline: Instant,
}

impl Client {
    fn connect(address: SocketAddr, deadline: Instant) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(20))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host: address.to_string(),
            deadline,
        })
    }

    fn behave(&mut self, target: &str, behaviour: Behaviour) -> Result<Fate> {
        match behaviour {
            Behaviour::StallsInBody { declared, sent } => {
                self.send_head("PUT", target, declared)?;
                self.send_zeros(sent)?;
                self.fate()
            }
            Behaviour::TricklesBody { declared } => {
                self.send_head("PUT", target, declared)?;
                self.dribble(&ZEROS, TRICKLE_BYTES)
            }
            Behaviour::DoesNotRead { patience } => {
                self.send_head("GET", target, 0)?;
                thread::sleep(patience);
                self.fate()
            }
            Behaviour::DribblesHeader => {
                self.dribble(b"GET /livez HTTP/1.1\r\nX-Slow: 00000000", 1)
            }
            Behaviour::IsSilent => self.fate(),
        }
    }

    fn send_head(&mut self, method: &str, target: &str, length: usize) -> Result<()> {
        let host = &self.host;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n"
        );
        Ok(self.stream.write_all(head.as_bytes())?)
    }

    /// Sends so many bytes, or less if the node will not have them.
    fn send_zeros(&mut self, mut left: usize) -> Result<()> {
        while left > 0 {
            let Some(wait) = self.left() else {
                return Ok(());
            };
            self.stream.set_write_timeout(Some(wait))?;
            let piece = ZEROS.get(..left.min(ZEROS.len())).unwrap_or(&ZEROS);
            match self.stream.write(piece) {
                Ok(sent) => left -= sent,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Closed or not taken in time: what was answered says why.
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Sends a piece, and a pause after it, until the node has ended the connection.
    fn dribble(&mut self, bytes: &[u8], piece_bytes: usize) -> Result<Fate> {
        for piece in bytes.chunks(piece_bytes) {
            let Some(left) = self.left() else {
                return Ok(Fate::Held);
            };
            if self.stream.write_all(piece).is_err() {
                break;
            }
            self.stream.set_read_timeout(Some(left.min(PAUSE)))?;
            match self.stream.peek(&mut [0]) {
                Err(error) if is_timeout(&error) => {}
                // An answer, the end, or an error: the node has decided.
                _ => break,
            }
        }
        self.fate()
    }

    /// Reads to the end of what the node sends.
    fn fate(&mut self) -> Result<Fate> {
        let mut start = Vec::new();
        let mut received = 0;
        let mut piece = [0; 16 << 10];
        loop {
            let Some(left) = self.left() else {
                return Ok(Fate::Held);
            };
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => {
                    received += count;
                    let room = 1024_usize.saturating_sub(start.len());
                    start.extend(piece.iter().take(count.min(room)));
                    if answer(&start).is_some_and(|(_, whole)| received >= whole) {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Ok(Fate::Held),
                Err(_) => break,
            }
        }
        Ok(match answer(&start) {
            Some((status, whole)) if received >= whole => Fate::Answered(status),
            Some(_) => Fate::CutOff,
            None => Fate::Closed,
        })
    }

    fn left(&self) -> Option<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

/// The status of an answer and the bytes that it has with its head, once the head is there.
fn answer(start: &[u8]) -> Option<(u16, usize)> {
    let text = std::str::from_utf8(start)
        .or_else(|error| std::str::from_utf8(start.get(..error.valid_up_to()).unwrap_or_default()));
    let (head, _) = text.ok()?.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    Some((status, head.len() + 4 + length.unwrap_or(0)))
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
