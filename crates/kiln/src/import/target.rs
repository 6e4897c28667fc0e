//! Opening what an import writes to.

use std::fs::File;
use std::path::PathBuf;

use brickstore::{BrickStore, EngineOptions, Mode};
use client::{ClientOptions, NodeUrl};
use import::Target;
use ledger::EmbeddedLedger;
use node::LimitsConfig;
use sha2::{Digest as _, Sha256};

use super::Place;
use crate::common::Common;
use crate::context;
use crate::exit::{Exit, Failure};
use crate::hex::hex;

/// What an import writes to.
pub(super) struct Opened {
    pub(super) target: Target,
    /// Where the import keeps its journals.
    pub(super) memory: PathBuf,
    /// The data folder of a stopped node, as the system knows it.
    pub(super) data: Option<PathBuf>,
    /// Held as long as the stores are open.
    _locks: Vec<File>,
}

/// Opens the stores of a stopped node, made if they are not there, or a client of a running one.
///
/// # Errors
/// [`Exit::Local`] when the stores are in use or cannot be opened, else those of the options.
pub(super) fn open(place: &Place, common: &Common) -> Result<Opened, Failure> {
    let Some(data) = &place.data else {
        let node = common.node()?;
        let name = Sha256::digest(NodeUrl::from(&node).to_string());
        let name = hex(name.get(..8).unwrap_or_default());
        let memory = common.state()?.join("import").join(name);
        let client = context::open(common, ClientOptions::new(node))?;
        return Ok(Opened {
            target: Target::Node(client),
            memory,
            data: None,
            _locks: Vec::new(),
        });
    };
    let mut locks = Vec::new();
    for store in ["bricks", "anchors"] {
        let lock = node::lock_store(data, store).map_err(|error| {
            Failure::new(Exit::Local, format!("{error:#}")).next(
                "stop the node, or import into it while it runs, with --node and without --data",
            )
        })?;
        locks.push(lock);
    }
    let data = data
        .canonicalize()
        .map_err(|error| Failure::io(format!("{} cannot be used", data.display()), error))?;
    let options = EngineOptions {
        free_bytes_min: LimitsConfig::default().free_bytes_min,
        mode: Mode::Serve,
    };
    let failed = |error: brickstore::OpenError| {
        Failure::new(Exit::Local, "a store cannot be opened")
            .because(error)
            .next("see what is wrong with `kiln store check --data DIR`")
    };
    let bricks = BrickStore::open(&data.join("bricks"), options.clone()).map_err(failed)?;
    let ledger = EmbeddedLedger::open(&data.join("anchors"), options, node::clock_ms);
    let ledger = ledger.map_err(failed)?;
    Ok(Opened {
        target: Target::Stores { bricks, ledger },
        memory: data.join("import"),
        data: Some(data),
        _locks: locks,
    })
}
