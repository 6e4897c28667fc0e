//! The `kiln` command: the tree of its commands, and which function carries out which.
//!
//! What every command keeps to stands in `docs/cli.md`: data on stdout, talk on stderr, secrets
//! hidden, exit codes of `exit`, errors that end with the next action.

mod admin;
mod anchor;
mod backup;
mod client_failure;
mod common;
mod completions;
mod context;
mod demo;
mod dsu;
mod duration;
mod exit;
mod explain;
mod explanation;
mod hex;
mod import;
mod key_output;
mod keyring;
mod local_file;
mod log;
mod meaning;
mod output;
mod progress;
mod pull;
mod push;
mod registry;
mod secret_input;
mod share;
mod ssi;
mod store;
mod usage;
mod utc;
mod watch;
mod witness;

use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use node::ServeArgs;

use crate::common::{CLIENT_OPTIONS, Common, LOCAL_OPTIONS, NODE_OPTIONS};
use crate::exit::{Exit, Failure};

/// Storage for health data: encrypted bricks, append-only anchors, unmodified OpenDSU wallets
#[derive(Parser)]
#[command(version, arg_required_else_help = true, after_help = ROOT_HELP)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve bricks, anchors, BDNS and versionless DSUs from one process
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// Watch and run a running node
    Admin(admin::AdminArgs),
    /// Look at the stores of a stopped node
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Back a node up, restore it, and try both
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Make, write, read and verify DSUs
    #[command(subcommand)]
    Dsu(dsu::DsuCommand),
    /// Give somebody a read-only key: as text, link or QR code
    #[command(after_help = share::HELP)]
    Share(share::ShareArgs),
    /// Store folders, files or lines, each as a DSU; can be killed and run again
    #[command(after_help = push::HELP)]
    Push(push::PushArgs),
    /// Bring DSUs to folders, only what changed
    #[command(after_help = pull::HELP)]
    Pull(pull::PullArgs),
    /// Print new versions of DSUs as they appear
    #[command(after_help = watch::HELP)]
    Watch(watch::WatchArgs),
    /// Move in from an ApiHub, or from another node
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Fill a node with a small invented hospital
    #[command(after_help = demo::HELP)]
    Demo(demo::DemoArgs),
    /// Show anchors, prove that they are in the log, check proofs
    #[command(subcommand)]
    Anchor(anchor::AnchorCommand),
    /// Read the whole transparency log of a domain, and check it
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Cosign the checkpoints of other operators' logs
    #[command(subcommand)]
    Witness(witness::WitnessCommand),
    /// Make and use the contract that roots of logs are published to
    #[command(subcommand)]
    Registry(registry::RegistryCommand),
    /// Make, show and derive identifiers, sign and verify
    #[command(subcommand)]
    Ssi(ssi::SsiCommand),
    /// Say what a thing is, what it allows its holder to do, and what not
    #[command(after_help = explain::HELP)]
    Explain(explain::ExplainArgs),
    /// Keep keys under names, in one encrypted file
    #[command(subcommand)]
    Keyring(keyring::commands::KeyringCommand),
    /// Print the completions of a shell
    #[command(after_help = completions::COMPLETIONS_HELP)]
    Completions(completions::CompletionsArgs),
    /// Write the manual pages
    #[command(after_help = completions::MAN_HELP)]
    Man(completions::ManArgs),
    /// Print the exit codes and what they mean
    #[command(after_help = "Example:\n  kiln exit-codes --json")]
    ExitCodes,
}

const ROOT_HELP: &str = "\
Examples:
  kiln serve                                   a node on http://127.0.0.1:8080
  kiln keyring init                            a place for keys
  kiln dsu create report.pdf --save record     a new DSU, its key in the keyring
  kiln dsu get @record / patient               what is in it, to ./patient
  kiln share @record                           a read-only key for somebody else
  kiln explain @record                         what it is and what it allows

Data go to stdout, all else to stderr. Exit codes: kiln exit-codes";

const SERVE_HELP: &str = "\
Examples:
  kiln serve                                   loopback, port 8080, data in ./kiln-data
  kiln serve --data /srv/kiln --listen 127.0.0.1:0
  kiln serve --apihub-root /opt/apihub         the domains of an ApiHub
  kiln serve --config kiln.toml --check-config

The node prints `listening on http://ADDR:PORT` on stdout when it is ready, then `admin on …` and
`metrics on …` where there are such listeners.
Environment: KILN__SECTION__KEY overrides a key of the file; KILN_LOG sets the log filter.";

fn main() -> ExitCode {
    let matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return usage::report(&error),
    };
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => run(&cli, &matches),
        Err(error) => usage::report(&error),
    }
}

fn run(cli: &Cli, matches: &ArgMatches) -> ExitCode {
    let common = &cli.common;
    start_logging(&cli.command);
    let outcome = match &cli.command {
        Command::Serve(args) => {
            if let Err(failure) = refuse_client_options(matches, "kiln serve") {
                return failure.report().into();
            }
            let services = [bricks_server::open, anchor_service::open];
            let served = node::serve(args, std::env::vars_os(), &services);
            return node::exit_code(served.map(|()| ExitCode::SUCCESS));
        }
        Command::Store(command) => {
            if let Err(failure) = refuse_options(matches, &LOCAL_OPTIONS, "kiln store") {
                return failure.report().into();
            }
            return node::exit_code(store::run(command, common.output()));
        }
        Command::Admin(args) => refuse_options(matches, &NODE_OPTIONS, "kiln admin")
            .and_then(|()| admin::run(args, common)),
        Command::Backup(command) => backup::run(command, common),
        Command::Dsu(command) => dsu::run(command, common),
        Command::Share(args) => share::run(args, common),
        Command::Push(args) => push::run(args, common),
        Command::Pull(args) => pull::run(args, common),
        Command::Watch(args) => watch::run(args, common),
        Command::Import(command) => import::run(command, common),
        Command::Demo(args) => demo::run(args, common),
        Command::Anchor(command) => anchor::run(command, common),
        Command::Log(command) => {
            let (name, options) = command.options_without_meaning();
            refuse_options(matches, options, name).and_then(|()| log::run(command, common))
        }
        Command::Witness(command) => refuse_client_options(matches, "kiln witness serve")
            .and_then(|()| witness::run(command)),
        Command::Registry(command) => registry::run(command, common),
        Command::Ssi(command) => ssi::run(command, common),
        Command::Explain(args) => explain::run(args, common),
        Command::Keyring(command) => keyring::commands::run(command, common),
        Command::Completions(args) => completions::completions(args, Cli::command()),
        Command::Man(args) => completions::man(args, Cli::command(), common),
        Command::ExitCodes => exit::print_codes(common.output()),
    };
    outcome.unwrap_or_else(|failure| failure.report()).into()
}

/// What a command logs is for who looks for it. What serves has a configuration for it.
fn start_logging(command: &Command) {
    let serves = matches!(command, Command::Serve(_) | Command::Witness(_));
    if let Ok(filter) = std::env::var("KILN_LOG")
        && !serves
    {
        node::start_logging(node::LogFormat::Human, Some(&filter));
    }
}

/// For what serves.
fn refuse_client_options(matches: &ArgMatches, command: &str) -> Result<(), Failure> {
    refuse_options(matches, &CLIENT_OPTIONS, command)
}

/// The parser takes the shared options everywhere. Where somebody could believe that one counts and it
/// would do nothing, it is refused. A variable is not: it is set for all commands at once.
fn refuse_options(matches: &ArgMatches, options: &[&str], command: &str) -> Result<(), Failure> {
    for &option in options {
        if matches.value_source(option) == Some(ValueSource::CommandLine) {
            let message = format!(
                "--{} has no meaning for {command}",
                option.replace('_', "-")
            );
            return Err(Failure::new(Exit::Usage, message)
                .next(format!("leave it out; see {command} --help")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_of_the_commands_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_examples() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path} says nothing");
            if command.has_subcommands() {
                command.get_subcommands().for_each(|it| check(it, &path));
            } else if !path.ends_with("store check") {
                let help = command
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(help.contains("Example"), "{path} has no examples");
            }
        }
        check(&Cli::command(), "");
    }
}
