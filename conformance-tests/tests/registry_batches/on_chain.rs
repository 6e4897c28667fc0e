//! The chain with the registry, as its owner and as a reader see it.

use std::collections::BTreeMap;
use std::time::Duration;

use evm::{Address, B256, Batch, Chain, ChainConfig, ChainKey, Registry, RpcUrl, Sender, Timing};
use ledger::{ChainAccount, Senders, origin_id};
use testkit::anvil::{ACCOUNTS, Anvil};
use translog::{Checkpoint, OnChain};

use crate::BATCHES;
use crate::node::ORIGIN;

/// Accounts of the chain, by what they do here.
const OWNER: usize = 0;
const SUBMITTER: usize = 1;
const CHAIN_ID: u64 = 31_337;

/// A chain with a registry that takes the roots of our log.
pub(crate) struct Registered {
    anvil: Anvil,
    registry: Registry,
}

impl Registered {
    pub(crate) async fn new() -> Self {
        let anvil = Anvil::start().unwrap();
        let chain = Chain::connect(config(&anvil)).await.unwrap();
        let owner = Sender::start(&chain, key(OWNER));
        let registry = Registry::deploy(&owner, owner.account()).await.unwrap();
        let submitter = key(SUBMITTER).address();
        let id = origin_id(ORIGIN);
        registry.register(&owner, id, submitter).await.unwrap();
        Self { anvil, registry }
    }

    pub(crate) fn address(&self) -> Address {
        self.registry.address()
    }

    /// The account that publishes.
    pub(crate) fn submitter(&self) -> ChainAccount {
        let account = Senders::default().account(config(&self.anvil), key(SUBMITTER));
        account.unwrap()
    }

    /// The gas of each batch, in order.
    pub(crate) async fn gas(&self) -> Vec<u64> {
        let mut gas = Vec::new();
        for batch in self.batches().await {
            let receipt = self.registry.chain().rpc().receipt(batch.transaction);
            gas.push(receipt.await.unwrap().unwrap().gas_used);
        }
        gas
    }

    /// What the chain says of our log, read anew.
    pub(crate) async fn view(&self) -> ChainView {
        let mut batches = BTreeMap::new();
        for batch in self.batches().await {
            // By the event of the transaction, as a reader of a proof asks for it.
            let read = self.registry.batch_at(batch.transaction).await.unwrap();
            batches.insert(read.transaction, read);
        }
        assert_eq!(batches.len(), BATCHES);
        ChainView {
            contract: self.address(),
            batches,
        }
    }

    async fn batches(&self) -> Vec<Batch> {
        let id = origin_id(ORIGIN);
        let head = self.registry.head(id).await.unwrap();
        let mut batches = Vec::new();
        for sequence in 1..=head.sequence {
            let found = self.registry.find_batch(id, sequence, 1_000).await.unwrap();
            batches.push(found.unwrap());
        }
        batches
    }
}

/// The batches of our log, by the transaction that published each.
pub(crate) struct ChainView {
    contract: Address,
    batches: BTreeMap<B256, Batch>,
}

impl ChainView {
    /// Whether the chain holds this very root where the proof says.
    pub(crate) fn check(&self, claim: &OnChain, proven: &Checkpoint) -> Result<(), String> {
        let transaction: B256 = claim.transaction.parse().map_err(|_| "no transaction")?;
        let contract: Address = claim.contract.parse().map_err(|_| "no contract")?;
        let batch = self.batches.get(&transaction).ok_or("not on the chain")?;
        let on_chain = (batch.origin_id, batch.size, batch.root);
        let root = B256::from(proven.root);
        let expected = (origin_id(proven.origin.as_str()), proven.size, root);
        let place = (CHAIN_ID, self.contract, batch.sequence, batch.block);
        let claimed = (claim.chain_id, contract, claim.sequence, claim.block);
        if on_chain == expected && place == claimed {
            Ok(())
        } else {
            Err("the chain says otherwise".to_owned())
        }
    }
}

fn config(anvil: &Anvil) -> ChainConfig {
    let mut config = ChainConfig::new(RpcUrl::parse(&anvil.rpc_url()).unwrap(), CHAIN_ID);
    config.timing = Timing {
        poll: Duration::from_millis(20),
        poll_max: Duration::from_millis(200),
        ..Timing::default()
    };
    config
}

fn key(account: usize) -> ChainKey {
    ChainKey::parse(ACCOUNTS[account].key).unwrap()
}
