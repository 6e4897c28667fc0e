//! The chain under the nodes: its contracts, its blocks, and what goes wrong with it.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, Bytes, LogData, U256, hex};
use alloy_sol_types::{SolCall, SolEvent, SolValue, sol};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::anvil::{ACCOUNTS, Account, Anvil, Mining, Options};
use translog::{OnChain, ProofFile};

sol! {
    event BatchAnchored(bytes32 indexed originHash, uint64 indexed sequence, uint64 size, uint64 time, bytes32 root, bytes32 previousRoot);

    function register(bytes32 id, address submitter) external;
    function getAllVersions(string anchorId) external view returns (string[]);
    function totalNumberOfAnchors() external returns (uint256);
}

/// Blocks after which a transaction counts, in the nodes' configuration.
pub(crate) const CONFIRMATIONS: u64 = 2;
/// Time from block to block while a [`Miner`] works.
const BLOCK_TIME: Duration = Duration::from_millis(250);
/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(20);
/// Longest wait for a transaction of a node in the pool.
const POOL_WAIT: Duration = Duration::from_secs(30);
/// Looks at the pool from block to block.
pub(crate) const LOOKS_A_BLOCK: u32 = 20;
/// What a transaction offers that is to win over any of a node: a thousand gwei.
const HIGH_FEE: &str = "0xe8d4a51000";

/// A chain with both contracts. No block is made unless a [`Miner`] works or a test asks for one.
pub(crate) struct Chain {
    anvil: Mutex<Anvil>,
    pub(crate) rpc: String,
    /// The contract that anchors go to directly.
    pub(crate) anchoring: String,
    /// The contract that roots go to.
    pub(crate) registry: String,
}

/// The chain while nobody else makes blocks or does anything to it.
pub(crate) struct Held<'a>(MutexGuard<'a, Anvil>);

impl Chain {
    /// A new chain; `submitter` may publish the roots of the log `origin`.
    pub(crate) fn start(origin: &str, submitter: Account) -> Result<Self> {
        let anvil = Anvil::start_with(Options {
            hardfork: Some("cancun"),
            ..Options::default()
        })?;
        let anchoring = anvil.deploy(&creation_code("Anchoring")?, "")?;
        let [owner, ..] = ACCOUNTS;
        let arguments = owner.address.parse::<Address>()?.abi_encode();
        let code = creation_code("AnchorRegistry")?;
        let registry = anvil.deploy(&code, &hex::encode(arguments))?;
        let call = registerCall {
            id: origin_id(origin),
            submitter: submitter.address.parse()?,
        };
        let data = hex::encode_prefixed(call.abi_encode());
        let transaction = json!({"from": owner.address, "to": registry, "data": data});
        let receipt = anvil.transact(transaction)?;
        ensure!(receipt["status"] == "0x1", "not registered: {receipt}");
        anvil.set_mining(Mining::OnDemand)?;
        Ok(Self {
            rpc: anvil.rpc_url(),
            anvil: Mutex::new(anvil),
            anchoring,
            registry,
        })
    }

    /// Holds blocks back.
    pub(crate) fn hold(&self) -> Held<'_> {
        Held(self.anvil.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All values of an anchor in the newest block of the contract, oldest first, in plain.
    pub(crate) fn versions(&self, plain_id: &str) -> Result<Vec<String>> {
        let call = getAllVersionsCall {
            anchorId: plain_id.to_owned(),
        };
        self.call(&call)
    }

    /// Number of anchors that the contract holds.
    pub(crate) fn anchors(&self) -> Result<u64> {
        let total: U256 = self.call(&totalNumberOfAnchorsCall {})?;
        Ok(total.try_into()?)
    }

    fn call<C: SolCall>(&self, call: &C) -> Result<C::Return> {
        let data = hex::encode_prefixed(call.abi_encode());
        let answer = self.hold().0.call(&self.anchoring, &data)?;
        Ok(C::abi_decode_returns(&hex::decode(answer)?)?)
    }

    /// Demands that the transaction that a proof names published the root of the proof.
    pub(crate) fn confirm(&self, origin: &str, proof: &ProofFile, named: &OnChain) -> Result<()> {
        let params = json!([named.transaction]);
        let receipt = self.hold().0.rpc("eth_getTransactionReceipt", params)?;
        ensure!(
            receipt["blockNumber"] == format!("{:#x}", named.block),
            "{named:?} is {receipt}"
        );
        let logs = receipt["logs"].as_array().context("no logs")?;
        let [log] = logs.as_slice() else {
            bail!("not one event: {receipt}")
        };
        ensure!(log["address"] == self.registry.as_str(), "{log}");
        ensure!(named.contract == self.registry, "{named:?}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let topics = log["topics"].as_array().context("no topics")?;
        let topics: Result<Vec<B256>, _> = topics.iter().map(|it| text(it).parse()).collect();
        let data: Bytes = text(&log["data"]).parse()?;
        let event = BatchAnchored::decode_log_data(&LogData::new_unchecked(topics?, data))?;
        let checkpoint = proof.note.checkpoint()?;
        ensure!(
            event.originHash == origin_id(origin)
                && event.sequence == named.sequence
                && event.size == checkpoint.size
                && event.root.0 == checkpoint.root,
            "the chain has another root than the proof: {named:?}, {checkpoint}"
        );
        Ok(())
    }
}

impl Held<'_> {
    /// Makes blocks.
    pub(crate) fn mine(&self, blocks: u64) -> Result<()> {
        Ok(self.0.mine(blocks)?)
    }

    /// Ends the chain in order; it is kept, but for what waits in the pool.
    pub(crate) fn stop(&mut self) -> Result<()> {
        Ok(self.0.stop()?)
    }

    /// Starts it again.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.0.restart()?;
        // It begins as it was started first.
        Ok(self.0.set_mining(Mining::OnDemand)?)
    }

    /// Nothing answers for a time, and connections are taken all the same.
    pub(crate) fn freeze_for(&self, time: Duration) -> Result<()> {
        self.0.freeze()?;
        thread::sleep(time);
        Ok(self.0.thaw()?)
    }

    /// Replaces the newest block by an empty one.
    pub(crate) fn reorganise(&self) -> Result<()> {
        Ok(self.0.reorg(1)?)
    }

    /// Forgets what waits in the pool.
    pub(crate) fn drop_transactions(&self) -> Result<()> {
        Ok(self.0.drop_transactions()?)
    }

    /// Waits for a transaction of an account in the pool. Blocks are made meanwhile, for a node that
    /// waits for one before it sends the next, but none that holds that transaction.
    pub(crate) fn wait_for_pending(&self, account: Account) -> Result<()> {
        let mut looks = 0;
        wait_until("a transaction is in the pool", POOL_WAIT, || {
            looks += 1;
            if self.is_pending(account)? {
                return Ok(true);
            }
            if looks % LOOKS_A_BLOCK == 0 {
                self.mine(1)?;
            }
            Ok(false)
        })
    }

    /// Whether a transaction of an account is in the pool.
    pub(crate) fn is_pending(&self, account: Account) -> Result<bool> {
        Ok(self.count(account, "pending")? > self.count(account, "latest")?)
    }

    /// Uses the account's next nonce for something else, in place of whatever waits with it, and
    /// makes the block that holds it.
    pub(crate) fn take_nonce(&self, account: Account) -> Result<()> {
        let nonce = self.count(account, "latest")?;
        let [.., stranger] = ACCOUNTS;
        let transaction = json!({
            "from": account.address, "to": stranger.address, "value": "0x1",
            "nonce": format!("{nonce:#x}"),
            "maxFeePerGas": HIGH_FEE, "maxPriorityFeePerGas": HIGH_FEE,
        });
        let hash = self.0.rpc("eth_sendTransaction", json!([transaction]))?;
        self.0.mine(1)?;
        let receipt = self.0.rpc("eth_getTransactionReceipt", json!([hash]))?;
        ensure!(receipt["status"] == "0x1", "nothing was taken: {receipt}");
        Ok(())
    }

    fn count(&self, account: Account, state: &str) -> Result<u64> {
        let params = json!([account.address, state]);
        let count = self.0.rpc("eth_getTransactionCount", params)?;
        let digits = count.as_str().and_then(|it| it.strip_prefix("0x"));
        Ok(u64::from_str_radix(digits.context("no count")?, 16)?)
    }
}

/// Makes a block every [`BLOCK_TIME`], while nobody holds the chain.
pub(crate) struct Miner {
    end: mpsc::Sender<()>,
    thread: JoinHandle<Result<()>>,
}

impl Miner {
    pub(crate) fn start(chain: &Arc<Chain>) -> Self {
        let (end, ended) = mpsc::channel();
        let chain = Arc::clone(chain);
        let thread = thread::spawn(move || {
            while ended.recv_timeout(BLOCK_TIME) == Err(mpsc::RecvTimeoutError::Timeout) {
                chain.hold().mine(1)?;
            }
            Ok(())
        });
        Self { end, thread }
    }

    /// Ends it and says what went wrong.
    pub(crate) fn end(self) -> Result<()> {
        drop(self.end);
        let ended = self.thread.join();
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// What a registry calls a log.
fn origin_id(origin: &str) -> B256 {
    B256::from_slice(&Sha256::digest(origin))
}

fn creation_code(contract: &str) -> Result<String> {
    let artefacts =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../anchor-service/contracts/artifacts");
    let artefact = fs::read(artefacts.join(format!("{contract}.json")))?;
    let artefact: Value = serde_json::from_slice(&artefact)?;
    let code = artefact["bytecode"].as_str().context("no bytecode")?;
    Ok(code.to_owned())
}

/// Looks until something holds; an error after `longest`.
pub(crate) fn wait_until(
    what: &str,
    longest: Duration,
    mut holds: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + longest;
    while !holds().with_context(|| what.to_owned())? {
        ensure!(Instant::now() < deadline, "not within {longest:?}: {what}");
        thread::sleep(LOOK);
    }
    Ok(())
}
