//! `bricks-server`: the brick store as a process of its own.

use std::process::ExitCode;

use clap::Parser;
use node::{Logs, ServeArgs};

/// Stores and serves encrypted bricks over HTTP
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    let mut args = Cli::parse().serve;
    args.logs = Logs::Elsewhere;
    let served = node::serve(&args, std::env::vars_os(), &[bricks_server::open]);
    node::exit_code(served.map(|()| ExitCode::SUCCESS))
}
