//! One storage of one domain, and the calls for one brick.

use bytes::Bytes;
use keyssi::{BrickHash, Domain};
use reqwest::{Method, StatusCode};

use crate::client::Client;
use crate::endpoint::{Endpoint, NodeUrl};
use crate::error::ClientError;
use crate::transport::{Answer, Call, Payload};

/// How an `ApiHub` that asks itself answers for a missing brick, with status 200.
const MISSING: &[u8] = br#"{"message":"Brick not found"}"#;
/// How the message for a missing brick begins otherwise than that for an unknown domain.
const UNKNOWN_DOMAIN: &str = "[Bricking] Domain";
/// What is hashed where it is. More goes where it may block.
const HASHED_INLINE_BYTES_MAX: usize = 64 << 10;

/// One of the storages of a domain. Owned, so that its calls can run in tasks of their own.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    pub(super) client: Client,
    pub(super) endpoint: Endpoint,
    pub(super) domain: Domain,
    /// Storages of the domain, this one included.
    count: usize,
}

impl Storage {
    /// The storages of a domain, in the order of BDNS.
    pub(super) fn all(client: &Client, domain: &Domain, endpoints: &[Endpoint]) -> Vec<Self> {
        let storage = |endpoint: &Endpoint| Self {
            client: client.clone(),
            endpoint: endpoint.clone(),
            domain: domain.clone(),
            count: endpoints.len(),
        };
        endpoints.iter().map(storage).collect()
    }

    /// What names it in reports.
    pub(super) fn url(&self) -> NodeUrl {
        self.endpoint.url().into()
    }

    /// A call of a route of the domain.
    pub(super) fn route(&self, route: &str, answer_bytes_max: usize) -> Call<'_> {
        let path = format!("bricking/{}/{route}", self.domain);
        Call::get(&self.endpoint, &path, answer_bytes_max)
    }

    /// Makes a call: repeated as the options say, but only once if the storage failed last time and
    /// others can do its work.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Answer, ClientError> {
        let has_failed = self.client.storages().has_failed(&self.endpoint);
        if has_failed && self.count > 1 {
            self.client.transport().once(call).await
        } else {
            self.client.transport().repeat(call).await
        }
    }

    /// Notes what came of asking it.
    pub(super) fn note<T>(&self, result: &Result<T, ClientError>) {
        match result {
            Ok(_) => self.client.storages().answered(&self.endpoint),
            Err(error) => {
                if error.may_pass() {
                    self.client.storages().failed(&self.endpoint);
                }
                self.client.transport().events.bad_node(&self.url(), error);
            }
        }
    }

    /// Stores a brick and checks the name under which the storage took it.
    pub(super) async fn put(&self, hash: BrickHash, bytes: Bytes) -> Result<(), ClientError> {
        let limits = &self.client.options().limits;
        let call = self
            .route("put-brick", limits.json_bytes_max)
            .with(Method::PUT, Payload::octets(bytes));
        let answer = self.call(&call).await?;
        if !answer.status.is_success() {
            return Err(self.refusal(&answer));
        }
        match answer.message() {
            Some(name) if name == hash.to_string() => Ok(()),
            _ => Err(ClientError::nonsense(
                &answer.url,
                format!("it does not confirm that it stored brick {hash}"),
            )),
        }
    }

    /// Asks for a brick, once: the brick, or `None` if the storage says that it does not have it.
    pub(super) async fn get(&self, hash: BrickHash) -> Result<Option<Bytes>, ClientError> {
        let limits = &self.client.options().limits;
        let route = format!("get-brick/{hash}");
        let call = self.route(&route, limits.brick_bytes_max);
        let answer = self.client.transport().once(&call).await?;
        if is_missing(&answer) {
            return Ok(None);
        }
        if answer.status != StatusCode::OK {
            return Err(self.refusal(&answer));
        }
        let actual = name_of(&answer.body).await;
        if actual == hash {
            return Ok(Some(answer.body));
        }
        if &answer.body[..] == MISSING {
            return Ok(None);
        }
        let url = answer.url;
        Err(ClientError::DamagedBrick { hash, url, actual })
    }

    /// Asks whether a storage has a brick.
    pub(super) async fn has(&self, hash: BrickHash) -> Result<bool, ClientError> {
        let limits = &self.client.options().limits;
        let route = format!("brick-exists/{hash}");
        let call = self.route(&route, limits.json_bytes_max);
        let answer = self.call(&call).await?;
        if is_missing(&answer) {
            return Ok(false);
        }
        if answer.status != StatusCode::OK {
            return Err(self.refusal(&answer));
        }
        answer.json("true or false")
    }

    /// What a refusal of a bricking route means.
    pub(super) fn refusal(&self, answer: &Answer) -> ClientError {
        let is_of_domain = answer.status == StatusCode::NOT_FOUND && answer.message().is_some();
        if is_of_domain {
            return ClientError::UnknownDomain {
                domain: self.domain.clone(),
                url: answer.url.clone(),
            };
        }
        answer.refusal()
    }
}

/// 404 for the brick, not for its domain.
fn is_missing(answer: &Answer) -> bool {
    let of_domain = |text: String| text.starts_with(UNKNOWN_DOMAIN);
    answer.status == StatusCode::NOT_FOUND && !answer.message().is_some_and(of_domain)
}

/// The name of bytes. A megabyte takes some milliseconds: too long for a thread that others wait
/// for.
async fn name_of(bytes: &Bytes) -> BrickHash {
    if bytes.len() > HASHED_INLINE_BYTES_MAX {
        let shared = bytes.clone();
        let hashed = tokio::task::spawn_blocking(move || BrickHash::of(&shared)).await;
        if let Ok(hash) = hashed {
            return hash;
        }
    }
    BrickHash::of(bytes)
}
