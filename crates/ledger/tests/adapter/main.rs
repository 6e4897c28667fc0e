//! The client of an adapter against a peer that answers as a recorded EthAdapter did, and worse.
//!
//! Where a peer keeps failing, the client's patience is short; where it answers in the end, it is
//! long, so that a slow machine decides nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod carried;
mod hostile;
mod recorded;
mod rules;

use std::time::Duration;

use keyssi::{AnchorId, AnchorValue, BrickHash, Domain};
use ledger::adapter::{AdapterKind, AdapterLedger, AdapterOptions};
use ledger::{Entry, Intent, LedgerError};
use testkit::eth_adapter::{Answer, EthAdapter, recorded};
use testkit::owner::{FIRST_MS, Owner};

/// What a client does that is never answered: long enough for some attempts.
const IMPATIENT: Duration = Duration::from_millis(150);
/// What no healthy machine needs.
const PATIENT: Duration = Duration::from_mins(1);

/// A client that gives up soon.
fn impatient(peer: &EthAdapter) -> AdapterLedger {
    client(peer, AdapterKind::Eth, IMPATIENT, IMPATIENT / 3)
}

/// A client that goes on until there is an answer, but does not wait for one that does not come.
fn patient(peer: &EthAdapter) -> AdapterLedger {
    client(peer, AdapterKind::Eth, PATIENT, PATIENT)
}

fn client(peer: &EthAdapter, kind: AdapterKind, all: Duration, one: Duration) -> AdapterLedger {
    let options = AdapterOptions {
        unit_of_time: Duration::from_millis(40),
        request_time_max: one,
        write_time_max: all,
        read_time_max: all,
        retry_wait: Duration::from_millis(4),
        retry_wait_max: Duration::from_millis(20),
        ..AdapterOptions::default()
    };
    AdapterLedger::new(&peer.url(), kind, options).unwrap()
}

/// A signed anchor and its first values, in order.
struct Signed {
    id: AnchorId,
    values: Vec<AnchorValue>,
}

impl Signed {
    /// The anchor of a key, with values whose times are `step_ms` apart; `fork` makes other values
    /// of the same anchor.
    fn new(key: u8, fork: &str, step_ms: u64) -> Self {
        let domain: Domain = "default".parse().unwrap();
        let mut owner = Owner::new(&domain, &[key; 32]).unwrap();
        let values = (0..3).map(|version| {
            let hash = BrickHash::of(format!("{fork}{version}").as_bytes()).to_string();
            let value = owner.sign(&hash, FIRST_MS + version * step_ms).unwrap();
            owner.follow(Some(&value)).unwrap();
            AnchorValue::parse_wrapped(&value).unwrap()
        });
        let values = values.collect();
        Self {
            id: AnchorId::parse_wrapped(owner.id()).unwrap(),
            values,
        }
    }

    fn entry(&self, version: usize, intent: Intent) -> Entry {
        Entry {
            id: self.id.clone(),
            value: self.values[version].clone(),
            intent,
        }
    }

    /// The answer of `getAllVersions` with the first `count` values.
    fn history(&self, count: usize) -> Answer {
        let texts: Vec<&str> = self.values[..count]
            .iter()
            .map(AnchorValue::as_str)
            .collect();
        text(200, &serde_json::to_string(&texts).unwrap())
    }
}

fn text(status: u16, body: &str) -> Answer {
    Answer::Whole {
        status,
        headers: Vec::new(),
        body: body.to_owned(),
    }
}

/// The recorded answer of a name.
fn named(name: &str) -> Answer {
    recorded(name).unwrap()
}

/// What came of a write, without what lies behind it.
fn outcome(written: Result<(), LedgerError>) -> String {
    match written {
        Ok(()) => "stored".to_owned(),
        Err(LedgerError::Unavailable(Some(_)) | LedgerError::Broken(_)) => "unavailable".to_owned(),
        Err(LedgerError::Unavailable(None)) => panic!("it does not say why"),
        Err(LedgerError::Unsupported { .. }) => "unsupported".to_owned(),
        Err(other) => {
            let causes = std::iter::successors(Some(&other as &dyn std::error::Error), |error| {
                error.source()
            });
            let texts: Vec<String> = causes.map(ToString::to_string).collect();
            texts.join(": ")
        }
    }
}
