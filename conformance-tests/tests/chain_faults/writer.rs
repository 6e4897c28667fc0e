//! A client that creates anchors and appends to them, and remembers what was acknowledged.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use keyssi::{AnchorId, AnchorValue, BrickHash, Domain};
use serde_json::Value;
use testkit::caller::Caller;
use testkit::owner::{FIRST_MS, Owner, constant_id, constant_value};
use testkit::random::Random;

use crate::chain::wait_until;
use crate::node::Node;

/// Versions that an anchor gets at most: each takes some blocks, since they go one by one.
const VERSIONS_MAX: usize = 6;
/// An append goes to one of the newest anchors.
const OPEN_ANCHORS: usize = 3;
/// Pause between two entries, in milliseconds: this and up to twice as much more.
const PAUSE_MS: u64 = 120;
/// Longest wait for a history after a restart.
const SETTLED_WAIT: Duration = Duration::from_mins(1);

/// An anchor with what is known of its history.
pub(crate) struct Anchored {
    /// Wrapped.
    pub(crate) id: String,
    /// `None` for a constant anchor.
    owner: Option<Owner>,
    /// The values that are there: acknowledged, or found to be there. Wrapped.
    pub(crate) values: Vec<String>,
    /// A value whose request was not answered.
    doubtful: Option<String>,
}

/// A client with the anchors that it owns in one domain.
pub(crate) struct Writer {
    pub(crate) domain: Domain,
    pub(crate) anchors: Vec<Anchored>,
    random: Random,
    /// Entries that were answered with 201.
    pub(crate) acknowledged: u64,
    /// Entries without an answer that were found to be there.
    pub(crate) found: u64,
}

impl Anchored {
    /// The id in plain, as the contract has it.
    pub(crate) fn plain_id(&self) -> Result<String> {
        Ok(AnchorId::parse_wrapped(&self.id)?.plain().to_owned())
    }

    /// The values in plain.
    pub(crate) fn plain_values(&self) -> Result<Vec<String>> {
        let plain = |value: &String| {
            let value = AnchorValue::parse_wrapped(value)?;
            Ok(value.plain().to_owned())
        };
        self.values.iter().map(plain).collect()
    }
}

impl Writer {
    pub(crate) fn new(domain: &str, random: Random) -> Result<Self> {
        Ok(Self {
            domain: domain.parse()?,
            anchors: Vec::new(),
            random,
            acknowledged: 0,
            found: 0,
        })
    }

    /// Writes until `until` ends, or the node does.
    pub(crate) fn run(&mut self, address: SocketAddr, until: &Receiver<()>) -> Result<()> {
        let mut caller = Caller::new(address);
        loop {
            let pause = PAUSE_MS + self.random.below(2 * PAUSE_MS);
            if until.recv_timeout(Duration::from_millis(pause)) != Err(RecvTimeoutError::Timeout) {
                return Ok(());
            }
            if !self.write(&mut caller)? || !self.look(&mut caller)? {
                return Ok(());
            }
        }
    }

    /// Writes one entry; false when the node is gone.
    fn write(&mut self, caller: &mut Caller) -> Result<bool> {
        let (place, value) = self.next()?;
        let domain = &self.domain;
        let anchor = self.anchors.get_mut(place).context("no such anchor")?;
        let action = if anchor.values.is_empty() {
            "create-anchor"
        } else {
            "append-to-anchor"
        };
        let target = format!("/anchor/{domain}/{action}/{}/{value}", anchor.id);
        anchor.doubtful = Some(value);
        let Ok(reply) = caller.call("PUT", &target, None) else {
            return Ok(false);
        };
        match reply.status {
            201 => {
                self.acknowledged += 1;
                anchor.accept()?;
                Ok(true)
            }
            // It is being stopped; whether it took the entry is found out later.
            503 => Ok(false),
            status => bail!("{target} answered {status} {}", reply.text()),
        }
    }

    /// Looks at the status of some anchor; false when the node is gone.
    fn look(&mut self, caller: &mut Caller) -> Result<bool> {
        let place = self.random.index(self.anchors.len());
        let anchor = self.anchors.get(place).context("no anchor")?;
        if anchor.values.is_empty() || self.random.below(4) > 0 {
            return Ok(true);
        }
        let target = format!("/anchor/{}/status/{}", self.domain, anchor.id);
        let Ok(reply) = caller.call("GET", &target, None) else {
            return Ok(false);
        };
        if reply.status == 503 {
            return Ok(false);
        }
        ensure!(reply.status == 200, "{target}: {}", reply.text());
        let status: Value = serde_json::from_slice(&reply.body)?;
        ensure!(status["state"] != "conflict", "{status}");
        Ok(true)
    }

    /// The next value and the place of its anchor.
    fn next(&mut self) -> Result<(usize, String)> {
        let hash = BrickHash::of(&self.random.bytes(32)).to_string();
        let newest = self.anchors.len().min(OPEN_ANCHORS);
        if newest > 0 && self.random.below(10) < 6 {
            let place = self.anchors.len() - 1 - self.random.index(newest);
            let anchor = self.anchors.get(place).context("no such anchor")?;
            if let Some(owner) = &anchor.owner
                && anchor.values.len() < VERSIONS_MAX
            {
                let now = FIRST_MS + anchor.values.len() as u64;
                return Ok((place, owner.sign(&hash, now)?));
            }
        }
        let (id, owner, value) = if self.random.below(8) == 0 {
            let id = constant_id(&self.domain, &hash)?;
            (id, None, constant_value(&self.domain, &hash)?)
        } else {
            let owner = Owner::new(&self.domain, &self.random.bytes(32))?;
            let value = owner.sign(&hash, FIRST_MS)?;
            (owner.id().to_owned(), Some(owner), value)
        };
        self.anchors.push(Anchored {
            id,
            owner,
            values: Vec::new(),
            doubtful: None,
        });
        Ok((self.anchors.len() - 1, value))
    }

    /// Finds out what became of requests that were not answered.
    pub(crate) fn settle(&mut self, node: &Node) -> Result<()> {
        let domain = &self.domain;
        for anchor in &mut self.anchors {
            if anchor.doubtful.is_none() {
                continue;
            }
            let target = format!("/anchor/{domain}/get-all-versions/{}", anchor.id);
            let mut history = Vec::new();
            // An anchor that the node does not know is looked for on the chain, which may take time.
            wait_until(&target, SETTLED_WAIT, || {
                let reply = node.fetch(&target)?;
                match reply.status {
                    200 => history = serde_json::from_slice(&reply.body)?,
                    404 => history = Vec::new(),
                    503 => return Ok(false),
                    status => bail!("{status} {}", reply.text()),
                }
                Ok(true)
            })?;
            ensure!(
                history.starts_with(&anchor.values),
                "{}: {history:?} instead of {:?}",
                anchor.id,
                anchor.values
            );
            match history.get(anchor.values.len()..).unwrap_or_default() {
                [] => anchor.doubtful = None,
                [value] if anchor.doubtful.as_ref() == Some(value) => {
                    self.found += 1;
                    anchor.accept()?;
                }
                more => bail!("{}: nobody wrote {more:?}", anchor.id),
            }
        }
        self.anchors.retain(|anchor| !anchor.values.is_empty());
        Ok(())
    }
}

impl Anchored {
    /// The value that was on its way is there.
    fn accept(&mut self) -> Result<()> {
        let value = self.doubtful.take().context("nothing was sent")?;
        if let Some(owner) = &mut self.owner {
            owner.follow(Some(&value))?;
        }
        self.values.push(value);
        Ok(())
    }
}
