//! `kiln admin`: what an operator does with a running node, through its admin listener.
//!
//! **Source:** `docs/admin.md`.

mod audit;
mod checkpoint;
mod config;
mod connection;
mod domains;
mod keys;
mod quotas;
mod read_only;
mod scrub;
mod status;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::common::{Common, DATA_DEFAULT, DATA_VARIABLE};
use crate::exit::{Failure, Outcome};

pub(crate) use connection::AdminNode;
use connection::Service;

/// Options of `kiln admin`.
#[derive(Args)]
pub(crate) struct AdminArgs {
    /// Data folder of the node: its admin listener and token are found there
    #[arg(
        long, global = true, value_name = "DIR", env = DATA_VARIABLE, hide_env_values = true,
        default_value = DATA_DEFAULT, help_heading = HEADING
    )]
    data: PathBuf,
    /// Address of the admin listener, if it is not to be found in the data folder
    #[arg(
        long, global = true, value_name = "URL", env = "KILN_ADMIN_URL", hide_env_values = true,
        help_heading = HEADING
    )]
    url: Option<String>,
    /// File (mode 0600) with the admin token or an API key [default: admin-token in the data folder]
    #[arg(
        long, global = true, value_name = "FILE", env = "KILN_ADMIN_TOKEN_FILE",
        hide_env_values = true, help_heading = HEADING
    )]
    token_file: Option<PathBuf>,
    #[command(subcommand)]
    command: AdminCommand,
}

const HEADING: &str = "Which node";

/// Commands of an operator.
#[derive(Subcommand)]
enum AdminCommand {
    /// Print the node at a glance: parts, stores, logs
    #[command(after_help = status::HELP)]
    Status,
    /// Refuse all writes, or take them again
    #[command(subcommand, name = "read-only")]
    ReadOnly(read_only::ReadOnlyCommand),
    /// Look at the configuration that the node runs with
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Add domains, stop and start serving them
    #[command(subcommand)]
    Domains(domains::DomainsCommand),
    /// Look at what domains may use, and change it
    #[command(subcommand)]
    Quotas(quotas::QuotasCommand),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Look at what was done and refused, and check that the record of it is whole
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Sign checkpoints of logs
    #[command(subcommand)]
    Checkpoint(checkpoint::CheckpointCommand),
    /// Watch, start and stop the check of all that is stored
    #[command(subcommand)]
    Scrub(scrub::ScrubCommand),
    /// Look at bricks that were found damaged
    #[command(subcommand)]
    Quarantine(scrub::QuarantineCommand),
}

/// Carries out a command.
pub(crate) fn run(args: &AdminArgs, common: &Common) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("no runtime can be started", error))?;
    let output = common.output();
    let one = || AdminNode::find(args, common);
    // Of services that run apart, each has a half of what these show, or all are told.
    let all = || Service::find(args, common);
    runtime.block_on(async {
        match &args.command {
            AdminCommand::Status => status::run(&one()?, output).await,
            AdminCommand::ReadOnly(command) => read_only::run(command, &one()?, output).await,
            AdminCommand::Config(command) => config::run(command, &one()?, output).await,
            AdminCommand::Domains(command) => domains::run(command, &one()?, output).await,
            AdminCommand::Quotas(command) => quotas::run(command, &all()?, output).await,
            AdminCommand::Keys(command) => keys::run(command, &one()?, output).await,
            AdminCommand::Audit(command) => audit::run(command, &one()?, output).await,
            AdminCommand::Checkpoint(command) => checkpoint::run(command, &one()?, output).await,
            AdminCommand::Scrub(command) => scrub::run(command, &all()?, output).await,
            AdminCommand::Quarantine(command) => scrub::quarantine(command, &all()?, output).await,
        }
    })
}
