//! The store of a stopped node, for commands on a log that is on hold.

use std::fs::File;
use std::path::{Path, PathBuf};

use causes::with_causes;
use clap::Args;
use keyssi::Domain;
use ledger::{EmbeddedLedger, EngineOptions, Mode, Outside, Regard};
use node::LimitsConfig;
use translog::{LogKey, NOTE_BYTES_MAX, Origin, SignedNote, VerifierKey};

use crate::common::DataArgs;
use crate::exit::{Exit, Failure};
use crate::local_file::read_bounded;

/// What to do about a key that is not that of a log.
pub(super) const NAME_KEY: &str = "name the log's key with --key";

/// What to do about a store that cannot be read.
pub(super) const CHECK_STORE: &str =
    "see what is wrong with `kiln store check`, run as the user that the node runs as";

/// Which log, and what was kept of it elsewhere.
#[derive(Args)]
pub(super) struct StoreArgs {
    #[command(flatten)]
    folder: DataArgs,
    /// The domain
    #[arg(long, value_name = "NAME", default_value = "default")]
    domain: String,
    /// A signed checkpoint of the log that was kept elsewhere; can be repeated
    #[arg(long, value_name = "FILE", required = true)]
    checkpoint: Vec<PathBuf>,
    /// Leave out of account what stands on a chain, when the key of the account was stolen
    #[arg(long)]
    without_chain: bool,
    /// The log's key [default: DIR/keys/NAME.log-key]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl StoreArgs {
    /// # Errors
    /// [`Exit::Usage`] for a name that is none.
    pub(super) fn domain(&self) -> Result<Domain, Failure> {
        self.domain.parse().map_err(|error| {
            Failure::new(Exit::Usage, format!("{:?} is no domain", self.domain))
                .because(error)
                .next("name the domain as the node's configuration does")
        })
    }

    /// Where the log's key is.
    pub(super) fn key_path(&self, domain: &Domain) -> PathBuf {
        let default = || {
            self.folder
                .data
                .join("keys")
                .join(format!("{domain}.log-key"))
        };
        self.key.clone().unwrap_or_else(default)
    }

    /// The folder of the store.
    pub(super) fn anchors(&self) -> PathBuf {
        self.folder.data.join("anchors")
    }

    /// Keeps the node from starting as long as the file is held.
    ///
    /// # Errors
    /// [`Exit::Local`] while it runs, and for a folder without anchors.
    pub(super) fn lock(&self) -> Result<File, Failure> {
        self.require_anchors()?;
        node::lock_store(&self.folder.data, "anchors").map_err(|error| {
            Failure::new(Exit::Local, format!("{error:#}"))
                .next("stop the node, then run this again")
        })
    }

    /// Locking makes the folder, and opening makes a store in it: under a mistyped name they would make
    /// an empty node, whose log is not on hold.
    fn require_anchors(&self) -> Result<(), Failure> {
        let data = &self.folder.data;
        // A restore that was cut off is said by whoever locks the store.
        let is_unfinished = || data.join(backup::UNFINISHED).exists();
        if self.anchors().join("CURRENT").exists() || is_unfinished() {
            return Ok(());
        }
        let message = format!("{} holds no anchors", data.display());
        Err(Failure::new(Exit::Local, message).next("name the node's data folder with --data"))
    }

    /// Opens the store.
    ///
    /// # Errors
    /// [`Exit::Local`].
    pub(super) fn open(&self) -> Result<EmbeddedLedger, Failure> {
        let options = EngineOptions {
            free_bytes_min: LimitsConfig::default().free_bytes_min,
            mode: Mode::Serve,
        };
        let opened = EmbeddedLedger::open(&self.anchors(), options, node::clock_ms);
        opened.map_err(|error| {
            Failure::new(Exit::Local, "the anchors cannot be opened")
                .because(error)
                .next(CHECK_STORE)
        })
    }

    /// Which of the checkpoints that were seen during the hold count.
    pub(super) fn regard(&self) -> Regard {
        if self.without_chain {
            Regard::Signed
        } else {
            Regard::All
        }
    }

    /// The checkpoints that were given, each under one of the log's keys.
    ///
    /// # Errors
    /// [`Exit::Negative`] for a file that is none.
    pub(super) fn outside(&self, keys: &[VerifierKey]) -> Result<Vec<Outside>, Failure> {
        let name = keys.first().map(|key| key.name().as_str());
        let origin = name.and_then(|name| Origin::parse(name).ok());
        let origin = origin.ok_or_else(|| {
            Failure::new(Exit::Local, "the name in the key is not that of a log").next(NAME_KEY)
        })?;
        let read = |path: &PathBuf| {
            let name = path.display().to_string();
            let refused = |why: String| {
                Failure::new(Exit::Negative, format!("{name} is of no use: {why}")).next(
                    "give a signed checkpoint of this very log, as a witness or a monitor keeps it",
                )
            };
            let bytes = read_bounded(path, NOTE_BYTES_MAX as u64)?;
            let text = std::str::from_utf8(&bytes).map_err(|error| refused(error.to_string()))?;
            let note = SignedNote::parse(text).map_err(|error| refused(with_causes(&error)))?;
            Outside::signed(&note, &origin, keys, &name).map_err(|error| refused(error.to_string()))
        };
        self.checkpoint.iter().map(read).collect()
    }
}

/// Reads the key of a log from its file.
///
/// # Errors
/// [`Exit::Local`].
pub(super) fn load_key(path: &Path) -> Result<LogKey, Failure> {
    let text = node::load_key_file(path)
        .map_err(|error| Failure::new(Exit::Local, with_causes(&error)).next(NAME_KEY))?;
    parse_key(path, &text)
}

/// Reads the key of a log.
///
/// # Errors
/// [`Exit::Local`]; the key is not in it.
pub(super) fn parse_key(path: &Path, text: &str) -> Result<LogKey, Failure> {
    LogKey::parse(text).map_err(|error| {
        let message = format!("{} is not a log's key", path.display());
        Failure::new(Exit::Local, message)
            .because(error)
            .next(NAME_KEY)
    })
}
