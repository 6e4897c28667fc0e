//! One client that writes until the node dies, and keeps its own durable record of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use keyssi::{BrickHash, Domain};
use testkit::caller::Caller;
use testkit::owner::{FIRST_MS, Owner};
use testkit::random::Random;
use testkit::record::Record;

use crate::sizes::pick;

/// Largest document that a node takes by default is 4 MiB; documents are overwritten, so that
/// large ones only cost time.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// Documents of one writer: few, so that each is overwritten often.
const DOCUMENTS: u64 = 4;
/// An append goes to one of the newest anchors, so that their histories grow.
const OPEN_ANCHORS: usize = 6;

/// A writer with its record and the anchors that it owns. No two writers own one anchor or one
/// document; bricks are everybody's.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) name: String,
    pub(crate) domain: Domain,
    pub(crate) record: Record,
    pub(crate) record_path: PathBuf,
    pub(crate) owners: Vec<Owner>,
    pub(crate) random: Random,
    /// Operations of the record from this place on belong to the round that is going on.
    pub(crate) round_begins: usize,
    /// Requests that the node turned away because it was busy.
    pub(crate) refused: u64,
    versions: Vec<u64>,
    generation: u64,
}

/// One request, and what to write into the record about it.
struct Step {
    target: String,
    body: Vec<u8>,
    expected: u16,
    key: String,
    note: String,
}

impl Writer {
    /// A writer whose record lies in `folder`.
    pub(crate) fn new(
        number: usize,
        folder: &Path,
        domain: &Domain,
        random: Random,
    ) -> Result<Self> {
        let name = format!("writer-{number}");
        let record_path = folder.join(&name);
        Ok(Self {
            name,
            domain: domain.clone(),
            record: Record::open(&record_path)?,
            record_path,
            owners: Vec::new(),
            random,
            round_begins: 0,
            refused: 0,
            versions: Vec::new(),
            generation: 0,
        })
    }

    /// Writes until the node does not answer any more.
    pub(crate) fn run(&mut self, address: SocketAddr) -> Result<()> {
        let mut caller = Caller::new(address);
        loop {
            let step = self.next()?;
            self.record.pending(&step.key, &step.note)?;
            let has_body = !step.body.is_empty();
            let Ok(reply) = caller.call("PUT", &step.target, Some(step.body)) else {
                // The node is gone, with or without having carried this out.
                return Ok(self.record.flush()?);
            };
            match reply.status {
                status if status == step.expected => self.record.acknowledge(&step.key),
                // Larger bodies hold the budget: nothing was promised, so the operation stays
                // pending. Entries of anchors have no body and never meet this.
                503 if has_body => self.refused += 1,
                status => bail!(
                    "{}: {} answered {status} {}",
                    self.name,
                    step.target,
                    reply.text()
                ),
            }
        }
    }

    /// Takes note of the versions that an anchor was found to have.
    pub(crate) fn follow(&mut self, id: &str, history: &[String]) -> Result<()> {
        let place = self.owners.iter().position(|it| it.id() == id);
        let place = place.context("a history of a foreign anchor")?;
        if let (Some(owner), Some(versions)) =
            (self.owners.get_mut(place), self.versions.get_mut(place))
        {
            owner.follow(history.last().map(String::as_str))?;
            *versions = history.len() as u64;
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Step> {
        match self.random.below(100) {
            0..60 => Ok(self.brick()),
            60..70 => self.new_anchor(),
            70..90 => self.append(),
            _ => Ok(self.document()),
        }
    }

    fn brick(&mut self) -> Step {
        let (seed, length) = (self.random.bits(), pick(&mut self.random, usize::MAX));
        let body = Random::new(seed).bytes(length);
        Step {
            target: format!("/bricking/{}/put-brick", self.domain),
            key: format!("brick/{}", BrickHash::of(&body)),
            note: format!("{seed} {length}"),
            expected: 201,
            body,
        }
    }

    fn document(&mut self) -> Step {
        let (seed, length) = (
            self.random.bits(),
            pick(&mut self.random, DOCUMENT_BYTES_MAX),
        );
        let path = format!("{}-{}", self.name, self.random.below(DOCUMENTS));
        self.generation += 1;
        Step {
            target: format!("/versionlessdsu/{path}"),
            key: format!("document/{path}/{:08}", self.generation),
            note: format!("{seed} {length}"),
            expected: 200,
            body: Random::new(seed).bytes(length),
        }
    }

    fn new_anchor(&mut self) -> Result<Step> {
        let owner = Owner::new(&self.domain, &self.random.bytes(32))?;
        self.owners.push(owner);
        self.versions.push(0);
        self.entry(self.owners.len() - 1)
    }

    fn append(&mut self) -> Result<Step> {
        let newest = self.owners.len().min(OPEN_ANCHORS);
        if newest == 0 {
            return self.new_anchor();
        }
        let place = self.owners.len() - 1 - self.random.index(newest);
        self.entry(place)
    }

    /// The next entry of an anchor. The owner goes on from it at once: if it is not acknowledged,
    /// the node is dead, and the history that is read then says where to go on.
    fn entry(&mut self, place: usize) -> Result<Step> {
        let hash = BrickHash::of(&self.random.bytes(8)).to_string();
        let owner = self.owners.get_mut(place).context("no such anchor")?;
        let versions = self.versions.get_mut(place).context("no such anchor")?;
        let action = if owner.exists() {
            "append-to-anchor"
        } else {
            "create-anchor"
        };
        let value = owner.sign(&hash, FIRST_MS + *versions)?;
        let step = Step {
            target: format!("/anchor/{}/{action}/{}/{value}", self.domain, owner.id()),
            key: format!("anchor/{}/{versions:08}", owner.id()),
            note: value.clone(),
            expected: 201,
            body: Vec::new(),
        };
        owner.follow(Some(&value))?;
        *versions += 1;
        Ok(step)
    }
}
