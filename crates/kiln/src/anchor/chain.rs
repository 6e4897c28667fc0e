//! The chain part of `kiln anchor verify`: whether the root of a proof's checkpoint is on a chain.
//!
//! What the proof says of the chain only says where to look. Everything that counts is read from the
//! chain: which chain it is, the code of the contract, the transaction, and what it published.

use clap::Args;
use evm::registry::{Batch, Registry, RegistryError};
use evm::{Address, B256, Chain, ChainConfig, ConnectError, RpcError, RpcUrl};
use sha2::{Digest as _, Sha256};
use translog::{Checkpoint, OnChain};

use super::evidence::Evidence;
use super::trust::PolicyContract;
use crate::exit::{Exit, Failure};

/// Options that lead to a chain.
#[derive(Args)]
pub(super) struct ChainOptions {
    /// Read from this chain, over JSON-RPC, that the root of the checkpoint is on it
    #[arg(long, value_name = "URL")]
    pub(super) rpc: Option<String>,
    /// The registry contract that you trust [default: that of the policy; else the proof names one, which
    /// then proves less]
    #[arg(long, value_name = "ADDRESS", requires = "rpc")]
    contract: Option<String>,
}

/// What the chain holds.
pub(super) struct OnChainEvidence {
    pub(super) chain_id: u64,
    pub(super) contract: Address,
    pub(super) named_by: NamedBy,
    pub(super) batch: Batch,
    /// Blocks on top of it, its own among them.
    pub(super) depth: u64,
}

/// Who named the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamedBy {
    Option,
    Policy,
    /// Nobody that the user trusts.
    Proof,
}

/// Where to look, read from the options, before anything is asked.
pub(super) struct Place {
    rpc: RpcUrl,
    contract: Option<Address>,
}

impl ChainOptions {
    /// # Errors
    /// [`Exit::Usage`] if an option is malformed. The address of the RPC is not repeated: it may hold
    /// a key.
    pub(super) fn place(&self) -> Result<Option<Place>, Failure> {
        let Some(rpc) = &self.rpc else {
            return Ok(None);
        };
        let rpc = RpcUrl::parse(rpc).map_err(|error| {
            Failure::new(Exit::Usage, "--rpc is no address")
                .because(error)
                .next("give it as in http://127.0.0.1:8545")
        })?;
        let contract = self.contract.as_deref().map(|text| {
            address(text).ok_or_else(|| {
                Failure::new(Exit::Usage, "--contract is no address of a contract")
                    .next("give 0x and 40 hex digits")
            })
        });
        let contract = contract.transpose()?;
        Ok(Some(Place { rpc, contract }))
    }
}

/// Reads from the chain that the root of the checkpoint is there.
///
/// # Errors
/// [`Exit::Negative`] if it is not, or not where the proof says; those of a chain that cannot be
/// asked.
pub(super) async fn look(
    place: &Place,
    evidence: &Evidence,
    trusted: &[PolicyContract],
) -> Result<OnChainEvidence, Failure> {
    let claimed = evidence.claimed.as_ref().ok_or_else(|| {
        negative("the proof names no transaction on a chain")
            .next("get it anew with `kiln anchor prove` when `kiln anchor status` says onChain")
    })?;
    let (contract, named_by) = contract(place, claimed, trusted)?;
    let transaction = claimed.transaction.parse::<B256>().map_err(|error| {
        negative("the transaction that the proof names is none")
            .because(error)
            .next(ALTERED)
    })?;
    let config = ChainConfig::new(place.rpc.clone(), claimed.chain_id);
    let chain = Chain::connect(config).await.map_err(of_connect)?;
    let registry = Registry::open(&chain, contract)
        .await
        .map_err(of_registry)?;
    let batch = registry.batch_at(transaction).await.map_err(of_registry)?;
    compare(&batch, claimed, &evidence.proof.checkpoint)?;
    let newest = chain.rpc().block_number().await.map_err(|it| of_rpc(&it))?;
    Ok(OnChainEvidence {
        chain_id: chain.id(),
        contract,
        named_by,
        batch,
        depth: newest.saturating_sub(batch.block).saturating_add(1),
    })
}

/// The contract to look at, and who named it.
fn contract(
    place: &Place,
    claimed: &OnChain,
    trusted: &[PolicyContract],
) -> Result<(Address, NamedBy), Failure> {
    let named = address(&claimed.contract)
        .ok_or_else(|| negative("the contract that the proof names is none").next(ALTERED))?;
    let mut here = trusted.iter().filter(|it| it.chain_id == claimed.chain_id);
    let (trusted, by) = match (place.contract, here.next()) {
        (Some(given), _) => (given, NamedBy::Option),
        (None, Some(of_policy)) => (of_policy.address, NamedBy::Policy),
        (None, None) => return Ok((named, NamedBy::Proof)),
    };
    if trusted == named {
        return Ok((trusted, by));
    }
    let message =
        format!("the proof names the contract {named}, and {trusted} is the one to trust");
    Err(negative(&message).next("ask the operator of the node which contract is right"))
}

/// Compares what was published with the checkpoint of the proof.
fn compare(batch: &Batch, claimed: &OnChain, checkpoint: &Checkpoint) -> Result<(), Failure> {
    let origin_id = B256::from(<[u8; 32]>::from(Sha256::digest(checkpoint.origin.as_str())));
    let what = if batch.origin_id != origin_id {
        "of another log"
    } else if batch.size != checkpoint.size {
        "of another size"
    } else if batch.root != B256::from(checkpoint.root) {
        "of other entries: if the log signed this checkpoint, it shows two histories"
    } else if batch.sequence != claimed.sequence {
        "of another number"
    } else {
        return Ok(());
    };
    let message = format!("the root that the transaction published is {what}");
    Err(negative(&message).next("keep the proof, it may be evidence, and get another one"))
}

/// A contract's address in text.
pub(super) fn address(text: &str) -> Option<Address> {
    text.starts_with("0x").then(|| text.parse().ok()).flatten()
}

const ALTERED: &str =
    "the file was altered, or what made it is faulty: get it anew with `kiln anchor prove`";
const ANOTHER_RPC: &str = "check --rpc, or ask another RPC of the same chain";

fn negative(message: &str) -> Failure {
    Failure::new(Exit::Negative, message)
}

fn of_connect(error: ConnectError) -> Failure {
    match error {
        ConnectError::WrongChain { served, configured } => {
            let message =
                format!("the proof names chain {configured}, and the RPC serves {served}");
            negative(&message).next("name an RPC of that chain with --rpc")
        }
        ConnectError::Rpc(error) => of_rpc(&error),
        error => Failure::new(Exit::Protocol, "the chain cannot be used")
            .because(error)
            .next(ANOTHER_RPC),
    }
}

fn of_registry(error: RegistryError) -> Failure {
    match error {
        RegistryError::Rpc(error) => of_rpc(&error),
        RegistryError::NoContract { .. } | RegistryError::OtherContract { .. } => {
            negative("the contract is not the registry")
                .because(error)
                .next("ask the operator of the node which contract is right")
        }
        RegistryError::NotMined { .. } | RegistryError::NoBatch { .. } => {
            negative("the root is not on the chain")
                .because(error)
                .next("try again later: the chain may have dropped it, and the node sends it again")
        }
        error => Failure::new(Exit::Protocol, "the chain answered with nonsense")
            .because(error)
            .next(ANOTHER_RPC),
    }
}

fn of_rpc(error: &RpcError) -> Failure {
    let exit = match error {
        RpcError::Unreachable { .. } | RpcError::TimedOut { .. } => Exit::Unreachable,
        RpcError::Refused { .. } => Exit::Refused,
        RpcError::Setup { .. } => Exit::Local,
        _ => Exit::Protocol,
    };
    Failure::new(exit, "the chain cannot be asked")
        .because(error.clone())
        .next(ANOTHER_RPC)
}
