//! What every command that talks to a node has: the client, the clock, progress, Ctrl-C.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use client::{Client, ClientOptions, Event};
use dsu::Moment;
use keyssi::KeySsi;
use tokio::signal::unix::{SignalKind, signal};

use crate::common::Common;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::secret_input::read_key;

/// Bad nodes that are told of one by one.
const WARNINGS_MAX: usize = 20;

/// A running command.
pub(crate) struct Context<'a> {
    pub(crate) common: &'a Common,
    pub(crate) client: Client,
    pub(crate) progress: Progress,
    warnings: Warnings,
}

/// What was told of bad nodes, each thing once.
type Warnings = Arc<Mutex<BTreeSet<String>>>;

/// Carries out a command that talks to the node of the common options. Ctrl-C drops it where it
/// waits: what cleans up after it must do so when dropped.
///
/// Keys are read, and passphrases asked for, before: a prompt would not see Ctrl-C.
///
/// # Errors
/// [`Exit::Interrupted`] after Ctrl-C or SIGTERM, else those of the command.
pub(crate) fn run<'a, F>(common: &'a Common, command: F) -> Outcome
where
    F: AsyncFnOnce(&Context<'a>) -> Outcome,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("no threads can be started", error))?;
    let outcome = runtime.block_on(async {
        let context = Context::new(common)?;
        let outcome = tokio::select! {
            outcome = command(&context) => outcome,
            interrupted = interrupted() => Err(interrupted),
        };
        context.progress.end();
        context.tell_warnings(outcome.as_ref().err());
        outcome
    });
    // A read of stdin that nobody waits for any more must not hold the process.
    runtime.shutdown_background();
    outcome
}

impl<'a> Context<'a> {
    fn new(common: &'a Common) -> Result<Self, Failure> {
        let client = open(common, ClientOptions::new(common.node()?))?;
        let progress = Progress::new(common.output());
        let warnings = Warnings::default();
        let (seen, bar) = (Arc::clone(&warnings), progress.clone());
        client.on_event(Arc::new(move |event| match event {
            Event::BrickStored { bytes, .. }
            | Event::BrickSkipped { bytes, .. }
            | Event::BrickFetched { bytes, .. } => bar.advance(*bytes),
            Event::Retry { url, what, .. } => bar.remark(&format!("trying again: {url}: {what}")),
            Event::BadNode { url, what } => {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.insert(format!("{url}: {what}"));
            }
            Event::HeadNotRemembered { what } => {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.insert(format!("the newest version cannot be remembered: {what}"));
            }
            _ => {}
        }));
        Ok(Self {
            common,
            client,
            progress,
            warnings,
        })
    }

    /// How the command speaks.
    pub(crate) fn output(&self) -> Output {
        self.common.output()
    }

    /// The same client for another node, with the same memory of heads and without progress.
    ///
    /// # Errors
    /// [`Exit::Usage`] if the address is none.
    pub(crate) fn client_of(&self, node: &url::Url) -> Result<Client, Failure> {
        open(self.common, ClientOptions::new(node.clone()))
    }

    /// Tells of bad nodes, unless the failure does.
    fn tell_warnings(&self, failure: Option<&Failure>) {
        let told = failure.map(ToString::to_string).unwrap_or_default();
        let seen = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let untold = seen.iter().filter(|it| !told.contains(it.as_str()));
        for text in untold.clone().take(WARNINGS_MAX) {
            output::warn(text);
        }
        if let Some(more) = untold.count().checked_sub(WARNINGS_MAX)
            && more > 0
        {
            output::warn(&format!("and {more} more like these"));
        }
    }
}

/// The present time.
pub(crate) fn now() -> Moment {
    Moment::from_millis(node::clock_ms())
}

/// Reads a KEY argument (see [`read_key`]) or a link that `kiln share` made: the key is what comes
/// after the `#`.
///
/// # Errors
/// As [`read_key`].
pub(crate) fn key(given: &str, common: &Common) -> Result<KeySsi, Failure> {
    let is_link = given.starts_with("https://") || given.starts_with("http://");
    match given.split_once('#') {
        Some((_, key)) if is_link => read_key(key, common),
        _ => read_key(given, common),
    }
}

/// A client that remembers heads in the state folder.
///
/// # Errors
/// [`Exit::Usage`] if the address is none, [`Exit::Local`] without a state folder, and those of the
/// node's API key.
pub(crate) fn open(common: &Common, mut options: ClientOptions) -> Result<Client, Failure> {
    options.api_key = common.api_key_for(&options.node)?;
    options.heads = Some(common.state()?.join("heads"));
    options.authorities = common.authorities()?;
    Ok(Client::new(options)?)
}

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn interrupted() -> Failure {
    let refused = |error| Failure::io("signals cannot be received", error);
    let (interrupt, terminate) = match (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) {
        (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
        (Err(error), _) | (_, Err(error)) => return refused(error),
    };
    let (mut interrupt, mut terminate) = (interrupt, terminate);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Failure::new(Exit::Interrupted, "interrupted")
        .next("start it again; what is stored already is not sent again")
}
