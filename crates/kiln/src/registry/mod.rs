//! `kiln registry`: the contract on an EVM chain that the roots of logs are published to.
//!
//! **Source:** `translog.md` §10.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use evm::registry::{Registry, RegistryError};
use evm::{Address, B256, Chain, ChainConfig, ChainKey, ConnectError, RpcUrl, Sender};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use translog::Origin;
use zeroize::Zeroizing;

use crate::common::Common;
use crate::exit::{Exit, Failure, Outcome};

/// Variable that holds the account's key when no file is named.
const KEY_VARIABLE: &str = "KILN_CHAIN_KEY";

/// Commands of the registry contract.
#[derive(Subcommand)]
pub(crate) enum RegistryCommand {
    /// Make a registry on a chain; the account that pays owns it
    #[command(after_help = DEPLOY_HELP)]
    Deploy(DeployArgs),
    /// Let an account publish the roots of a log
    #[command(after_help = REGISTER_HELP)]
    Register(RegisterArgs),
    /// Print the newest root of a log, as the chain has it
    #[command(
        after_help = "Example:\n  kiln registry show --rpc http://127.0.0.1:8545 --chain-id 31337 --contract 0x… --origin anchors.example/default"
    )]
    Show(ShowArgs),
}

const DEPLOY_HELP: &str = "\
Example:
  kiln registry deploy --rpc http://127.0.0.1:8545 --chain-id 31337 --account-key owner.key

Prints the address of the contract: it goes into [domain.evm] contract of the nodes' kiln.toml and to
whoever checks proofs. One registry serves any number of logs. The owner registers logs and cannot
alter what was published.";

const REGISTER_HELP: &str = "\
Example:
  kiln registry register --rpc http://127.0.0.1:8545 --chain-id 31337 --account-key owner.key \\
      --contract 0x… --origin anchors.example/default --submitter 0x…

The submitter is the account of the node that keeps the log: the one of [domain.evm] account_key.";

/// The chain.
#[derive(Args)]
struct ChainArgs {
    /// Address of the chain's JSON-RPC
    #[arg(long, value_name = "URL")]
    rpc: String,
    /// The chain's id; another one is refused
    #[arg(long, value_name = "NUMBER")]
    chain_id: u64,
}

/// The account that pays.
#[derive(Args)]
struct AccountArgs {
    /// File (mode 0600) with the account's private key, 0x and 64 hex digits [default: the variable
    /// `KILN_CHAIN_KEY`]
    #[arg(long, value_name = "FILE")]
    account_key: Option<PathBuf>,
}

/// Options of `kiln registry deploy`.
#[derive(Args)]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    account: AccountArgs,
}

/// Options of `kiln registry register`.
#[derive(Args)]
pub(crate) struct RegisterArgs {
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    account: AccountArgs,
    /// The registry
    #[arg(long, value_name = "ADDRESS")]
    contract: String,
    /// Name of the log
    #[arg(long, value_name = "ORIGIN")]
    origin: String,
    /// The account that is to publish the log's roots
    #[arg(long, value_name = "ADDRESS")]
    submitter: String,
}

/// Options of `kiln registry show`.
#[derive(Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// The registry
    #[arg(long, value_name = "ADDRESS")]
    contract: String,
    /// Name of the log
    #[arg(long, value_name = "ORIGIN")]
    origin: String,
}

/// Carries out a command.
pub(crate) fn run(command: &RegistryCommand, common: &Common) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("no runtime can be started", error))?;
    runtime.block_on(async {
        match command {
            RegistryCommand::Deploy(args) => deploy(args, common).await,
            RegistryCommand::Register(args) => register(args, common).await,
            RegistryCommand::Show(args) => show(args, common).await,
        }
    })
}

async fn deploy(args: &DeployArgs, common: &Common) -> Outcome {
    let key = args.account.key()?;
    let chain = args.chain.connect().await?;
    let sender = Sender::start(&chain, key);
    let registry = Registry::deploy(&sender, sender.account())
        .await
        .map_err(of_registry)?;
    let (contract, owner) = (registry.address().to_string(), sender.account().to_string());
    let value = json!({"chainId": chain.id(), "contract": contract, "owner": owner});
    let rows = [("contract", contract), ("owner", owner)];
    common.output().table(&value, &rows)?;
    Ok(Exit::Done)
}

async fn register(args: &RegisterArgs, common: &Common) -> Outcome {
    let (contract, origin) = (
        address("--contract", &args.contract)?,
        origin(&args.origin)?,
    );
    let submitter = address("--submitter", &args.submitter)?;
    let key = args.account.key()?;
    let chain = args.chain.connect().await?;
    let registry = Registry::open(&chain, contract)
        .await
        .map_err(of_registry)?;
    let sender = Sender::start(&chain, key);
    let mined = registry
        .register(&sender, origin_id(&origin), submitter)
        .await
        .map_err(of_registry)?;
    let transaction = mined.transaction.to_string();
    let value = json!({
        "origin": origin.to_string(),
        "submitter": submitter.to_string(),
        "transaction": transaction,
    });
    common
        .output()
        .table(&value, &[("transaction", transaction)])?;
    Ok(Exit::Done)
}

async fn show(args: &ShowArgs, common: &Common) -> Outcome {
    let (contract, origin) = (
        address("--contract", &args.contract)?,
        origin(&args.origin)?,
    );
    let chain = args.chain.connect().await?;
    let registry = Registry::open(&chain, contract)
        .await
        .map_err(of_registry)?;
    let head = registry
        .head(origin_id(&origin))
        .await
        .map_err(of_registry)?;
    let submitter = head.submitter.ok_or_else(|| {
        Failure::new(Exit::NotFound, "the registry does not know the log")
            .next("register it with `kiln registry register`")
    })?;
    let value = json!({
        "origin": origin.to_string(),
        "submitter": submitter.to_string(),
        "sequence": head.sequence,
        "size": head.size,
        "timeS": head.time_s,
        "root": head.root.to_string(),
    });
    let rows = [
        ("submitter", submitter.to_string()),
        ("batches", head.sequence.to_string()),
        ("entries", head.size.to_string()),
        ("root", head.root.to_string()),
    ];
    common.output().table(&value, &rows)?;
    Ok(Exit::Done)
}

impl ChainArgs {
    async fn connect(&self) -> Result<Chain, Failure> {
        // The address is not repeated: it may hold a key.
        let rpc = RpcUrl::parse(&self.rpc).map_err(|error| {
            Failure::new(Exit::Usage, "--rpc is no address")
                .because(error)
                .next("give it as in http://127.0.0.1:8545")
        })?;
        let connected = Chain::connect(ChainConfig::new(rpc, self.chain_id)).await;
        connected.map_err(|error| match error {
            ConnectError::WrongChain { served, .. } => Failure::new(
                Exit::Negative,
                format!("the RPC serves chain {served}, not {}", self.chain_id),
            )
            .next("check --rpc and --chain-id"),
            error => Failure::new(Exit::Unreachable, "the chain cannot be asked")
                .because(error)
                .next("check --rpc"),
        })
    }
}

impl AccountArgs {
    fn key(&self) -> Result<ChainKey, Failure> {
        let usage = |message: &str| {
            Failure::new(Exit::Usage, message)
                .next("give 0x and 64 hex digits, in a file of mode 0600 or in KILN_CHAIN_KEY")
        };
        let text = match &self.account_key {
            Some(path) => node::load_key_file(path).map_err(|error| {
                Failure::new(Exit::Local, "the account key cannot be used")
                    .because(error)
                    .next("name a file of mode 0600 with --account-key")
            })?,
            None => std::env::var(KEY_VARIABLE)
                .map(Zeroizing::new)
                .map_err(|_| usage("there is no account key"))?,
        };
        ChainKey::parse(&text).map_err(|_| usage("the account key is none"))
    }
}

fn address(option: &str, text: &str) -> Result<Address, Failure> {
    let parsed = text.starts_with("0x").then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{option} is no address"))
            .next("give 0x and 40 hex digits")
    })
}

fn origin(text: &str) -> Result<Origin, Failure> {
    Origin::parse(text).map_err(|error| {
        Failure::new(Exit::Usage, "--origin is no name of a log")
            .because(error)
            .next("give the first line of its checkpoint: GET /log/DOMAIN/checkpoint")
    })
}

/// The name under which the contract knows a log.
fn origin_id(origin: &Origin) -> B256 {
    B256::from(<[u8; 32]>::from(Sha256::digest(origin.as_str())))
}

fn of_registry(error: RegistryError) -> Failure {
    let exit = match &error {
        RegistryError::Rpc(_) | RegistryError::Send(_) => Exit::Unreachable,
        RegistryError::Garbage => Exit::Protocol,
        _ => Exit::Negative,
    };
    let next = match &error {
        RegistryError::NotOwner { .. } => "use the key of the account that deployed the registry",
        RegistryError::NoContract { .. } | RegistryError::OtherContract { .. } => {
            "check --contract and --chain-id, or make a registry with `kiln registry deploy`"
        }
        _ => {
            "check --rpc, and that the account has funds; `kiln registry show` tells what is there"
        }
    };
    Failure::new(exit, "the registry did not do it")
        .because(error)
        .next(next)
}
