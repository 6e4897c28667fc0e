//! A chain with a contract that logs what it is given, and senders that do not wait long.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod proxy;

use std::time::{Duration, Instant};

use evm::{Address, Bytes, Call, Chain, ChainConfig, ChainKey, LogFilter, RpcUrl, Sender, Timing};
use serde_json::json;
use testkit::anvil::{ACCOUNTS, Anvil, Options};

/// Longest wait of a test for something that takes milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Logs the data that it is called with; reverts without data.
///
/// ```text
/// CALLDATASIZE PUSH1(9) JUMPI PUSH1(0) DUP1 REVERT INVALID
/// JUMPDEST CALLDATASIZE PUSH1(0) PUSH1(0) CALLDATACOPY CALLDATASIZE PUSH1(0) LOG0 STOP
/// ```
pub(crate) const LOG_BOOK: &str =
    "0x601580600b6000396000f336600957600080fdfe5b366000600037366000a000";

/// A chain and the address of its log book.
pub(crate) struct Ground {
    pub(crate) anvil: Anvil,
    pub(crate) book: Address,
}

impl Ground {
    pub(crate) fn new(options: &Options) -> Self {
        let instant = Options {
            mining: testkit::anvil::Mining::Instant,
            ..options.clone()
        };
        let mining = options.mining;
        let anvil = Anvil::start_with(instant).unwrap();
        // With a price, so that it is good for chains without EIP-1559 too.
        let create =
            json!({"from": ACCOUNTS[0].address, "data": LOG_BOOK, "gasPrice": "0x77359400"});
        let receipt = anvil.transact(create).unwrap();
        let book = receipt["contractAddress"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        anvil.set_mining(mining).unwrap();
        Self { anvil, book }
    }

    pub(crate) fn config(&self) -> ChainConfig {
        config(&self.anvil.rpc_url())
    }

    pub(crate) async fn chain(&self) -> Chain {
        Chain::connect(self.config()).await.unwrap()
    }

    /// What is logged with `text`.
    pub(crate) fn note(&self, text: &str) -> Call {
        Call {
            to: Some(self.book),
            data: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    /// All that is in the book, oldest first.
    pub(crate) async fn notes(&self) -> Vec<String> {
        let chain = self.chain().await;
        let filter = LogFilter {
            address: self.book,
            topics: Vec::new(),
            from: 0,
            to: chain.rpc().block_number().await.unwrap(),
        };
        let logs = chain.rpc().logs(&filter).await.unwrap();
        let text = |log: &evm::Log| String::from_utf8(log.data.to_vec()).unwrap();
        logs.iter().map(text).collect()
    }

    /// The number of transactions of an account on the chain.
    pub(crate) async fn count(&self, account: Address) -> u64 {
        let chain = self.chain().await;
        let rpc = chain.rpc();
        rpc.transaction_count(account, evm::BlockTag::Latest)
            .await
            .unwrap()
    }

    /// Waits until that many transactions of the account are in the pool or on the chain.
    pub(crate) async fn until_pending(&self, account: Address, count: u64) {
        self.until(account, evm::BlockTag::Pending, count).await;
    }

    async fn until(&self, account: Address, tag: evm::BlockTag, count: u64) {
        let chain = self.chain().await;
        let begun = Instant::now();
        loop {
            let found = chain.rpc().transaction_count(account, tag).await;
            if found.unwrap() >= count {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "never {count} at {tag:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

pub(crate) fn config(url: &str) -> ChainConfig {
    let mut config = ChainConfig::new(RpcUrl::parse(url).unwrap(), 31337);
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

pub(crate) fn sender(chain: &Chain) -> Sender {
    Sender::start(chain, key(1))
}
