//! A real Ethereum chain for tests: one `anvil` process on a loopback port of its own.
//!
//! The process ends when the value goes. It can be stopped and started again on the same port and
//! chain, frozen, and made to reorganise.

mod accounts;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

pub use accounts::{ACCOUNTS, Account};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{HttpError, Request, ask};
use crate::process::{Launch, NodeProcess, ProcessError};
use crate::tools::{self, MissingTool};

/// Longest wait for a transaction that was sent to be in a block.
const MINED_WAIT: Duration = Duration::from_secs(30);
/// How often that wait looks.
const MINED_POLL: Duration = Duration::from_millis(10);
/// Longest wait for the port of a stopped chain to be free again.
const PORT_WAIT: Duration = Duration::from_secs(10);
/// States of old blocks that survive a restart, so the deepest reorganisation after one. All of
/// them would make the state file grow with the square of the chain.
const STATES_KEPT: &str = "64";

/// When blocks are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mining {
    /// One for each transaction, at once.
    #[default]
    Instant,
    /// One every so many seconds.
    EverySeconds(u64),
    /// Only by [`Anvil::mine`].
    OnDemand,
}

/// How a chain is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// When blocks are made.
    pub mining: Mining,
    /// Name of the rules, e.g. `cancun`; the newest when not given.
    pub hardfork: Option<&'static str>,
    /// 31337 when not given.
    pub chain_id: Option<u64>,
    /// Base fee of the first block in wei; one gwei when not given.
    pub base_fee_wei: Option<u64>,
    /// Gas that fits in a block; 30 million when not given.
    pub block_gas: Option<u64>,
}

/// Why a chain did not start or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnvilError {
    /// There is no `anvil`.
    #[error(transparent)]
    Missing(#[from] MissingTool),
    /// The process could not be started or ended.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// No answer came.
    #[error("the chain did not answer {method}")]
    Http {
        /// What was asked.
        method: String,
        /// Why not.
        #[source]
        source: HttpError,
    },
    /// The chain refused: a JSON-RPC error, e.g. a call that reverts.
    #[error("the chain refused {method}: {message} ({code}, {data})")]
    Refused {
        /// What was asked.
        method: String,
        /// The code of the error.
        code: i64,
        /// Its message.
        message: String,
        /// Its data: the bytes of a revert in hexadecimal, else `null`.
        data: Value,
    },
    /// The answer does not hold what belongs in it.
    #[error("the chain answered {method} with {answer}")]
    Odd {
        /// What was asked.
        method: String,
        /// What came.
        answer: String,
    },
    /// A transaction that was sent is in no block yet.
    #[error("transaction {0} was not mined within {MINED_WAIT:?}")]
    NotMined(String),
    /// It was asked while it was stopped.
    #[error("the chain is not running")]
    Stopped,
}

/// A test chain.
#[derive(Debug)]
pub struct Anvil {
    options: Options,
    folder: TempDir,
    address: SocketAddr,
    process: Option<NodeProcess>,
}

impl Anvil {
    /// An empty chain that mines each transaction at once.
    ///
    /// # Errors
    /// As [`Self::start_with`].
    pub fn start() -> Result<Self, AnvilError> {
        Self::start_with(Options::default())
    }

    /// An empty chain on a free loopback port.
    ///
    /// # Errors
    /// [`AnvilError::Missing`] without `anvil`, [`AnvilError::Process`] when it does not start.
    pub fn start_with(options: Options) -> Result<Self, AnvilError> {
        let folder = tempfile::tempdir().map_err(ProcessError::from)?;
        let launch = launch(&options, &folder, 0)?;
        let process = NodeProcess::start(&launch)?;
        Ok(Self {
            options,
            folder,
            address: process.address(),
            process: Some(process),
        })
    }

    /// The address for JSON-RPC over HTTP. A restart keeps it.
    #[must_use]
    pub fn rpc_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the chain listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the process in order: the chain is kept for [`Self::restart`], transactions that are in
    /// no block are gone.
    ///
    /// # Errors
    /// [`AnvilError::Stopped`] when it is not running, [`AnvilError::Process`] when it does not end.
    pub fn stop(&mut self) -> Result<(), AnvilError> {
        let process = self.process.take().ok_or(AnvilError::Stopped)?;
        process.stop()?;
        Ok(())
    }

    /// Ends the process with SIGKILL. Blocks since the last [`Self::stop`] are gone, as if the
    /// chain's operator had gone back to a backup.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill_hard();
        }
    }

    /// Starts the chain again after [`Self::stop`] or [`Self::kill`], on the same port. It then mines
    /// as its options say.
    ///
    /// # Errors
    /// [`AnvilError::Process`] when it does not start within ten seconds, e.g. because another
    /// process took the port.
    pub fn restart(&mut self) -> Result<(), AnvilError> {
        self.process = None;
        let launch = launch(&self.options, &self.folder, self.address.port())?;
        let deadline = Instant::now() + PORT_WAIT;
        loop {
            match NodeProcess::start(&launch) {
                Ok(process) => {
                    self.process = Some(process);
                    return Ok(());
                }
                Err(error) if Instant::now() >= deadline => return Err(error.into()),
                Err(_) => thread::sleep(MINED_POLL),
            }
        }
    }

    /// Stops the process without ending it: connections are accepted and nothing answers.
    ///
    /// # Errors
    /// As [`Self::stop`].
    pub fn freeze(&self) -> Result<(), AnvilError> {
        Ok(self.running()?.freeze()?)
    }

    /// Lets the process go on after [`Self::freeze`].
    ///
    /// # Errors
    /// As [`Self::stop`].
    pub fn thaw(&self) -> Result<(), AnvilError> {
        Ok(self.running()?.signal(Signal::CONT)?)
    }

    /// One JSON-RPC call; gives the `result`.
    ///
    /// # Errors
    /// [`AnvilError::Http`], [`AnvilError::Refused`] or [`AnvilError::Odd`].
    pub fn rpc(&self, method: &str, params: Value) -> Result<Value, AnvilError> {
        let call = Value::from_iter([
            ("jsonrpc", Value::from("2.0")),
            ("id", Value::from(1)),
            ("method", Value::from(method)),
            ("params", params),
        ]);
        let request = Request::to(self.address, "POST", "/");
        let request = request.header("Content-Type", "application/json");
        let request = request.body(call.to_string());
        let reply = ask(self.address, &request).map_err(|source| AnvilError::Http {
            method: method.to_owned(),
            source,
        })?;
        let answer: Value =
            serde_json::from_slice(&reply.body).map_err(|_| odd(method, &reply.text()))?;
        if let Some(error) = answer.get("error") {
            let text = error.get("message").and_then(Value::as_str);
            return Err(AnvilError::Refused {
                method: method.to_owned(),
                code: error
                    .get("code")
                    .and_then(Value::as_i64)
                    .unwrap_or_default(),
                message: text.unwrap_or_default().to_owned(),
                data: error.get("data").cloned().unwrap_or_default(),
            });
        }
        let result = answer.get("result").cloned();
        result.ok_or_else(|| odd(method, &reply.text()))
    }

    /// The number of the newest block.
    ///
    /// # Errors
    /// As [`Self::rpc`].
    pub fn block_number(&self) -> Result<u64, AnvilError> {
        let number = self.text("eth_blockNumber", json!([]))?;
        let digits = number.strip_prefix("0x").unwrap_or(&number);
        u64::from_str_radix(digits, 16).map_err(|_| odd("eth_blockNumber", &number))
    }

    /// Makes `blocks` blocks now; the first takes what waits in the pool.
    ///
    /// # Errors
    /// As [`Self::rpc`].
    pub fn mine(&self, blocks: u64) -> Result<(), AnvilError> {
        self.rpc("anvil_mine", json!([blocks])).map(drop)
    }

    /// Changes when blocks are made, until the next restart.
    ///
    /// # Errors
    /// As [`Self::rpc`].
    pub fn set_mining(&self, mining: Mining) -> Result<(), AnvilError> {
        let seconds = match mining {
            Mining::EverySeconds(seconds) => seconds,
            Mining::Instant | Mining::OnDemand => 0,
        };
        self.rpc("evm_setAutomine", json!([mining == Mining::Instant]))?;
        // Naming an interval, even none, would end instant mining again.
        if mining != Mining::Instant {
            self.rpc("evm_setIntervalMining", json!([seconds]))?;
        }
        Ok(())
    }

    /// Replaces the newest `depth` blocks by as many empty ones. Their transactions are gone.
    ///
    /// # Errors
    /// As [`Self::rpc`]; there must be more than `depth` blocks.
    pub fn reorg(&self, depth: u64) -> Result<(), AnvilError> {
        self.rpc("anvil_reorg", json!([depth, []])).map(drop)
    }

    /// Forgets every transaction that waits for a block.
    ///
    /// # Errors
    /// As [`Self::rpc`].
    pub fn drop_transactions(&self) -> Result<(), AnvilError> {
        self.rpc("anvil_dropAllTransactions", json!([])).map(drop)
    }

    /// Forgets one transaction that waits for a block.
    ///
    /// # Errors
    /// As [`Self::rpc`].
    pub fn drop_transaction(&self, hash: &str) -> Result<(), AnvilError> {
        self.rpc("anvil_dropTransaction", json!([hash])).map(drop)
    }

    /// Creates a contract from its creation code and its encoded arguments, both in hexadecimal,
    /// and gives its address (`0x` and 40 lower-case digits). The first account pays.
    ///
    /// # Errors
    /// As [`Self::transact`]; [`AnvilError::Odd`] with the receipt when the creation failed.
    pub fn deploy(&self, bytecode: &str, arguments: &str) -> Result<String, AnvilError> {
        let digits = |text: &str| text.strip_prefix("0x").unwrap_or(text).to_owned();
        let data = format!("0x{}{}", digits(bytecode), digits(arguments));
        let from = ACCOUNTS.map(|it| it.address)[0];
        let receipt = self.transact(json!({"from": from, "data": data}))?;
        let made = receipt.get("status").and_then(Value::as_str) == Some("0x1");
        let address = receipt.get("contractAddress").and_then(Value::as_str);
        match address.filter(|_| made) {
            Some(address) => Ok(address.to_ascii_lowercase()),
            None => Err(odd("eth_sendTransaction", &receipt.to_string())),
        }
    }

    /// Sends a transaction in the name of one of [`ACCOUNTS`], which the chain signs, waits until it
    /// is in a block and gives its receipt, whatever its status (`0x0` when it reverted).
    ///
    /// # Errors
    /// As [`Self::rpc`]; [`AnvilError::NotMined`] when no block takes it within 30 seconds.
    pub fn transact(&self, transaction: Value) -> Result<Value, AnvilError> {
        let hash = self.text("eth_sendTransaction", Value::Array(vec![transaction]))?;
        let deadline = Instant::now() + MINED_WAIT;
        while Instant::now() < deadline {
            let receipt = self.rpc("eth_getTransactionReceipt", json!([hash]))?;
            if !receipt.is_null() {
                return Ok(receipt);
            }
            thread::sleep(MINED_POLL);
        }
        Err(AnvilError::NotMined(hash))
    }

    /// Calls the contract `to` with `data`, in hexadecimal, on the newest block and gives what it
    /// returns.
    ///
    /// # Errors
    /// As [`Self::rpc`]; a revert is [`AnvilError::Refused`] with its bytes as data.
    pub fn call(&self, to: &str, data: &str) -> Result<String, AnvilError> {
        self.text("eth_call", json!([{"to": to, "data": data}, "latest"]))
    }

    fn text(&self, method: &str, params: Value) -> Result<String, AnvilError> {
        let result = self.rpc(method, params)?;
        let text = result.as_str().map(str::to_owned);
        text.ok_or_else(|| odd(method, &result.to_string()))
    }

    fn running(&self) -> Result<&NodeProcess, AnvilError> {
        self.process.as_ref().ok_or(AnvilError::Stopped)
    }
}

fn odd(method: &str, answer: &str) -> AnvilError {
    AnvilError::Odd {
        method: method.to_owned(),
        answer: answer.to_owned(),
    }
}

fn launch(options: &Options, folder: &TempDir, port: u16) -> Result<Launch, AnvilError> {
    let mut launch = Launch::program(tools::anvil()?);
    let mut set = |name: &str, value: &str| launch = launch.clone().arg(name).arg(value);
    set("--host", "127.0.0.1");
    set("--port", &port.to_string());
    let state = folder.path().join("state.json");
    set("--state", &state.to_string_lossy());
    set("--prune-history", STATES_KEPT);
    if let Some(name) = options.hardfork {
        set("--hardfork", name);
    }
    if let Some(id) = options.chain_id {
        set("--chain-id", &id.to_string());
    }
    if let Some(fee) = options.base_fee_wei {
        set("--block-base-fee-per-gas", &fee.to_string());
    }
    if let Some(gas) = options.block_gas {
        set("--gas-limit", &gas.to_string());
    }
    if let Mining::EverySeconds(seconds) = options.mining {
        set("--block-time", &seconds.to_string());
    }
    let launch = launch.arg("--preserve-historical-states");
    Ok(match options.mining {
        Mining::OnDemand => launch.arg("--no-mining"),
        Mining::Instant | Mining::EverySeconds(_) => launch,
    })
}

#[cfg(test)]
mod tests;
