//! The `kiln` command.
//!
//! Exit codes: 0 done, 1 a negative answer (a check that found something), 2 wrong usage,
//! 3 the command could not be carried out.

mod store;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use node::ServeArgs;

/// Storage for health data: encrypted bricks, append-only anchors, unmodified OpenDSU wallets
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve bricks, anchors, BDNS and versionless DSUs from one process
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// Look at the stores of a stopped node
    #[command(subcommand)]
    Store(store::StoreCommand),
}

const SERVE_HELP: &str = "\
Examples:
  kiln serve                                   loopback, port 8080, data in ./kiln-data
  kiln serve --data /srv/kiln --listen 127.0.0.1:0
  kiln serve --apihub-root /opt/apihub         the domains of an ApiHub
  kiln serve --config kiln.toml --check-config

When the node is ready it prints one line on stdout: listening on http://ADDR:PORT
Environment: KILN__SECTION__KEY overrides a key of the file; KILN_LOG sets the log filter.";

fn main() -> ExitCode {
    node::exit_code(match Cli::parse().command {
        Command::Serve(args) => {
            let services = [bricks_server::open, anchor_service::open];
            node::serve(&args, std::env::vars_os(), &services).map(|()| ExitCode::SUCCESS)
        }
        Command::Store(command) => store::run(&command),
    })
}
