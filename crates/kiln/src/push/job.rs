//! The run of a push over all items, and what it decides for each.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use client::Client;
use client::dsus::{DsuError, history};
use futures_util::{StreamExt, TryStreamExt, stream};
use keyssi::{AnchorId, Domain, KeySsi};

use super::journal::{Begun, Journal, Known, Stored};
use super::keys::{Found, Keys};
use super::report::{Fate, Line};
use super::send::{self, SendError};
use super::source::{self, Item, Origin, Plan};
use crate::exit::{Exit, Failure};
use crate::keyring::Taken;

/// So many items in a row for which the node could not be reached end the run: the others would
/// fail in the same way, each after minutes of trying.
const AWAY_MAX: usize = 8;

/// What is written down of the items.
pub(super) struct Register<'a> {
    pub(super) journal: Journal,
    pub(super) keys: Keys<'a>,
}

/// A run.
pub(super) struct Job<'a> {
    client: &'a Client,
    domain: Domain,
    register: Mutex<Register<'a>>,
    /// Items in a row that failed because the node could not be reached.
    away: AtomicUsize,
}

/// What to do with an item.
enum Step {
    /// Nothing more.
    Done(Fate),
    /// Send it with this key, which is kept, as the journal says.
    Send(Box<KeySsi>),
    /// It was begun with keys that cannot be read here, or that are gone. If one of their anchors
    /// exists, it is stored if its key is kept, else it fails; if none does, nothing of it can be
    /// seen, and it is begun anew.
    Ask(Taken),
}

impl<'a> Job<'a> {
    pub(super) fn new(client: &'a Client, domain: Domain, register: Register<'a>) -> Self {
        let register = Mutex::new(register);
        let away = AtomicUsize::new(0);
        Self {
            client,
            domain,
            register,
            away,
        }
    }

    /// Deals with all items, `jobs` at a time, and gives their lines in the order of the items.
    ///
    /// # Errors
    /// What stops the whole run: the node is away, the journal or the keys cannot be written. The
    /// next run goes on from there.
    ///
    /// # Cancellation
    /// As a kill: the next run goes on from there.
    pub(super) async fn run(
        &self,
        items: Vec<Item>,
        jobs: usize,
        done: impl Fn(usize),
    ) -> Result<Vec<Line>, Failure> {
        let work = stream::iter(items.into_iter().enumerate()).map(|(index, item)| async move {
            let line = self.item(item).await?;
            Ok::<_, Failure>((index, line))
        });
        let mut work = work.buffer_unordered(jobs);
        let mut lines = Vec::new();
        while let Some(line) = work.try_next().await? {
            lines.push(line);
            done(lines.len());
        }
        lines.sort_by_key(|(index, _)| *index);
        self.with_register(|register| register.journal.finish())?;
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }

    async fn item(&self, item: Item) -> Result<Line, Failure> {
        let line = |fate| Line {
            item: item.name.clone(),
            key: None,
            anchor: None,
            bytes: None,
            fate,
        };
        if let Origin::Nothing(why) = item.origin {
            return Ok(line(Fate::Skipped(why.to_owned())));
        }
        let origin = item.origin.clone();
        let planned = tokio::task::spawn_blocking(move || source::plan(&origin)).await;
        let plan = match planned {
            Ok(Ok(plan)) => Arc::new(plan),
            Ok(Err(why)) => return Ok(line(Fate::Failed(why))),
            Err(ended) => return Ok(line(Fate::Failed(ended.to_string()))),
        };
        if plan.files.is_empty() {
            return Ok(line(Fate::Skipped("it holds no files".to_owned())));
        }
        let fate = self.planned(&item.name, &plan).await?;
        let (key, anchor) = self.with_register(|register| {
            let known = register.journal.known(&item.name);
            let begun = known.begun.last();
            Ok(begun.map(|it| (it.key.clone(), it.anchor.clone())).unzip())
        })?;
        let bytes = Some(plan.files.iter().map(|it| it.bytes).sum());
        Ok(Line {
            key,
            anchor,
            bytes,
            ..line(fate)
        })
    }

    async fn planned(&self, name: &str, plan: &Plan) -> Result<Fate, Failure> {
        let step = self.with_register(|register| register.decide(name, plan, &self.domain))?;
        let ssi = match step {
            Step::Done(fate) => return Ok(fate),
            Step::Send(ssi) => ssi,
            Step::Ask(taken) => match self.ask(name, plan, taken).await {
                Ok(Some(fate)) => return Ok(fate),
                Ok(None) => self.with_register(|register| {
                    register.begin_anew(name, plan, &self.domain, taken)
                })?,
                Err(error) => return self.failed(&error.into()),
            },
        };
        match send::send(self.client, &ssi, plan).await {
            Ok(version) => {
                self.away.store(0, Ordering::Relaxed);
                self.with_register(|register| register.store(name, &ssi, plan, version))?;
                Ok(Fate::Stored(version))
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Asks the node for the anchors with which an item was begun. `taken` is what is known of its
    /// key: a name that is free means that the key is gone.
    async fn ask(&self, name: &str, plan: &Plan, taken: Taken) -> Result<Option<Fate>, DsuError> {
        let known = self.with_register(|register| Ok(register.journal.known(name)));
        let all = known.unwrap_or_default().begun;
        for begun in &all {
            let Some(id) = begun.anchor() else { continue };
            let history = history(self.client, &id).await?;
            if history.is_empty() {
                continue;
            }
            // Begun once with this key, and anchored once: what is there is what was sent.
            let mut of_anchor = all.iter().filter(|it| it.anchor == begun.anchor);
            let is_same = of_anchor.all(|it| it.content == plan.fingerprint);
            let why = if taken == Taken::Refuse {
                KEY_GONE.to_owned()
            } else if is_same && history.len() == 1 {
                let version = 0;
                let stored = Stored {
                    item: name.to_owned(),
                    anchor: begun.anchor.clone(),
                    content: begun.content.clone(),
                    version,
                };
                match self.with_register(|register| register.journal.store(stored)) {
                    Ok(()) => return Ok(Some(Fate::Stored(version))),
                    Err(failure) => failure.to_string(),
                }
            } else {
                CHANGED_UNREADABLE.to_owned()
            };
            return Ok(Some(Fate::Failed(why)));
        }
        Ok(None)
    }

    fn failed(&self, error: &SendError) -> Result<Fate, Failure> {
        let words = error.words();
        if !error.is_node_away() {
            self.away.store(0, Ordering::Relaxed);
            return Ok(Fate::Failed(words));
        }
        if self.away.fetch_add(1, Ordering::Relaxed) + 1 < AWAY_MAX {
            return Ok(Fate::Failed(words));
        }
        Err(Failure::new(Exit::Unreachable, words)
            .next("run the same command again when the node is back: it goes on from here"))
    }

    /// Syncs to disk, which takes milliseconds: the other threads go on meanwhile.
    fn with_register<T>(
        &self,
        act: impl FnOnce(&mut Register<'a>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        tokio::task::block_in_place(|| {
            let mut register = self.register.lock().unwrap_or_else(PoisonError::into_inner);
            act(&mut register)
        })
    }

    /// How often the job was started.
    pub(super) fn starts(&self) -> u64 {
        let register = self.register.lock().unwrap_or_else(PoisonError::into_inner);
        register.journal.starts()
    }
}

const CHANGED_UNREADABLE: &str = "it changed after it was stored, and its key cannot be read \
    here to write a new version; open the keyring with --identity FILE";
const KEY_GONE: &str = "it was stored before, and its key is not among the keys any more; name the \
    key file or the keyring of the earlier run";
const KEY_OTHER: &str = "the key under its name is not the one that it was begun with";
const KEY_TAKEN: &str = "there is a key under its name that this push did not make";
const KEY_DOMAIN: &str = "the key under its name is for another domain; name it with --domain";

impl Register<'_> {
    /// What to do with an item. The journal and the keys hold all that the step needs.
    fn decide(&mut self, item: &str, plan: &Plan, domain: &Domain) -> Result<Step, Failure> {
        let done = |why: &str| Ok(Step::Done(Fate::Failed(why.to_owned())));
        let known = self.journal.known(item);
        if let Some((stored, _)) = &known.stored
            && stored.content == plan.fingerprint
            // Else a killed run may have anchored another content after it.
            && known.begun.last().is_none_or(|last| last.content == stored.content)
        {
            return Ok(Step::Done(if self.journal.is_of_this_job(&known) {
                Fate::Stored(stored.version)
            } else {
                Fate::Skipped("unchanged since it was stored".to_owned())
            }));
        }
        let name = self.keys.name_of(item);
        match self.keys.find(&name)? {
            Found::Key(ssi) => match fault_of(&ssi, &known, domain) {
                Some(why) => done(why),
                None => self.begin(item, &name, ssi, plan).map(Step::Send),
            },
            Found::Absent if known.stored.is_some() => done(KEY_GONE),
            Found::Absent if known.begun.is_empty() => self
                .begin_anew(item, plan, domain, Taken::Refuse)
                .map(Step::Send),
            // Killed after the journal and before the key; or the key was removed since.
            Found::Absent => Ok(Step::Ask(Taken::Refuse)),
            Found::Unreadable if known.stored.is_some() => done(CHANGED_UNREADABLE),
            Found::Unreadable if known.begun.is_empty() => done(KEY_TAKEN),
            Found::Unreadable => Ok(Step::Ask(Taken::Replace)),
        }
    }

    /// Begins an item with a new key. First the journal: a key that the journal does not know
    /// could not be replaced in a keyring that cannot be read.
    fn begin_anew(
        &mut self,
        item: &str,
        plan: &Plan,
        domain: &Domain,
        taken: Taken,
    ) -> Result<Box<KeySsi>, Failure> {
        let ssi = super::new_seed(domain)?;
        let name = self.keys.name_of(item);
        let ssi = self.begin(item, &name, ssi, plan)?;
        self.keys.add(&name, &ssi, taken)?;
        Ok(ssi)
    }

    fn begin(
        &mut self,
        item: &str,
        key: &str,
        ssi: KeySsi,
        plan: &Plan,
    ) -> Result<Box<KeySsi>, Failure> {
        let begun = Begun {
            item: item.to_owned(),
            key: key.to_owned(),
            anchor: anchor_of(&ssi)?,
            content: plan.fingerprint.clone(),
        };
        let known = self.journal.known(item);
        let is_noted = known.begun.last().is_some_and(|last| {
            last.anchor == begun.anchor && last.content == begun.content && last.key == begun.key
        });
        if !is_noted {
            self.journal.begin(begun)?;
        }
        Ok(Box::new(ssi))
    }

    fn store(
        &mut self,
        item: &str,
        ssi: &KeySsi,
        plan: &Plan,
        version: usize,
    ) -> Result<(), Failure> {
        self.journal.store(Stored {
            item: item.to_owned(),
            anchor: anchor_of(ssi)?,
            content: plan.fingerprint.clone(),
            version,
        })
    }
}

/// Why a key must not be used for an item, if so.
fn fault_of(ssi: &KeySsi, known: &Known, domain: &Domain) -> Option<&'static str> {
    if ssi.domain() != domain.as_str() {
        return Some(KEY_DOMAIN);
    }
    let anchor = anchor_of(ssi).ok();
    let is_known = known
        .begun
        .iter()
        .any(|it| Some(&it.anchor) == anchor.as_ref());
    (!known.begun.is_empty() && !is_known).then_some(KEY_OTHER)
}

fn anchor_of(ssi: &KeySsi) -> Result<String, Failure> {
    let id = AnchorId::of(ssi).map_err(|error| {
        Failure::new(Exit::WrongKey, "a key has no anchor")
            .because(error)
            .next("see with `kiln explain` what the key is")
    })?;
    Ok(id.as_str().to_owned())
}
