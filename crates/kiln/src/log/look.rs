//! One look at a log: its newest checkpoint, held against what was seen before, and the entries up
//! to it.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use translog::{Checkpoint, Origin};

use super::continued::{Continued, Old};
use super::files::Files;
use super::finding::{Finding, Kind, Stop};
use super::memory::Memory;
use super::replay::{Openings, Replay};
use super::rules::Counts;
use super::trust::{Believed, Newest, Trust};
use crate::exit::{Exit, Failure};

/// A reader of one log.
pub(super) struct Reader {
    files: Files,
    trust: Trust,
    state: PathBuf,
    old: Old,
    /// Checkpoints from elsewhere, which have to fit.
    pub(super) further: Vec<Believed>,
    replay: Replay,
    /// The last checkpoint that this process found in order.
    last: Option<Believed>,
}

/// What a look gave.
pub(super) enum Look {
    Done(Box<Looked>),
    Failed(Failure),
}

/// What was seen.
#[derive(Default)]
pub(super) struct Looked {
    /// The checkpoint, once it was verified.
    checkpoint: Option<Checkpoint>,
    newest_cosignature_s: Option<u64>,
    /// How many entries were found in order.
    entries: u64,
    anchors: usize,
    openings: Openings,
    counts: Counts,
    /// The size of the remembered checkpoint.
    remembered: Option<u64>,
    /// The log that it continues.
    continued: Option<Continued>,
    /// The first thing that is wrong.
    pub(super) finding: Option<Finding>,
    /// Where the contradicting checkpoints are kept.
    evidence: Option<PathBuf>,
    /// Whether this process had not seen the checkpoint before.
    pub(super) is_news: bool,
}

impl Reader {
    /// A reader that has seen nothing yet but what is remembered in the state folder.
    pub(super) fn new(files: Files, trust: Trust, old: Old, state: PathBuf) -> Self {
        Self {
            files,
            trust,
            state,
            old,
            further: Vec::new(),
            replay: Replay::default(),
            last: None,
        }
    }

    /// Looks at the log once.
    pub(super) async fn look(&mut self) -> Look {
        let (believed, shown) = match self.trust.newest(&self.files.log).await {
            Ok(Some(Newest { believed, shown })) => (believed, shown),
            Ok(None) => return Look::Failed(no_checkpoint()),
            Err(stop) => return stop.into(),
        };
        // The cosigned one is fetched after the other: the log may have grown, and been cosigned, meanwhile.
        let has_grown = believed.checkpoint.size > shown.checkpoint.size;
        let newest = if has_grown { &believed } else { &shown }.clone();
        if let Some(last) = &self.last
            && last.checkpoint == newest.checkpoint
            && !has_grown
        {
            return Look::Done(Box::default());
        }
        let memory = Memory::of(&self.state, &newest.checkpoint.origin);
        let remembered = match memory.read(&self.trust) {
            Ok(remembered) => remembered,
            Err(failure) => return Look::Failed(failure),
        };
        let mut looked = Looked {
            checkpoint: Some(believed.checkpoint.clone()),
            newest_cosignature_s: believed.newest_cosignature_s,
            remembered: remembered.as_ref().map(|it| it.checkpoint.size),
            is_news: true,
            ..Looked::default()
        };
        let mut all: Vec<Believed> = self.further.clone();
        all.extend(remembered);
        let rollback = rollback(&all, &shown.checkpoint);
        all.push(believed);
        all.push(shown);
        let compared = self.compare(&all, &newest, rollback, &mut looked.continued);
        let outcome = compared.await;
        looked.entries = self.replay.size();
        looked.anchors = self.replay.rules.anchors();
        looked.counts = self.replay.rules.counts;
        looked.openings = self.replay.openings;
        let kept = match outcome {
            Ok(()) => memory.write(&newest),
            Err(Stop::Failed(failure)) => {
                // It may have stopped between two steps that belong together.
                self.replay = Replay::default();
                Err(*failure)
            }
            Err(Stop::Found(finding)) => {
                looked.finding = Some(*finding);
                looked.keep_evidence(&memory, &all)
            }
        };
        if let Err(failure) = kept {
            return Look::Failed(failure);
        }
        self.last = Some(newest);
        Look::Done(Box::new(looked))
    }

    /// Replays up to the largest of the checkpoints, and holds the others against it.
    async fn compare(
        &mut self,
        all: &[Believed],
        newest: &Believed,
        rollback: Option<Finding>,
        continued: &mut Option<Continued>,
    ) -> Result<(), Stop> {
        let origin = &newest.checkpoint.origin;
        if let Some(other) = all.iter().find(|it| it.checkpoint.origin != *origin) {
            return Err(of_another_log(&other.checkpoint.origin, origin).into());
        }
        if let Some(finding) = rollback {
            return Err(finding.into());
        }
        // Not the newest itself: its root is compared in the end.
        let mut former: Vec<Checkpoint> = all
            .iter()
            .map(|it| it.checkpoint.clone())
            .filter(|it| *it != newest.checkpoint)
            .collect();
        let judged = self
            .old
            .judge(&self.files, &newest.checkpoint, all, &self.state);
        let (found, kept) = judged.await?;
        *continued = found;
        former.extend(kept);
        self.replay
            .advance(&self.files, &newest.checkpoint, &former)
            .await
    }
}

impl Looked {
    /// Nothing but a finding.
    pub(super) fn found(finding: Finding) -> Self {
        Self {
            finding: Some(finding),
            is_news: true,
            ..Self::default()
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let checkpoint = self.checkpoint.as_ref();
        json!({
            "origin": checkpoint.map(|it| it.origin.as_str()),
            "size": checkpoint.map(|it| it.size),
            "root": checkpoint.map(|it| STANDARD.encode(it.root)),
            "newestCosignature": self.newest_cosignature_s,
            "remembered": self.remembered,
            "entries": self.entries,
            "openings": match self.openings {
                Openings::Unknown => None,
                Openings::Public => Some("public"),
                Openings::Withheld => Some("withheld"),
            },
            "opened": self.counts.opened,
            "erased": self.counts.erased,
            "unjudged": self.counts.unjudged,
            "anchors": self.anchors,
            "continues": self.continued.as_ref().map(Continued::json),
            "finding": self.finding.as_ref().map(Finding::json),
            "evidence": self.evidence,
        })
    }

    /// For people, in several lines.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(checkpoint) = &self.checkpoint {
            lines.push(format!("log         {}", checkpoint.origin));
            let root = STANDARD.encode(checkpoint.root);
            lines.push(format!("checkpoint  size {}, root {root}", checkpoint.size));
            if let Some(continued) = &self.continued {
                lines.push(format!("continues   {}", continued.words()));
            }
            lines.push(format!("entries     {} in order", self.entries));
            lines.push(format!("openings    {}", self.openings_in_words()));
            lines.push(match self.remembered {
                Some(size) => format!("before      compared with the checkpoint of size {size}"),
                None => "before      nothing was remembered of this log".to_owned(),
            });
        }
        match &self.finding {
            None => lines.push("all is well".to_owned()),
            Some(finding) => lines.push(format!("wrong: {}", finding.words())),
        }
        if let Some(evidence) = &self.evidence {
            lines.push(format!("evidence    {}", evidence.display()));
        }
        lines
    }

    /// For people, in one line.
    pub(super) fn line(&self) -> String {
        let place = self.checkpoint.as_ref().map(|it| {
            let root = STANDARD.encode(it.root);
            format!("{}  size {}  root {root}  ", it.origin, it.size)
        });
        let place = place.unwrap_or_default();
        let Some(finding) = &self.finding else {
            let continued = self.continued.as_ref();
            let continued = continued.map(|it| format!("; continues {}", it.words()));
            let (openings, continued) = (self.openings_in_words(), continued.unwrap_or_default());
            return format!("{place}in order, {openings}{continued}");
        };
        let evidence = self.evidence.as_ref();
        let evidence = evidence.map(|it| format!("; evidence: {}", it.display()));
        let evidence = evidence.unwrap_or_default();
        format!("{place}wrong: {}{evidence}", finding.words())
    }

    fn openings_in_words(&self) -> String {
        let Counts {
            opened,
            erased,
            unjudged,
        } = self.counts;
        match self.openings {
            Openings::Unknown => "none are needed yet".to_owned(),
            Openings::Withheld => "withheld: the rules of the anchors were not checked".to_owned(),
            Openings::Public => format!(
                "{opened} opened and {erased} erased, {} anchors; {unjudged} entries cannot be \
                 judged after an erasure",
                self.anchors
            ),
        }
    }

    fn keep_evidence(&mut self, memory: &Memory, notes: &[Believed]) -> Result<(), Failure> {
        let between = |it: &&Finding| it.kind.is_between_checkpoints();
        if let Some(finding) = self.finding.as_ref().filter(between) {
            self.evidence = Some(memory.keep_evidence(&finding.words(), notes)?);
        }
        Ok(())
    }
}

/// What the log shows as its newest must reach as far as what was seen of it before.
fn rollback(seen: &[Believed], shown: &Checkpoint) -> Option<Finding> {
    let size = shown.size;
    let larger = seen.iter().find(|it| it.checkpoint.size > size)?;
    let seen = larger.checkpoint.size;
    let text = format!("it is older than one of size {seen} that the log signed before");
    Some(
        Finding::new(Kind::Rollback, text)
            .at(size)
            .file("checkpoint"),
    )
}

fn no_checkpoint() -> Failure {
    let message = "there is no checkpoint: the log is empty, or this is no log";
    Failure::new(Exit::NotFound, message)
        .next("check the address, as in https://node.example/log/default")
}

fn of_another_log(found: &Origin, expected: &Origin) -> Failure {
    let message = format!("a given checkpoint is of the log {found}, and this is {expected}");
    Failure::new(Exit::Usage, message).next("give checkpoints of this log")
}
