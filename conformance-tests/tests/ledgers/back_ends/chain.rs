//! A real chain for one back end, and its accounts as different processes have them.

use std::time::Duration;

use evm::{Address, Chain, ChainConfig, ChainKey, RpcUrl, Sender, Timing};
use ledger::{ChainAccount, DirectLedger, DirectOptions, Senders};
use testkit::anvil::{ACCOUNTS, Anvil};

use super::PATIENCE;

/// The chain that `anvil` is.
const CHAIN_ID: u64 = 31337;

/// A chain that mines each transaction at once.
pub(super) struct Ground(Anvil);

impl Ground {
    pub(super) fn new() -> Self {
        Self(Anvil::start().unwrap())
    }

    /// Puts an anchoring contract of generation 4 on the chain.
    pub(super) fn anchoring(&self) -> Address {
        let artefact = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../anchor-service/contracts/artifacts/Anchoring.json"
        );
        let artefact = std::fs::read_to_string(artefact).unwrap();
        let artefact: serde_json::Value = serde_json::from_str(&artefact).unwrap();
        let code = artefact["bytecode"].as_str().unwrap();
        self.0.deploy(code, "").unwrap().parse().unwrap()
    }

    /// One of the accounts, as a process that has just started has it. The first one deploys.
    pub(super) fn account(&self, number: usize) -> ChainAccount {
        Senders::default()
            .account(self.config(), key(number))
            .unwrap()
    }

    /// A sender of one of the accounts.
    pub(super) async fn sender(&self, number: usize) -> Sender {
        let chain = Chain::connect(self.config()).await.unwrap();
        Sender::start(&chain, key(number))
    }

    /// The anchoring contract as a ledger, written to from one of the accounts.
    pub(super) fn direct(&self, contract: Address, number: usize) -> DirectLedger {
        let options = DirectOptions {
            write_time_max: PATIENCE,
            read_time_max: PATIENCE,
            retry_wait: Duration::from_millis(10),
            retry_wait_max: Duration::from_millis(50),
        };
        DirectLedger::new(self.account(number), contract, options)
    }

    fn config(&self) -> ChainConfig {
        let rpc = RpcUrl::parse(&self.0.rpc_url()).unwrap();
        let mut config = ChainConfig::new(rpc, CHAIN_ID);
        config.timing = Timing {
            poll: Duration::from_millis(5),
            poll_max: Duration::from_millis(100),
            resend_after: Duration::from_millis(500),
            replace_after: Duration::from_secs(2),
            foreign_wait: Duration::from_millis(500),
            patience: PATIENCE,
        };
        config
    }
}

/// The key of one of the accounts that have funds.
pub(super) fn key(number: usize) -> ChainKey {
    ChainKey::parse(ACCOUNTS[number].key).unwrap()
}
