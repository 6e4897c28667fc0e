//! Reads back what a record says, and settles what was pending.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use testkit::caller::Caller;
use testkit::random::Random;
use testkit::record::{self, Operation, State};

use crate::sizes;
use crate::writer::Writer;

/// Older operations that are read again in a round that does not read all.
const SAMPLE: u64 = 40;

/// How much of a record is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The operations of this round, and a sample of the older ones.
    Round,
    /// All of it.
    All,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Acknowledged, and not there.
    pub(crate) lost: Vec<String>,
    /// There, and not what was sent.
    pub(crate) torn: Vec<String>,
    /// Operations that were read back.
    pub(crate) read: u64,
    /// Pending ones that had happened.
    pub(crate) happened: u64,
    /// Pending ones that had not.
    pub(crate) vanished: u64,
}

impl Findings {
    pub(crate) fn add(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.torn.extend(other.torn);
        self.read += other.read;
        self.happened += other.happened;
        self.vanished += other.vanished;
    }
}

/// One writer's record against the node.
struct Reading<'a> {
    writer: &'a mut Writer,
    caller: Caller,
    findings: Findings,
}

/// The operations on one brick, anchor or document, in order.
#[derive(Default)]
struct Group<'a> {
    is_wanted: bool,
    operations: Vec<(&'a str, &'a Operation)>,
}

/// Reads a writer's operations back and writes into its record how the pending ones ended.
pub(crate) fn verify(writer: &mut Writer, address: SocketAddr, extent: Extent) -> Result<Findings> {
    let operations = record::read(&writer.record_path)?;
    let begins = writer.round_begins;
    writer.round_begins = operations
        .values()
        .map(|it| it.place + 1)
        .max()
        .unwrap_or(0);
    let older = operations.values().filter(|it| it.place < begins).count() as u64;
    let mut random = writer.random.fork();
    let mut is_wanted = |operation: &Operation| {
        extent == Extent::All
            || operation.state == State::Pending
            || operation.place >= begins
            || random.below(older) < SAMPLE
    };
    // One history or document tells of all its operations, so they are read together.
    let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for (key, operation) in &operations {
        let subject = match key.rsplit_once('/') {
            Some((subject, _)) if subject != "brick" => subject,
            _ => key,
        };
        let group = groups.entry(subject).or_default();
        group.is_wanted |= is_wanted(operation);
        group.operations.push((key, operation));
    }
    let mut reading = Reading {
        writer,
        caller: Caller::new(address),
        findings: Findings::default(),
    };
    for (subject, group) in &groups {
        if group.is_wanted {
            reading
                .subject(subject, &group.operations)
                .context((*subject).to_owned())?;
        }
    }
    reading.writer.record.flush()?;
    Ok(reading.findings)
}

impl Reading<'_> {
    fn subject(&mut self, subject: &str, group: &[(&str, &Operation)]) -> Result<()> {
        self.findings.read += group.len() as u64;
        match subject.split_once('/') {
            Some(("brick", name)) => self.brick(name, group),
            Some(("anchor", id)) => self.anchor(id, group),
            Some(("document", path)) => self.document(path, group),
            _ => bail!("a foreign key"),
        }
    }

    fn fetch(&mut self, target: &str) -> Result<Option<Vec<u8>>> {
        let reply = self.caller.call("GET", target, None)?;
        match reply.status {
            200 => Ok(Some(reply.body)),
            404 => Ok(None),
            // A damaged brick, say: nothing that a kill may leave behind.
            status => bail!("GET {target} answered {status} {}", reply.text()),
        }
    }

    fn settle(&mut self, key: &str, happened: bool) {
        if happened {
            self.findings.happened += 1;
            self.writer.record.acknowledge(key);
        } else {
            self.findings.vanished += 1;
            self.writer.record.absent(key);
        }
    }

    /// A brick is whole or absent. One that was settled as absent may have been put by another
    /// writer since, so it is not looked at.
    fn brick(&mut self, name: &str, group: &[(&str, &Operation)]) -> Result<()> {
        let &[(key, operation)] = group else {
            bail!("one brick, one operation");
        };
        if operation.state == State::Absent {
            return Ok(());
        }
        let domain = &self.writer.domain;
        let found = self.fetch(&format!("/bricking/{domain}/get-brick/{name}"))?;
        let sent = content(&operation.note)?;
        match (operation.state, found) {
            (_, Some(found)) if found != sent => {
                let why = sizes::reason(sent.len());
                let text = format!("{key}, {} of {} bytes ({why})", found.len(), sent.len());
                self.findings.torn.push(text);
            }
            (State::Pending, found) => self.settle(key, found.is_some()),
            (_, None) => {
                let why = sizes::reason(sent.len());
                self.findings
                    .lost
                    .push(format!("{key}, {} bytes ({why})", sent.len()));
            }
            (_, Some(_)) => {}
        }
        Ok(())
    }

    /// A history is the acknowledged versions in order, then at most the pending one.
    fn anchor(&mut self, id: &str, group: &[(&str, &Operation)]) -> Result<()> {
        let domain = &self.writer.domain;
        let found = self.fetch(&format!("/anchor/{domain}/get-all-versions/{id}"))?;
        let history: Vec<String> = match found {
            Some(json) => serde_json::from_slice(&json)?,
            None => Vec::new(),
        };
        let mut known = 0;
        for (version, (key, operation)) in group.iter().enumerate() {
            let place: usize = key.rsplit('/').next().unwrap_or_default().parse()?;
            ensure!(place == version, "the record leaves out version {version}");
            match (operation.state, history.get(version)) {
                (State::Absent, _) => continue,
                (_, Some(found)) if *found != operation.note => {
                    self.findings.torn.push(format!("{key} is {found}"));
                }
                (State::Pending, found) => {
                    self.settle(key, found.is_some());
                    known += usize::from(found.is_some());
                    continue;
                }
                (State::Acknowledged, None) => self.findings.lost.push((*key).to_owned()),
                (State::Acknowledged, Some(_)) => {}
            }
            known += 1;
        }
        if history.len() > known {
            let text = format!("{id} has {} versions, {known} are known", history.len());
            self.findings.torn.push(text);
        }
        self.writer.follow(id, &history)
    }

    /// A document is the last acknowledged generation, or the pending one that came after it.
    fn document(&mut self, path: &str, group: &[(&str, &Operation)]) -> Result<()> {
        let found = self.fetch(&format!("/versionlessdsu/{path}"))?;
        let last = group
            .iter()
            .rfind(|(_, it)| it.state == State::Acknowledged);
        let mut explained = match (last, &found) {
            (None, None) => true,
            (Some((_, last)), Some(found)) => *found == content(&last.note)?,
            _ => false,
        };
        for (key, operation) in group {
            if operation.state != State::Pending {
                continue;
            }
            // Refused and then overwritten, or cut off by the kill; never both alike, as every
            // generation has its own bytes (or none, which reads the same).
            let happened = !explained && found == Some(content(&operation.note)?);
            explained |= happened;
            self.settle(key, happened);
        }
        if explained {
            return Ok(());
        }
        match (last, found) {
            (Some((key, _)), None) => self.findings.lost.push((*key).to_owned()),
            (_, found) => {
                let length = found.map_or(0, |it| it.len());
                let text = format!("document {path} has {length} bytes that nobody wrote last");
                self.findings.torn.push(text);
            }
        }
        Ok(())
    }
}

/// The bytes that a note stands for.
fn content(note: &str) -> Result<Vec<u8>> {
    let (seed, length) = note.split_once(' ').context("a foreign note")?;
    Ok(Random::new(seed.parse()?).bytes(length.parse()?))
}
