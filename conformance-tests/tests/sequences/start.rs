//! The state that a sequence starts from, read from its own calls.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use crate::material::{Material, RecordedCall};

/// What must be on the node before the first call.
#[derive(Debug, Default)]
pub(crate) struct Start {
    /// Bricks by (domain, recorded name).
    pub(crate) bricks: BTreeSet<(String, String)>,
    /// How many versions of each anchor, by (domain, id).
    pub(crate) versions: BTreeMap<(String, String), usize>,
}

impl Start {
    /// What the calls find before they write it themselves. Fails when the
    /// folder lacks the history of an anchor.
    pub(crate) fn of(calls: &[RecordedCall], material: &Material) -> Result<Self> {
        let mut start = Self::default();
        let mut seen = BTreeSet::new();
        for call in calls {
            let segments = call.segments();
            let (Some(&domain), Some(&action)) = (segments.get(1), segments.get(2)) else {
                continue;
            };
            let subject = match segments.get(3) {
                Some(&subject) => subject.to_owned(),
                None => call.message().unwrap_or_default(),
            };
            let key = (domain.to_owned(), subject);
            if !seen.insert(key.clone()) {
                continue;
            }
            match (segments.first(), action) {
                (Some(&"bricking"), "get-brick" | "brick-exists") if call.status == 200 => {
                    start.bricks.insert(key);
                }
                (Some(&"anchor"), _) => {
                    let history = material.history(domain, &key.1);
                    let met = versions_met(history, call);
                    let met = met.with_context(|| format!("anchor {}", key.1))?;
                    start.versions.insert(key, met);
                }
                _ => {}
            }
        }
        Ok(start)
    }
}

/// How many versions of an anchor there were when a call about it was answered.
fn versions_met(history: &[String], call: &RecordedCall) -> Result<usize> {
    let place = |value: &str| history.iter().position(|it| it == value);
    if call.status == 404 {
        return Ok(0);
    }
    match *call.segments().as_slice() {
        ["anchor", _, "create-anchor", _, _] => Ok(0),
        ["anchor", _, "append-to-anchor", _, value] => place(value).context("unknown value"),
        ["anchor", _, "get-last-version", _] => {
            let newest = call.message().context("no last version")?;
            Ok(place(&newest).context("unknown value")? + 1)
        }
        ["anchor", _, "get-all-versions", _] => {
            // Long lists were not kept, but their length was.
            let count = (0..=history.len()).find(|&count| {
                let listed = history.iter().take(count);
                // Brackets, and for each value two quotes and a comma.
                let text: usize = listed.map(|it| it.len() + 3).sum();
                count > 0 && text + 1 == call.res_len
            });
            count.context("no number of versions makes the recorded length")
        }
        _ => anyhow::bail!("not about an anchor"),
    }
}
