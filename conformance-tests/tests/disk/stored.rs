//! What a node was given, and reading it back.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Result, bail, ensure};
use keyssi::{BrickHash, Domain};
use testkit::caller::Caller;
use testkit::http::Reply;
use testkit::owner::{FIRST_MS, Owner};
use testkit::random::Random;

/// Everything that a node has acknowledged, and the client that it told.
#[derive(Debug)]
pub(crate) struct Stored {
    domain: Domain,
    caller: Caller,
    random: Random,
    /// Number of the next write.
    next: u64,
    bricks: Vec<(u64, String, Vec<u8>)>,
    anchors: Vec<Anchor>,
    /// All states of each document, the newest last, with the numbers of their writes.
    documents: BTreeMap<String, Vec<(u64, Vec<u8>)>>,
}

/// An anchor as it was acknowledged, with the numbers of the writes of its versions.
#[derive(Debug, Clone)]
struct Anchor {
    owner: Owner,
    history: Vec<String>,
    numbers: Vec<u64>,
}

/// Whether a write was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Granted {
    /// It was acknowledged.
    Yes,
    /// It was refused because the disk is full, with a message.
    DiskFull,
}

/// What was read back.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Things that were given back as they were.
    pub(crate) right: usize,
    /// Things that the node refused to give back, with a message.
    pub(crate) refused: Vec<String>,
    /// Things that the node says it does not have, or has only an older state of.
    pub(crate) lost: Vec<String>,
    /// Things that were given back as they never were.
    pub(crate) wrong: Vec<String>,
    bricks: Seen,
    ledger: Seen,
}

/// The writes of one store that left their mark, and those that did not.
#[derive(Debug, Default)]
struct Seen {
    newest_there: Option<u64>,
    oldest_lost: Option<u64>,
}

impl Seen {
    fn there(&mut self, number: u64) {
        self.newest_there = self.newest_there.max(Some(number));
    }

    fn lost(&mut self, number: u64) {
        let oldest = self.oldest_lost.map_or(number, |it| it.min(number));
        self.oldest_lost = Some(oldest);
    }

    fn is_beginning(&self) -> bool {
        match (self.newest_there, self.oldest_lost) {
            (Some(there), Some(lost)) => there < lost,
            _ => true,
        }
    }
}

impl Reading {
    /// Whether what is there is what was written first: the last writes are gone, and no other.
    pub(crate) fn is_beginning(&self) -> bool {
        self.bricks.is_beginning() && self.ledger.is_beginning()
    }

    /// Whether everything was given back as it was.
    pub(crate) fn is_right(&self) -> bool {
        self.refused.is_empty() && self.lost.is_empty() && self.wrong.is_empty()
    }
}

impl Stored {
    /// Nothing yet, on the node at `address`.
    pub(crate) fn nothing(address: SocketAddr, random: Random) -> Result<Self> {
        Ok(Self {
            domain: "default".parse()?,
            caller: Caller::new(address),
            random,
            next: 0,
            bricks: Vec::new(),
            anchors: Vec::new(),
            documents: BTreeMap::new(),
        })
    }

    /// The node was started again at another address.
    pub(crate) fn moved_to(&mut self, address: SocketAddr) {
        self.caller = Caller::new(address);
    }

    /// Things that were acknowledged: bricks, anchors, documents.
    pub(crate) fn counts(&self) -> [usize; 3] {
        [self.bricks.len(), self.anchors.len(), self.documents.len()]
    }

    /// Puts a new brick of `length` bytes.
    pub(crate) fn put_brick(&mut self, length: usize) -> Result<Granted> {
        let bytes = self.random.bytes(length);
        let target = "/bricking/default/put-brick";
        let granted = self.put(target, Some(bytes.clone()), 201)?;
        if granted == Granted::Yes {
            let name = BrickHash::of(&bytes).to_string();
            self.bricks.push((self.next, name, bytes));
        }
        Ok(granted)
    }

    /// Creates a new anchor.
    pub(crate) fn create_anchor(&mut self) -> Result<Granted> {
        let owner = Owner::new(&self.domain, &self.random.bytes(32))?;
        self.write_entry(Anchor {
            owner,
            history: Vec::new(),
            numbers: Vec::new(),
        })
    }

    /// Appends to an anchor; creates one when there is none.
    pub(crate) fn append(&mut self) -> Result<Granted> {
        let place = self.random.index(self.anchors.len());
        let Some(anchor) = self.anchors.get(place).cloned() else {
            return self.create_anchor();
        };
        let granted = self.write_entry(anchor)?;
        if granted == Granted::Yes {
            // The longer history was added at the end.
            self.anchors.swap_remove(place);
        }
        Ok(granted)
    }

    fn write_entry(&mut self, mut anchor: Anchor) -> Result<Granted> {
        let owner = &mut anchor.owner;
        let action = if owner.exists() {
            "append-to-anchor"
        } else {
            "create-anchor"
        };
        let hash = BrickHash::of(&self.random.bytes(8)).to_string();
        let value = owner.sign(&hash, FIRST_MS)?;
        let target = format!("/anchor/default/{action}/{}/{value}", owner.id());
        let granted = self.put(&target, None, 201)?;
        if granted == Granted::Yes {
            owner.follow(Some(&value))?;
            anchor.history.push(value);
            anchor.numbers.push(self.next);
            self.anchors.push(anchor);
        }
        Ok(granted)
    }

    /// Writes one of `paths` documents with `length` new bytes.
    pub(crate) fn put_document(&mut self, paths: u64, length: usize) -> Result<Granted> {
        let path = format!("document-{}", self.random.below(paths));
        let bytes = self.random.bytes(length);
        let target = format!("/versionlessdsu/{path}");
        let granted = self.put(&target, Some(bytes.clone()), 200)?;
        if granted == Granted::Yes {
            let states = self.documents.entry(path).or_default();
            states.push((self.next, bytes));
        }
        Ok(granted)
    }

    fn put(&mut self, target: &str, body: Option<Vec<u8>>, expected: u16) -> Result<Granted> {
        let reply = self.caller.call("PUT", target, body)?;
        self.next += 1;
        if reply.status == expected {
            return Ok(Granted::Yes);
        }
        let (status, text) = (reply.status, reply.text());
        ensure!(status == 507, "PUT {target} answered {status} {text}");
        ensure!(has_message(&reply), "507 without a message: {text}");
        Ok(Granted::DiskFull)
    }

    /// Reads everything back.
    pub(crate) fn read(&mut self) -> Result<Reading> {
        let mut reading = Reading::default();
        for (number, name, bytes) in &self.bricks {
            let target = format!("/bricking/default/get-brick/{name}");
            match fetch(&mut self.caller, &target)? {
                Found::Bytes(found) if found == *bytes => {
                    reading.right += 1;
                    reading.bricks.there(*number);
                }
                Found::Absent => {
                    reading.lost.push(target);
                    reading.bricks.lost(*number);
                }
                other => reading.otherwise(other, target),
            }
        }
        for anchor in &self.anchors {
            let target = format!("/anchor/default/get-all-versions/{}", anchor.owner.id());
            let found = fetch(&mut self.caller, &target)?;
            reading.history(anchor, found, target);
        }
        for (path, states) in &self.documents {
            let target = format!("/versionlessdsu/{path}");
            let found = fetch(&mut self.caller, &target)?;
            reading.document(states, found, target);
        }
        Ok(reading)
    }

    /// Reads everything back; all of it must be right.
    pub(crate) fn must_be_there(&mut self) -> Result<()> {
        let reading = self.read()?;
        ensure!(reading.is_right(), "{reading:?}");
        Ok(())
    }
}

/// What the node says of one thing.
enum Found {
    Bytes(Vec<u8>),
    Absent,
    Refused(String),
}

fn fetch(caller: &mut Caller, target: &str) -> Result<Found> {
    let reply = caller.call("GET", target, None)?;
    match reply.status {
        200 => Ok(Found::Bytes(reply.body)),
        404 => Ok(Found::Absent),
        500 | 503 if has_message(&reply) => Ok(Found::Refused(reply.text())),
        status => bail!("GET {target} answered {status} {}", reply.text()),
    }
}

impl Reading {
    fn history(&mut self, anchor: &Anchor, found: Found, target: String) {
        let versions = match found {
            Found::Bytes(json) => serde_json::from_slice::<Vec<String>>(&json).unwrap_or_default(),
            Found::Absent => Vec::new(),
            refused @ Found::Refused(_) => return self.otherwise(refused, target),
        };
        if !anchor.history.starts_with(&versions) {
            return self.wrong.push(target);
        }
        if versions.len() == anchor.history.len() {
            self.right += 1;
        } else {
            self.lost.push(target);
        }
        self.ledger
            .split(anchor.numbers.iter().copied(), versions.len());
    }

    fn document(&mut self, states: &[(u64, Vec<u8>)], found: Found, target: String) {
        let state = match found {
            Found::Bytes(found) => match states.iter().rposition(|(_, it)| *it == found) {
                Some(place) => place + 1,
                None => return self.wrong.push(target),
            },
            Found::Absent => 0,
            refused @ Found::Refused(_) => return self.otherwise(refused, target),
        };
        if state == states.len() {
            self.right += 1;
        } else {
            self.lost.push(target);
        }
        self.ledger
            .split(states.iter().map(|(number, _)| *number), state);
    }

    fn otherwise(&mut self, found: Found, target: String) {
        match found {
            Found::Refused(why) => self.refused.push(format!("{target}: {why}")),
            Found::Bytes(_) | Found::Absent => self.wrong.push(target),
        }
    }
}

impl Seen {
    /// Of these writes the first `there` left their mark.
    fn split(&mut self, numbers: impl Iterator<Item = u64>, there: usize) {
        for (place, number) in numbers.enumerate() {
            if place < there {
                self.there(number);
            } else {
                self.lost(number);
            }
        }
    }
}

/// Whether a refusal says why.
fn has_message(reply: &Reply) -> bool {
    let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    json.get("message")
        .and_then(serde_json::Value::as_str)
        .is_some_and(|text| !text.is_empty())
}
