//! JSON-RPC over HTTP, with limits on time and size, and answers that are checked before use.
//!
//! An address may hold a secret: credentials, a query, or the key that many providers put in the
//! path. So errors and logs name the scheme, the host and the port only, and what a node says is
//! repeated without those parts.
//!
//! Redirects are not followed, cookies are not kept, proxies of the environment are not used.
//!
//! **Source:** Ethereum JSON-RPC specification (execution-apis); EIP-1474.

mod answer;
mod error;
mod url;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect;
use serde_json::{Value, json};
use tokio::time::Instant;

use answer::Field;
pub use answer::{Block, Log, Receipt};
pub use error::RpcError;
pub use url::{RpcUrl, RpcUrlError};

/// Longer than a request after the other, shorter than what servers keep: a call on a connection
/// that is just being closed fails.
const POOL_IDLE: Duration = Duration::from_secs(20);
/// How long a node that has named its chain is taken to serve it: another one may answer at its
/// address without any call that fails in between.
const CHAIN_FRESH: Duration = Duration::from_secs(2);
/// No block has this number and no account has sent so many transactions: at one in a millisecond
/// it would take 8,900 years. What follows is calculated without overflow.
const COUNT_END: u64 = 1 << 48;

/// Limits of one call.
#[derive(Debug, Clone)]
pub struct RpcLimits {
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How long the whole call may take, from the first byte to the last.
    pub timeout: Duration,
    /// Bytes of the longest answer that is read.
    pub answer_bytes_max: usize,
}

impl Default for RpcLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(20),
            // A dump of a contract is the longest answer that is asked for, in pages.
            answer_bytes_max: 16 << 20,
        }
    }
}

/// The state that a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockTag {
    /// After the newest block.
    Latest,
    /// After what waits in the pool of the node as well.
    Pending,
    /// After the block of this number.
    Number(u64),
}

/// A call of a contract, or its creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The contract; `None` creates one.
    pub to: Option<Address>,
    /// The encoded function and its arguments; or the code that makes a contract.
    pub data: Bytes,
}

/// Which logs are asked for.
#[derive(Debug, Clone)]
pub struct LogFilter {
    /// The contract that wrote them.
    pub address: Address,
    /// What the topics must be; `None` is any.
    pub topics: Vec<Option<B256>>,
    /// First block.
    pub from: u64,
    /// Last block, itself included.
    pub to: u64,
}

/// One node, spoken to over HTTP. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rpc(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    url: RpcUrl,
    limits: RpcLimits,
    next_id: AtomicU64,
    /// The chain that the node must serve; `None` for any.
    chain_id: Option<u64>,
    /// When the node last said that it serves it, unless a call has failed since.
    chain_seen: Mutex<Option<Instant>>,
}

impl Rpc {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`RpcError::Setup`] if this machine can make no HTTP client.
    pub fn new(url: RpcUrl, limits: RpcLimits) -> Result<Self, RpcError> {
        Self::made(url, limits, None)
    }

    /// The same for a node that must serve this chain: it is asked whether it does before its other
    /// answers are believed, again after every call that failed, and every few seconds.
    pub(crate) fn of_chain(
        url: RpcUrl,
        limits: RpcLimits,
        chain_id: u64,
    ) -> Result<Self, RpcError> {
        Self::made(url, limits, Some(chain_id))
    }

    fn made(url: RpcUrl, limits: RpcLimits, chain_id: Option<u64>) -> Result<Self, RpcError> {
        // An error means that the program has chosen a provider itself: that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .referer(false)
                .no_proxy()
                .connect_timeout(limits.connect_timeout)
                .pool_idle_timeout(POOL_IDLE)
        };
        // A machine without any root certificates can still speak to a node without TLS.
        let http = builder()
            .build()
            .or_else(|_| builder().tls_certs_only([]).build())
            .map_err(|error| RpcError::Setup {
                source: Arc::new(error),
            })?;
        Ok(Self(Arc::new(Inner {
            http,
            url,
            limits,
            next_id: AtomicU64::new(1),
            chain_id,
            chain_seen: Mutex::default(),
        })))
    }

    /// Where the node is; prints without its secrets.
    #[must_use]
    pub fn url(&self) -> &RpcUrl {
        &self.0.url
    }

    /// `eth_chainId`.
    ///
    /// # Errors
    /// As every call here: [`RpcError`].
    pub async fn chain_id(&self) -> Result<u64, RpcError> {
        let answer = self.ask_any("eth_chainId", json!([])).await?;
        self.checked(Field::new("chain id", &answer).quantity_u64())
    }

    /// Asks the node now whether it serves the chain that it must, however short ago it said so.
    pub(crate) async fn check_chain(&self) -> Result<(), RpcError> {
        let Some(configured) = self.0.chain_id else {
            return Ok(());
        };
        self.note_chain(None);
        let served = self.chain_id().await?;
        if served != configured {
            return Err(RpcError::OtherChain {
                place: self.0.url.place(),
                served,
                configured,
            });
        }
        self.note_chain(Some(Instant::now()));
        Ok(())
    }

    fn note_chain(&self, seen: Option<Instant>) {
        let mut noted = self
            .0
            .chain_seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *noted = seen;
    }

    fn is_chain_fresh(&self) -> bool {
        let seen = self
            .0
            .chain_seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.0.chain_id.is_none() || seen.is_some_and(|at| at.elapsed() < CHAIN_FRESH)
    }

    /// `eth_blockNumber`: the newest block.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn block_number(&self) -> Result<u64, RpcError> {
        let answer = self.ask("eth_blockNumber", json!([])).await?;
        self.checked(Field::new("block number", &answer).count())
    }

    /// `eth_getBlockByNumber`, without its transactions; `None` if there is no such block.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn block(&self, tag: BlockTag) -> Result<Option<Block>, RpcError> {
        let params = json!([tag.to_param(), false]);
        let answer = self.ask("eth_getBlockByNumber", params).await?;
        self.checked(Block::read(&Field::new("block", &answer)))
    }

    /// `eth_getTransactionCount`: the first nonce that the account has not used.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn transaction_count(
        &self,
        account: Address,
        tag: BlockTag,
    ) -> Result<u64, RpcError> {
        let params = json!([hex_of(account), tag.to_param()]);
        let answer = self.ask("eth_getTransactionCount", params).await?;
        self.checked(Field::new("transaction count", &answer).count())
    }

    /// `eth_getBalance`, in wei.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn balance(&self, account: Address) -> Result<U256, RpcError> {
        let params = json!([hex_of(account), BlockTag::Latest.to_param()]);
        let answer = self.ask("eth_getBalance", params).await?;
        self.checked(Field::new("balance", &answer).quantity())
    }

    /// `eth_estimateGas`: what the call would use now.
    ///
    /// # Errors
    /// [`RpcError`]; a call that reverts is [`RpcError::Refused`] with what it reverted with.
    pub async fn estimate_gas(&self, from: Address, call: &Call) -> Result<u64, RpcError> {
        let answer = self
            .ask("eth_estimateGas", json!([call_param(Some(from), call)]))
            .await?;
        self.checked(Field::new("gas estimate", &answer).quantity_u64())
    }

    /// `eth_call`: what a function of a contract answers.
    ///
    /// # Errors
    /// As [`Self::estimate_gas`].
    pub async fn call(&self, call: &Call, tag: BlockTag) -> Result<Bytes, RpcError> {
        let params = json!([call_param(None, call), tag.to_param()]);
        let answer = self.ask("eth_call", params).await?;
        self.checked(Field::new("call result", &answer).bytes())
    }

    /// `eth_sendRawTransaction`: hands a signed transaction to the node.
    ///
    /// # Errors
    /// [`RpcError`]. Only [`RpcError::Unreachable`] and [`RpcError::Refused`] mean that the node has
    /// not taken it.
    pub async fn send_raw_transaction(&self, raw: &Bytes) -> Result<B256, RpcError> {
        let params = json!([hex_of(raw)]);
        let answer = self.ask("eth_sendRawTransaction", params).await?;
        self.checked(Field::new("transaction hash", &answer).word())
    }

    /// `eth_getTransactionReceipt`; `None` while the transaction is in no block.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn receipt(&self, transaction: B256) -> Result<Option<Receipt>, RpcError> {
        let params = json!([hex_of(transaction)]);
        let answer = self.ask("eth_getTransactionReceipt", params).await?;
        let receipt = self.checked(Receipt::read(&Field::new("receipt", &answer)))?;
        match receipt {
            Some(receipt) if receipt.transaction != transaction => {
                Err(self.garbage("a receipt of another transaction".to_owned()))
            }
            other => Ok(other),
        }
    }

    /// `eth_getLogs`, oldest first.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn logs(&self, filter: &LogFilter) -> Result<Vec<Log>, RpcError> {
        let topics: Vec<Value> = filter
            .topics
            .iter()
            .map(|topic| topic.map_or(Value::Null, |topic| json!(hex_of(topic))))
            .collect();
        let params = json!([{
            "address": hex_of(filter.address),
            "topics": topics,
            "fromBlock": quantity(filter.from),
            "toBlock": quantity(filter.to),
        }]);
        let answer = self.ask("eth_getLogs", params).await?;
        self.checked(Log::read_all(&Field::new("logs", &answer)))
    }

    /// `eth_getCode`: the code at an address, empty if there is none.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn code_at(&self, address: Address) -> Result<Bytes, RpcError> {
        let params = json!([hex_of(address), BlockTag::Latest.to_param()]);
        let answer = self.ask("eth_getCode", params).await?;
        self.checked(Field::new("code", &answer).bytes())
    }

    /// `eth_gasPrice`: the price that the node proposes, in wei for each unit of gas.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn gas_price(&self) -> Result<u128, RpcError> {
        let answer = self.ask("eth_gasPrice", json!([])).await?;
        self.checked(Field::new("gas price", &answer).quantity_u128())
    }

    /// `eth_maxPriorityFeePerGas`: what the node proposes on top of the base fee, in wei for each
    /// unit of gas. Older nodes do not know it.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn priority_fee(&self) -> Result<u128, RpcError> {
        let answer = self.ask("eth_maxPriorityFeePerGas", json!([])).await?;
        self.checked(Field::new("priority fee", &answer).quantity_u128())
    }

    fn checked<T>(&self, parsed: Result<T, String>) -> Result<T, RpcError> {
        parsed.map_err(|what| self.garbage(what))
    }

    fn garbage(&self, what: String) -> RpcError {
        RpcError::Garbage {
            place: self.0.url.place(),
            what,
        }
    }

    /// One call of a node that serves the right chain: its `result`.
    async fn ask(&self, method: &'static str, params: Value) -> Result<Value, RpcError> {
        if !self.is_chain_fresh() {
            self.check_chain().await?;
        }
        let answer = self.ask_any(method, params).await;
        // A refusal is an answer; after anything else another node may stand at the address.
        if answer
            .as_ref()
            .is_err_and(|error| !matches!(error, RpcError::Refused { .. }))
        {
            self.note_chain(None);
        }
        answer
    }

    /// One call, whichever chain the node serves.
    async fn ask_any(&self, method: &'static str, params: Value) -> Result<Value, RpcError> {
        let limit = self.0.limits.timeout;
        let Ok(answer) = tokio::time::timeout(limit, self.exchange(method, params)).await else {
            return Err(RpcError::TimedOut {
                place: self.0.url.place(),
                method,
            });
        };
        answer
    }

    async fn exchange(&self, method: &'static str, params: Value) -> Result<Value, RpcError> {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let question = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let sent = self
            .0
            .http
            .post(self.0.url.secret().clone())
            .header(CONTENT_TYPE, "application/json")
            .body(question.to_string())
            .send()
            .await;
        let response = sent.map_err(|error| self.not_sent(error, method))?;
        let status = response.status();
        let body = self.body(response, method).await?;
        let parsed = serde_json::from_slice::<Value>(&body).ok();
        // Nodes send refusals with 200 as well as with 400 and 500.
        let refusal = parsed.as_ref().and_then(|answer| answer.get("error"));
        if let Some(error) = refusal.filter(|error| !error.is_null()) {
            return Err(self.refused(error));
        }
        if !status.is_success() {
            return Err(RpcError::Status {
                place: self.0.url.place(),
                status: status.as_u16(),
            });
        }
        let Some(Value::Object(mut answer)) = parsed else {
            return Err(self.garbage("no JSON object".to_owned()));
        };
        if answer.get("id").and_then(Value::as_u64) != Some(id) {
            return Err(self.garbage("an answer to another question".to_owned()));
        }
        answer
            .remove("result")
            .ok_or_else(|| self.garbage("an answer without a result".to_owned()))
    }

    async fn body(
        &self,
        mut response: reqwest::Response,
        method: &'static str,
    ) -> Result<Vec<u8>, RpcError> {
        let most = self.0.limits.answer_bytes_max;
        let too_long = || self.garbage(format!("an answer of more than {most} bytes"));
        let announced = response.content_length().unwrap_or(0);
        if usize::try_from(announced).unwrap_or(usize::MAX) > most {
            return Err(too_long());
        }
        let mut body = Vec::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| self.not_read(&error, method))?
        {
            if body.len() + piece.len() > most {
                return Err(too_long());
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn not_sent(&self, error: reqwest::Error, method: &'static str) -> RpcError {
        if error.is_connect() || error.is_builder() {
            return RpcError::Unreachable {
                place: self.0.url.place(),
                source: Arc::new(error.without_url()),
            };
        }
        self.not_read(&error, method)
    }

    fn not_read(&self, error: &reqwest::Error, method: &'static str) -> RpcError {
        if error.is_timeout() {
            return RpcError::TimedOut {
                place: self.0.url.place(),
                method,
            };
        }
        self.garbage("a connection that ends before the answer does".to_owned())
    }

    fn refused(&self, error: &Value) -> RpcError {
        let Some(code) = error.get("code").and_then(Value::as_i64) else {
            return self.garbage("an error without a code".to_owned());
        };
        let message = error.get("message").and_then(Value::as_str).unwrap_or("");
        RpcError::Refused {
            code,
            message: self.0.url.cleaned(message),
            data: error.get("data").and_then(answer::revert_data),
        }
    }
}

impl BlockTag {
    fn to_param(self) -> Value {
        match self {
            Self::Latest => json!("latest"),
            Self::Pending => json!("pending"),
            Self::Number(number) => json!(quantity(number)),
        }
    }
}

fn hex_of(bytes: impl AsRef<[u8]>) -> String {
    hex::encode_prefixed(bytes)
}

fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

fn call_param(from: Option<Address>, call: &Call) -> Value {
    let mut param = serde_json::Map::new();
    if let Some(from) = from {
        param.insert("from".to_owned(), json!(hex_of(from)));
    }
    if let Some(to) = call.to {
        param.insert("to".to_owned(), json!(hex_of(to)));
    }
    // Older nodes know `data` only, newer ones both.
    param.insert("data".to_owned(), json!(hex_of(&call.data)));
    Value::Object(param)
}
