//! Sixty-four requests that are released together, and what came of them.

use std::net::SocketAddr;
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::caller::Caller;
use testkit::http::HttpError;
use testkit::process::NodeProcess;

/// One contender's request.
#[derive(Debug, Clone)]
pub(crate) struct Bid {
    /// Where it goes.
    pub(crate) target: String,
    /// Its body; empty for one that stands in the path alone.
    pub(crate) body: Vec<u8>,
}

/// How a race ended, by place of the contender.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Who was told 201.
    pub(crate) winners: Vec<usize>,
    /// Who got no answer.
    pub(crate) unanswered: usize,
}

impl Outcome {
    /// Sorts the answers; one that is neither 201 nor `lost` is an error.
    fn of(answers: Vec<Result<(u16, String), HttpError>>, lost: u16) -> Result<Self> {
        let mut outcome = Self {
            winners: Vec::new(),
            unanswered: 0,
        };
        for (place, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok((201, _)) => outcome.winners.push(place),
                Ok((status, text)) => {
                    ensure!(status == lost, "{status} {text} instead of 201 or {lost}");
                }
                Err(_) => outcome.unanswered += 1,
            }
        }
        Ok(outcome)
    }

    /// The one winner of a race that nobody disturbed.
    pub(crate) fn only_winner(&self) -> Result<usize> {
        ensure!(self.unanswered == 0, "{} got no answer", self.unanswered);
        match self.winners.as_slice() {
            [winner] => Ok(*winner),
            other => anyhow::bail!("{} were told 201", other.len()),
        }
    }

    /// Who won when the node was killed meanwhile: at most one was told so.
    pub(crate) fn told_winner(&self) -> Result<Option<usize>> {
        ensure!(
            self.winners.len() <= 1,
            "{} were told 201",
            self.winners.len()
        );
        Ok(self.winners.first().copied())
    }
}

/// Sends all bids at the same time, each on a connection of its own that is open before; `lost` is
/// the status that losers must get. With `kill`, the node dies that long after the start.
pub(crate) fn race(
    node: &mut Option<NodeProcess>,
    callers: &mut [Caller],
    bids: &[Bid],
    lost: u16,
    kill: Option<Duration>,
) -> Result<Outcome> {
    ensure!(callers.len() == bids.len(), "one caller for each bid");
    for caller in callers.iter_mut() {
        caller.connect()?;
    }
    let start = Barrier::new(bids.len() + 1);
    let answers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for (place, (caller, bid)) in callers.iter_mut().zip(bids).enumerate() {
            let (start, answers) = (&start, &answers);
            scope.spawn(move || {
                let body = (!bid.body.is_empty()).then(|| bid.body.clone());
                start.wait();
                let answer = caller.call("PUT", &bid.target, body);
                let answer = answer.map(|it| (it.status, it.text()));
                let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                answers.push((place, answer));
            });
        }
        start.wait();
        if let Some(delay) = kill {
            thread::sleep(delay);
            // Dropping the process kills and reaps it.
            drop(node.take());
        }
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(place, _)| *place);
    Outcome::of(
        answers.into_iter().map(|(_, answer)| answer).collect(),
        lost,
    )
}

/// One client for each contender.
pub(crate) fn callers(address: SocketAddr, count: usize) -> Vec<Caller> {
    (0..count).map(|_| Caller::new(address)).collect()
}

/// The versions of an anchor, oldest first; none when it is absent.
pub(crate) fn history(caller: &mut Caller, id: &str) -> Result<Vec<String>> {
    let target = format!("/anchor/default/get-all-versions/{id}");
    let reply = caller.call("GET", &target, None)?;
    match reply.status {
        200 => serde_json::from_slice(&reply.body).context("a list of versions"),
        404 => Ok(Vec::new()),
        status => anyhow::bail!("GET {target} answered {status} {}", reply.text()),
    }
}
