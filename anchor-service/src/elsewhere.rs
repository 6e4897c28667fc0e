//! Ledgers beyond this node's store, made from a domain's configuration: adapters and chains.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use evm::{Address, ChainConfig, ChainKey, ConnectError, FeeKind, RpcUrl};
use ledger::adapter::{AdapterKind, AdapterLedger, AdapterOptions};
use ledger::{
    Batching, ChainAccount, DirectError, DirectLedger, DirectOptions, LogKeeper, Publisher,
    PublisherError, Senders, Target,
};
use node::{AdapterConfig, AnchoringKind, DomainConfig, EvmConfig, Fees};
use zeroize::Zeroizing;

/// Variable that holds the chain account's key when no file is named.
const KEY_VARIABLE: &str = "KILN_CHAIN_KEY";
/// How long a start waits for a chain to be compared with the configuration. One that is down is
/// compared when it is up.
const CHECK_TIME_MAX: Duration = Duration::from_secs(5);
/// Looks at the chain after which a transaction is handed to it again, and after which it is
/// replaced by one with higher fees.
const RESEND_LOOKS: u32 = 20;
const REPLACE_LOOKS: u32 = 60;
const WEI_OF_GWEI: u128 = 1_000_000_000;

/// The ledger of a domain whose anchors are not, or not only, in this node's store.
///
/// # Errors
/// What is wrong with the configuration, or with what the chain that it names holds.
pub(crate) async fn target(
    senders: &Senders,
    config: &DomainConfig,
) -> anyhow::Result<Option<Arc<dyn Target>>> {
    match (config.anchoring, &config.adapter, &config.evm) {
        (AnchoringKind::Adapter, Some(config), _) => Ok(Some(Arc::new(adapter(config)?))),
        (AnchoringKind::Evm, _, Some(config)) => {
            let (account, contract) = (account(senders, config)?, contract(config)?);
            let ledger = DirectLedger::new(account, contract, DirectOptions::default());
            let checked = tokio::time::timeout(CHECK_TIME_MAX, ledger.check()).await;
            let is_mistaken = |error: &DirectError| {
                matches!(error, DirectError::Connect(ConnectError::WrongChain { .. }))
            };
            told(checked, is_mistaken)?;
            Ok(Some(Arc::new(ledger)))
        }
        _ => Ok(None),
    }
}

/// What the ledger behind a domain is called where it is remembered.
pub(crate) fn name(config: &DomainConfig) -> String {
    match (&config.evm, &config.adapter) {
        (Some(evm), _) => format!(
            "the contract {} on chain {}",
            evm.contract.to_ascii_lowercase(),
            evm.chain_id
        ),
        (None, Some(adapter)) => format!("the adapter at {}", adapter.url),
        (None, None) => "this node".to_owned(),
    }
}

const NOT_ANSWERING: &str = "the chain does not answer; it is tried again for as long as it takes";

/// What publishes the roots of a log, if its domain wants that; [`Publisher::run`] does it.
///
/// # Errors
/// As [`target`].
pub(crate) async fn publisher(
    senders: &Senders,
    config: &DomainConfig,
    keeper: Option<&LogKeeper>,
) -> anyhow::Result<Option<Publisher>> {
    let (AnchoringKind::EvmRoots, Some(evm), Some(keeper)) =
        (config.anchoring, &config.evm, keeper)
    else {
        return Ok(None);
    };
    let batching = Batching {
        entries_max: evm.batch_entries_max,
        time_max: Duration::from_millis(evm.batch_ms_max),
    };
    let (account, contract) = (account(senders, evm)?, contract(evm)?);
    let publisher = Publisher::new(keeper.clone(), account, contract, batching);
    let checked = tokio::time::timeout(CHECK_TIME_MAX, publisher.check()).await;
    let is_mistaken = |error: &PublisherError| {
        matches!(
            error,
            PublisherError::Connect(ConnectError::WrongChain { .. })
                | PublisherError::ContractChanged { .. }
        )
    };
    told(checked, is_mistaken)?;
    Ok(Some(publisher))
}

/// Ends the start for what only the configuration can mend. All else may pass by itself, and a node
/// that keeps records does not stay down for it: it is tried again, and the status says so.
fn told<E: std::error::Error + Send + Sync + 'static>(
    checked: Result<Result<(), E>, tokio::time::error::Elapsed>,
    is_mistaken: impl Fn(&E) -> bool,
) -> anyhow::Result<()> {
    match checked {
        Ok(Ok(())) => {}
        Ok(Err(error)) if is_mistaken(&error) => return Err(error.into()),
        Ok(Err(error)) => {
            let cause = anyhow::Error::from(error);
            tracing::error!("the chain is not as configured, or not now: {cause:#}; tried again");
        }
        Err(_) => tracing::warn!("{NOT_ANSWERING}"),
    }
    Ok(())
}

fn adapter(config: &AdapterConfig) -> anyhow::Result<AdapterLedger> {
    let kind = match config.kind {
        node::AdapterKind::Eth => AdapterKind::Eth,
        node::AdapterKind::Hf => AdapterKind::Hf,
    };
    let has_token = !config.token_file.as_os_str().is_empty();
    let token = has_token.then(|| node::load_key_file(&config.token_file));
    let options = AdapterOptions {
        token: token.transpose().context("adapter.token_file")?,
        ..AdapterOptions::default()
    };
    AdapterLedger::new(&config.url, kind, options).context("adapter.url")
}

fn contract(config: &EvmConfig) -> anyhow::Result<Address> {
    let is_prefixed = config.contract.starts_with("0x");
    let address = is_prefixed.then(|| config.contract.parse().ok()).flatten();
    address.with_context(|| {
        format!(
            "evm.contract {} is no address: 0x and 40 hex digits",
            config.contract
        )
    })
}

fn account(senders: &Senders, config: &EvmConfig) -> anyhow::Result<ChainAccount> {
    // The address is not repeated: it may hold a key.
    let rpc = RpcUrl::parse(&config.rpc).context("evm.rpc")?;
    let mut chain = ChainConfig::new(rpc, config.chain_id);
    chain.confirmations = config.confirmations;
    chain.fees.kind = match config.fees {
        Fees::Eip1559 => FeeKind::Eip1559,
        Fees::Legacy => FeeKind::Legacy,
    };
    chain.fees.cap = u128::from(config.fee_cap_gwei).saturating_mul(WEI_OF_GWEI);
    let look = Duration::from_millis(config.poll_ms);
    chain.timing.poll = look;
    chain.timing.resend_after = look * RESEND_LOOKS;
    chain.timing.replace_after = look * REPLACE_LOOKS;
    chain.timing.foreign_wait = look * REPLACE_LOOKS;
    Ok(senders.account(chain, key(&config.account_key)?)?)
}

fn key(path: &Path) -> anyhow::Result<ChainKey> {
    let (text, source) = if path.as_os_str().is_empty() {
        let text = std::env::var(KEY_VARIABLE).map(Zeroizing::new);
        let missing =
            || format!("name the account's key file in evm.account_key, or set {KEY_VARIABLE}");
        (text.with_context(missing)?, KEY_VARIABLE.to_owned())
    } else {
        let text = node::load_key_file(path).context("evm.account_key")?;
        (text, path.display().to_string())
    };
    ChainKey::parse(&text)
        .with_context(|| format!("{source} is no account key: 0x and 64 hex digits"))
}
