//! `anchor-service`: the ledger as a process of its own.

use clap::Parser;
use node::{ServeArgs, Setup};

/// Keeps anchors, BDNS and versionless DSUs over HTTP
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let Some(setup) = Setup::new(&cli.serve, std::env::vars())? else {
        return Ok(());
    };
    node::runtime()?.block_on(async {
        let part = anchor_service::open(&setup)?;
        setup.watch_apihub()?;
        setup.run(vec![part]).await
    })
}
