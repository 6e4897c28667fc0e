//! Sends recorded exchanges to a fresh node, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use testkit::http::{Connection, HttpError, Reply};

use crate::call::{Call, Route};
use crate::compare;
use crate::exchange::Exchange;
use crate::node::TestNode;
use crate::rule::Table;
use crate::world::World;

/// An exchange that takes longer counts as unanswered.
const ANSWER_WAIT: Duration = Duration::from_mins(1);
/// Domains that the recorded server served whether or not an exchange shows it.
const DOMAINS: [&str; 4] = ["default", "test1", "test2", "vault"];

/// What to do with appends that the recorded server refused for a stale lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locked {
    /// Send them like any other.
    Send,
    /// Leave them out.
    Skip,
}

/// How a replay went.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Exchanges that were sent.
    pub(crate) replayed: usize,
    /// Those that were answered as recorded, dropped headers aside.
    pub(crate) same: usize,
    /// The exchanges that each row of the table covered.
    pub(crate) covered: BTreeMap<String, Vec<u32>>,
    /// What was wrong.
    pub(crate) failures: Vec<String>,
}

/// Replays all exchanges in order against a fresh node.
pub(crate) fn replay(exchanges: &[Exchange], table: &Table, locked: Locked) -> Result<Report> {
    let domains = served_domains(exchanges)?;
    let host = recorded_host(exchanges);
    let mut session = Session {
        node: TestNode::start(&domains)?,
        read_only: false,
        connection: None,
        world: World::new(domains),
    };
    let mut report = Report::default();
    for exchange in exchanges {
        if locked == Locked::Skip && was_locked(exchange)? {
            continue;
        }
        session.set_read_only(exchange.is_read_only())?;
        let problems = session.replay_one(exchange, &host, table, &mut report)?;
        report.replayed += 1;
        let what = format!("[{}] {} {}", exchange.n, exchange.group, exchange.name);
        report
            .failures
            .extend(problems.iter().map(|it| format!("{what}: {it}")));
    }
    session.node.stop()?;
    Ok(report)
}

/// A node, the open connection to it, and what it holds.
struct Session {
    node: TestNode,
    read_only: bool,
    connection: Option<Connection>,
    world: World,
}

impl Session {
    /// Restarts the node when the condition of the recording changes.
    fn set_read_only(&mut self, read_only: bool) -> Result<()> {
        if self.read_only == read_only {
            return Ok(());
        }
        self.connection = None;
        self.node.stop()?;
        let variable = ("KILN__NODE__READ_ONLY", "true");
        let environment = read_only.then_some(variable);
        self.node.run(environment.as_slice())?;
        self.read_only = read_only;
        Ok(())
    }

    fn replay_one(
        &mut self,
        exchange: &Exchange,
        host: &str,
        table: &Table,
        report: &mut Report,
    ) -> Result<Vec<String>> {
        let call = Call::of(&exchange.request.path);
        let rule = table.rule_for(exchange, &call, &self.world)?;
        let reply = match self.send(exchange, host) {
            Ok(reply) => reply,
            Err(error) => return Ok(vec![format!("{error:#}")]),
        };
        let mut problems = compare::common_headers(exchange, &reply, &table.headers);
        for rule in &table.headers {
            if exchange.response.header(&rule.absent).is_some() {
                let covered = report.covered.entry(rule.reason.id.clone()).or_default();
                covered.push(exchange.n);
            }
        }
        if let Some(rule) = rule {
            let id = &rule.reason.id;
            let wrong = rule.problems(exchange, &call, &self.world, &reply)?;
            problems.extend(wrong.iter().map(|it| format!("rule {id}: {it}")));
            if !rule.reason.may_cover(exchange.response.status) {
                problems.push(format!("rule {id} covers a grant and is no defect"));
            }
            let covered = report.covered.entry(id.clone()).or_default();
            covered.push(exchange.n);
        } else {
            let wrong = compare::with_recorded(exchange, &call, &self.world, &reply)?;
            report.same += usize::from(wrong.is_empty());
            problems.extend(wrong);
        }
        self.world.observe(exchange, &call, &reply)?;
        Ok(problems)
    }

    /// Sends on the open connection, which the node must keep as long as it
    /// has not announced its end.
    fn send(&mut self, exchange: &Exchange, host: &str) -> Result<Reply> {
        let request = exchange.request(host)?;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.node.address()?, ANSWER_WAIT)?,
        };
        let reply = connection.send(&request).map_err(|error| match error {
            HttpError::NoAnswer(wait) => anyhow::anyhow!("unanswered for {wait:?}"),
            other => anyhow::Error::from(other),
        })?;
        if connection.is_usable() {
            self.connection = Some(connection);
        }
        Ok(reply)
    }
}

/// Whether the recorded server refused this append for a lock.
fn was_locked(exchange: &Exchange) -> Result<bool> {
    let call = Call::of(&exchange.request.path);
    let body = exchange.response.body()?;
    let refused = body == br#"{"message":"Versions out of sync"}"#;
    Ok(call.route == Route::AppendAnchor && exchange.response.status == 500 && refused)
}

/// The text that the recorder sent as `Host`: the server repeats it as allowed
/// origin to a client that names none.
fn recorded_host(exchanges: &[Exchange]) -> String {
    let plain = exchanges.iter().filter(|it| {
        let mut names = it.request.headers.keys();
        !names.any(|name| name.eq_ignore_ascii_case("origin"))
    });
    let mut origins = plain.filter_map(|it| it.response.header("access-control-allow-origin"));
    origins
        .find(|it| *it != "*")
        .unwrap_or("localhost:8891")
        .to_owned()
}

/// The domains of the recorded server: the usual ones, those that it named in
/// its BDNS answer and those in which it granted a write.
fn served_domains(exchanges: &[Exchange]) -> Result<BTreeSet<String>> {
    let mut domains: BTreeSet<String> = DOMAINS.iter().map(|&it| it.to_owned()).collect();
    for exchange in exchanges {
        let call = Call::of(&exchange.request.path);
        let status = exchange.response.status;
        if call.route == Route::Bdns && status == 200 {
            let hosts = serde_json::from_slice::<Value>(&exchange.response.body()?);
            let hosts = hosts
                .ok()
                .and_then(|it| it.as_object().cloned())
                .unwrap_or_default();
            domains.extend(hosts.into_iter().map(|(domain, _)| domain));
        }
        if status == 201 && !call.domain.is_empty() {
            domains.insert(call.domain);
        }
    }
    Ok(domains)
}
