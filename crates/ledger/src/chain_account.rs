//! The accounts that write to EVM chains: one sender for each in a process, whoever writes with it.
//!
//! Two senders of one account would take each other's nonces. A chain may be down when a node
//! starts: an account asks it when it is first needed, and again until it answers.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use evm::{Address, Chain, ChainConfig, ChainKey, ConnectError, Sender};
use tokio::time::Instant;

/// How long a failure to reach the chain is told to all that ask, so that they do not queue up to
/// fail one after the other.
const FAILURE_FRESH: Duration = Duration::from_secs(1);

/// The accounts of a process. Cheap to clone; all clones know the same accounts.
#[derive(Clone, Default)]
pub struct Senders(Arc<Mutex<HashMap<Name, Weak<Inner>>>>);

/// Whose sender it is.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Name {
    /// Scheme, host and port.
    rpc: String,
    chain_id: u64,
    account: Address,
}

/// An account of a chain. Cheap to clone; its sender ends with the last clone.
#[derive(Clone)]
pub struct ChainAccount(Arc<Inner>);

struct Inner {
    config: ChainConfig,
    key: ChainKey,
    /// `None` until the chain was first asked. Held while it is.
    sender: tokio::sync::Mutex<Option<Sender>>,
    failed: Mutex<Option<(Instant, ConnectError)>>,
}

/// An account is configured twice, and not alike.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error(
    "the account {account} of chain {chain_id} is in use with other confirmations or fees; \
     configure it alike everywhere, and restart the node after a change"
)]
pub struct AccountDiffers {
    /// The account.
    pub account: Address,
    /// The chain.
    pub chain_id: u64,
}

impl Senders {
    /// The account of `key` on the chain of `config`; the same one for the same RPC host, chain and
    /// key, while anybody uses it. Nothing is asked or sent yet.
    ///
    /// # Errors
    /// [`AccountDiffers`] when it is in use under another configuration.
    pub fn account(
        &self,
        config: ChainConfig,
        key: ChainKey,
    ) -> Result<ChainAccount, AccountDiffers> {
        let name = Name {
            rpc: config.rpc.to_string(),
            chain_id: config.chain_id,
            account: key.address(),
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, account| account.strong_count() > 0);
        if let Some(account) = known.get(&name).and_then(Weak::upgrade) {
            let is_alike = account.config.confirmations == config.confirmations
                && account.config.fees.kind == config.fees.kind
                && account.config.fees.cap == config.fees.cap;
            if !is_alike {
                return Err(AccountDiffers {
                    account: name.account,
                    chain_id: name.chain_id,
                });
            }
            return Ok(ChainAccount(account));
        }
        let account = Arc::new(Inner {
            config,
            key,
            sender: tokio::sync::Mutex::default(),
            failed: Mutex::default(),
        });
        known.insert(name, Arc::downgrade(&account));
        Ok(ChainAccount(account))
    }
}

impl ChainAccount {
    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.0.key.address()
    }

    /// How its chain is spoken to.
    #[must_use]
    pub fn config(&self) -> &ChainConfig {
        &self.0.config
    }

    /// The sender, once the node of the chain has said that it serves the right one; another one when
    /// its task has ended.
    pub(crate) async fn sender(&self) -> Result<Sender, ConnectError> {
        let inner = &*self.0;
        let mut sender = inner.sender.lock().await;
        let chain = match &*sender {
            Some(sender) if !sender.has_ended() => return Ok(sender.clone()),
            Some(ended) => {
                let account = ended.account();
                tracing::error!(%account, "the sender of the chain account has ended by a panic and is started again");
                ended.chain().clone()
            }
            None => {
                if let Some(error) = inner.fresh_failure() {
                    return Err(error);
                }
                let connected = Chain::connect(inner.config.clone()).await;
                connected.inspect_err(|error| inner.note_failure(error))?
            }
        };
        let started = Sender::start(&chain, inner.key.clone());
        *sender = Some(started.clone());
        Ok(started)
    }
}

impl fmt::Debug for ChainAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainAccount({})", self.address())
    }
}

impl Inner {
    fn fresh_failure(&self) -> Option<ConnectError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = failed.as_ref();
        let fresh = failed.filter(|(when, _)| when.elapsed() < FAILURE_FRESH);
        fresh.map(|(_, error)| error.clone())
    }

    fn note_failure(&self, error: &ConnectError) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        *failed = Some((Instant::now(), error.clone()));
    }
}

#[cfg(test)]
mod tests {
    use evm::{FeeKind, RpcUrl};

    use super::*;

    fn config(rpc: &str, chain_id: u64) -> ChainConfig {
        ChainConfig::new(RpcUrl::parse(rpc).unwrap(), chain_id)
    }

    fn key(last: char) -> ChainKey {
        ChainKey::parse(&format!("0x{}{last}", "0".repeat(63))).unwrap()
    }

    #[test]
    fn an_account_is_one_while_it_is_used_and_is_configured_once() {
        let senders = Senders::default();
        let account = |rpc, id, last| senders.account(config(rpc, id), key(last)).unwrap();
        let one = account("http://127.0.0.1:1", 1, '1');
        let is_one = |other: &ChainAccount| Arc::ptr_eq(&one.0, &other.0);
        assert!(is_one(&account("http://127.0.0.1:1", 1, '1')));
        assert!(!is_one(&account("http://127.0.0.1:2", 1, '1')));
        assert!(!is_one(&account("http://127.0.0.1:1", 2, '1')));
        assert!(!is_one(&account("http://127.0.0.1:1", 1, '2')));
        let mut legacy = config("http://127.0.0.1:1", 1);
        legacy.fees.kind = FeeKind::Legacy;
        let differs = senders.account(legacy.clone(), key('1')).unwrap_err();
        assert_eq!(differs.account, one.address());
        drop(one);
        assert!(senders.account(legacy, key('1')).is_ok());
    }
}
