//! A real chain with a contract on it, and senders that do not wait long.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::time::{Duration, Instant};

use evm::{Address, Chain, ChainConfig, ChainKey, RpcUrl, Sender, Timing};
use keyssi::{AnchorId, AnchorValue, BrickHash, Domain};
use ledger::{ChainAccount, Entry, Intent, Senders};
use testkit::anvil::{ACCOUNTS, Anvil, Mining, Options};
use testkit::owner::{FIRST_MS, Owner};

/// Longest wait of a test for something that takes milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn chain_config(anvil: &Anvil, confirmations: u64) -> ChainConfig {
    let mut config = ChainConfig::new(RpcUrl::parse(&anvil.rpc_url()).unwrap(), 31337);
    config.confirmations = confirmations;
    config.timing = Timing {
        poll: Duration::from_millis(20),
        poll_max: Duration::from_millis(200),
        resend_after: Duration::from_millis(300),
        replace_after: Duration::from_millis(900),
        foreign_wait: Duration::from_millis(500),
        patience: PATIENCE,
    };
    config
}

/// The key of one of the accounts that have funds. The first is the one that makes contracts.
pub(crate) fn key(account: usize) -> ChainKey {
    ChainKey::parse(ACCOUNTS[account].key).unwrap()
}

/// An account as another process has it: nothing is shared with other calls.
pub(crate) fn account(anvil: &Anvil, number: usize, confirmations: u64) -> ChainAccount {
    let config = chain_config(anvil, confirmations);
    Senders::default().account(config, key(number)).unwrap()
}

pub(crate) fn anvil(mining: Mining) -> Anvil {
    let options = Options {
        mining,
        ..Options::default()
    };
    Anvil::start_with(options).unwrap()
}

pub(crate) async fn sender(anvil: &Anvil, number: usize) -> Sender {
    let chain = Chain::connect(chain_config(anvil, 1)).await.unwrap();
    Sender::start(&chain, key(number))
}

/// Transactions of an account that are in a block, or with `pending` in the pool too.
pub(crate) fn transactions(anvil: &Anvil, account: usize, tag: &str) -> u64 {
    let params = serde_json::json!([ACCOUNTS[account].address, tag]);
    let count = anvil.rpc("eth_getTransactionCount", params).unwrap();
    let digits = count.as_str().unwrap().trim_start_matches("0x");
    u64::from_str_radix(digits, 16).unwrap()
}

/// Looks until it holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A signed anchor and its first values, in order.
pub(crate) struct Signed {
    pub(crate) id: AnchorId,
    pub(crate) values: Vec<AnchorValue>,
}

impl Signed {
    /// The anchor of a key in a domain, with `count` values; `fork` makes other values of the same
    /// anchor.
    pub(crate) fn of(domain: &str, number: u16, fork: &str, count: usize) -> Self {
        let domain: Domain = domain.parse().unwrap();
        let mut key = [7; 32];
        key[..2].copy_from_slice(&number.to_be_bytes());
        let mut owner = Owner::new(&domain, &key).unwrap();
        let mut values = Vec::new();
        for version in 0..count {
            let hash = BrickHash::of(format!("{fork}{version}").as_bytes()).to_string();
            let value = owner.sign(&hash, FIRST_MS + version as u64).unwrap();
            owner.follow(Some(&value)).unwrap();
            values.push(AnchorValue::parse_wrapped(&value).unwrap());
        }
        Self {
            id: AnchorId::parse_wrapped(owner.id()).unwrap(),
            values,
        }
    }

    pub(crate) fn new(number: u16) -> Self {
        Self::of("default", number, "", 3)
    }

    pub(crate) fn entry(&self, version: usize, intent: Intent) -> Entry {
        Entry {
            id: self.id.clone(),
            value: self.values[version].clone(),
            intent,
        }
    }

    pub(crate) fn texts(&self, count: usize) -> Vec<String> {
        let texts = self.values[..count].iter().map(AnchorValue::as_str);
        texts.map(str::to_owned).collect()
    }
}

pub(crate) fn deploy_anchoring(anvil: &Anvil) -> Address {
    let artefact = include_str!("../../../../anchor-service/contracts/artifacts/Anchoring.json");
    let artefact: serde_json::Value = serde_json::from_str(artefact).unwrap();
    let code = artefact["bytecode"].as_str().unwrap();
    anvil.deploy(code, "").unwrap().parse().unwrap()
}
