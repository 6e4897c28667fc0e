//! The `kiln` command.
//!
//! Exit codes: 0 done, 1 a negative answer (a check that found something), 2 wrong usage,
//! 3 the command could not be carried out.

mod store;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use node::{ServeArgs, Setup};

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

/// The command could not be carried out.
const EXIT_FAILED: u8 = 3;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve(&args).map(|()| ExitCode::SUCCESS),
        Command::Store(command) => store::run(&command),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(EXIT_FAILED)
    })
}

fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    let Some(setup) = Setup::new(args, std::env::vars())? else {
        return Ok(());
    };
    node::runtime()?.block_on(async {
        let parts = vec![bricks_server::open(&setup)?, anchor_service::open(&setup)?];
        setup.watch_apihub()?;
        setup.run(parts).await
    })
}
