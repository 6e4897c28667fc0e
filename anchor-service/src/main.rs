//! `anchor-service`: the ledger as a process of its own.

use std::process::ExitCode;

use clap::Parser;
use node::ServeArgs;

/// Keeps anchors, BDNS and versionless DSUs over HTTP
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    let served = node::serve(
        &Cli::parse().serve,
        std::env::vars_os(),
        &[anchor_service::open],
    );
    node::exit_code(served.map(|()| ExitCode::SUCCESS))
}
