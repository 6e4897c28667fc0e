//! Plays one sequence after the other against a node.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::http::Reply;

use crate::client::Client;
use crate::material::{Material, RecordedCall, Sequence, brick_name, stand_in};
use crate::node::TestNode;
use crate::start::Start;
use crate::write::Write;

/// A node, a client of it, and what the client stored.
#[derive(Debug)]
pub(crate) struct Player<'a> {
    material: &'a Material,
    node: TestNode,
    client: Client,
    /// Bricks on the node by (domain, recorded name): their bytes.
    bricks: BTreeMap<(String, String), Vec<u8>>,
    anchors: BTreeMap<(String, String), Vec<String>>,
    calls: usize,
    prepared: usize,
    stood_in: BTreeSet<String>,
}

impl<'a> Player<'a> {
    /// Starts a node for this material.
    pub(crate) fn start(material: &'a Material) -> Result<Self> {
        let node = TestNode::start(&material.domains)?;
        let client = Client::connect(node.address()?)?;
        Ok(Self {
            material,
            node,
            client,
            bricks: BTreeMap::new(),
            anchors: BTreeMap::new(),
            calls: 0,
            prepared: 0,
            stood_in: BTreeSet::new(),
        })
    }

    /// How much was done, for the summary.
    pub(crate) fn counts(&self) -> String {
        let Self {
            calls, prepared, ..
        } = self;
        let stood_in = self.stood_in.len();
        format!("{calls} calls, {prepared} writes to prepare them, {stood_in} bodies stood in")
    }

    /// Ends the node; shows where its data lies to nobody.
    pub(crate) fn finish(mut self) -> Result<()> {
        ensure!(self.node.data().is_dir(), "the node kept no data");
        self.node.stop()
    }

    /// Prepares the state, then makes each call and checks its answer.
    pub(crate) fn play(&mut self, sequence: &Sequence, start: &Start) -> Result<()> {
        self.prepare(start)?;
        for (place, call) in sequence.calls.iter().enumerate() {
            let later = sequence.calls.get(place + 1..).unwrap_or_default();
            let what = || format!("call {place}, {} {}", call.method, call.target());
            self.make(call, later).with_context(what)?;
            self.calls += 1;
        }
        Ok(())
    }

    fn prepare(&mut self, start: &Start) -> Result<()> {
        for key in &start.bricks {
            if !self.bricks.contains_key(key) {
                let bytes = self.brick_bytes(&key.1)?;
                self.client.put_brick(&key.0, &brick_name(&bytes), &bytes)?;
                self.bricks.insert(key.clone(), bytes);
                self.prepared += 1;
            }
        }
        for ((domain, id), due) in &start.versions {
            let key = (domain.clone(), id.clone());
            let held = self.anchors.entry(key).or_default();
            ensure!(held.len() <= *due, "anchor {id} is ahead of the recording");
            let history = self.material.history(domain, id);
            for value in history.iter().take(*due).skip(held.len()) {
                let write = Write::after(held.len());
                let status = self.client.write(write, domain, id, value)?;
                ensure!(status == 201, "{write:?} {id}: {status}");
                held.push(value.clone());
                self.prepared += 1;
            }
        }
        Ok(())
    }

    /// The recorded bytes of a brick, or others of the recorded length.
    fn brick_bytes(&mut self, name: &str) -> Result<Vec<u8>> {
        if let Some(bytes) = self.material.brick(name)? {
            return Ok(bytes);
        }
        self.stood_in.insert(name.to_owned());
        Ok(stand_in(name, self.material.brick_length(name)))
    }

    fn make(&mut self, call: &RecordedCall, later: &[RecordedCall]) -> Result<()> {
        match *call.segments().as_slice() {
            ["bricking", domain, "put-brick"] => self.put(call, domain),
            ["bricking", domain, action, name] => self.read_brick(call, domain, action, name),
            ["versionlessdsu", ..] => self.document(call, later),
            ["anchor", domain, action, id, value] => {
                let reply = self.client.call("PUT", call.target(), None)?;
                check(call, &reply)?;
                let write = matches!(action, "create-anchor" | "append-to-anchor");
                ensure!(write && call.method == "PUT", "not a write");
                if reply.status == 201 {
                    let key = (domain.to_owned(), id.to_owned());
                    self.anchors.entry(key).or_default().push(value.to_owned());
                }
                Ok(())
            }
            ["bdns"] => {
                let reply = self.client.call("GET", call.target(), None)?;
                ensure!(reply.status == call.status, "status {}", reply.status);
                self.check_bdns(&reply)
            }
            _ => {
                let reply = self.client.call(&call.method, call.target(), None)?;
                check(call, &reply)
            }
        }
    }

    fn put(&mut self, call: &RecordedCall, domain: &str) -> Result<()> {
        let name = call.message().context("no brick name")?;
        let bytes = self.brick_bytes(&name)?;
        ensure!(
            bytes.len() == call.req_len,
            "brick {name} has {} bytes",
            bytes.len()
        );
        let reply = self.client.call("PUT", call.target(), Some(&bytes))?;
        ensure!(reply.status == call.status, "status {}", reply.status);
        let answer: Value = serde_json::from_slice(&reply.body)?;
        let due = brick_name(&bytes);
        ensure!(
            answer.get("message").and_then(Value::as_str) == Some(&due),
            "the brick is called {answer}"
        );
        ensure!(
            due == name || self.stood_in.contains(&name),
            "brick {name} is {due}"
        );
        self.bricks.insert((domain.to_owned(), name), bytes);
        Ok(())
    }

    fn read_brick(
        &mut self,
        call: &RecordedCall,
        domain: &str,
        action: &str,
        name: &str,
    ) -> Result<()> {
        let held = self.bricks.get(&(domain.to_owned(), name.to_owned()));
        let asked = held.map_or(name.to_owned(), |it| brick_name(it));
        let target = format!("/bricking/{domain}/{action}/{asked}");
        let reply = self.client.call(&call.method, &target, None)?;
        check(call, &reply)?;
        if action == "get-brick" && call.status == 200 {
            ensure!(Some(&reply.body) == held, "other bytes than were stored");
        }
        Ok(())
    }

    /// A versionless document: what was put last is what is read.
    fn document(&mut self, call: &RecordedCall, later: &[RecordedCall]) -> Result<()> {
        let kept = self.material.document(call.target(), call.req_len);
        let body = kept.unwrap_or_else(|| {
            self.stood_in
                .insert(format!("{}:{}", call.target(), call.req_len));
            stand_in(call.target(), call.req_len)
        });
        let reply = self.client.call(&call.method, call.target(), Some(&body))?;
        check(call, &reply)?;
        let is_last = !later.iter().any(|it| it.target() == call.target());
        if call.method == "PUT" && is_last {
            let read = self.client.call("GET", call.target(), None)?;
            ensure!(
                read.status == 200 && read.body == body,
                "other bytes than were stored"
            );
        }
        Ok(())
    }

    /// The recorded text names the recorded server; ours must name every domain
    /// and a place for its bricks and anchors.
    fn check_bdns(&self, reply: &Reply) -> Result<()> {
        let hosts: Value = serde_json::from_slice(&reply.body)?;
        for domain in &self.material.domains {
            for section in ["brickStorages", "anchoringServices"] {
                let places = hosts
                    .pointer(&format!("/{domain}/{section}"))
                    .and_then(Value::as_array);
                ensure!(
                    places.is_some_and(|it| !it.is_empty()),
                    "{domain} has no {section}"
                );
            }
        }
        Ok(())
    }
}

/// Whether a reply is the recorded one: status, length and, where kept, body.
fn check(call: &RecordedCall, reply: &Reply) -> Result<()> {
    ensure!(reply.status == call.status, "status {}", reply.status);
    ensure!(
        reply.body.len() == call.res_len,
        "{} bytes",
        reply.body.len()
    );
    if let Some(body) = &call.res_body {
        ensure!(reply.body == body.as_bytes(), "body {}", reply.text());
    }
    Ok(())
}
