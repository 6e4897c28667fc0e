//! A damaged newest version is named, and the last good one is found.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use dsu::{Damage, History, Recovery};
use keyssi::{AnchorId, AnchorValue, BrickHash, KeySsi};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Counts;
use crate::scenario::Scenario;
use crate::view::View;

/// `recovery.json`: what the SDK did when the newest brick map was gone. It
/// comes without bricks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Recorded {
    ssi: String,
    missing_brick_map: String,
    notes: Notes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Notes {
    load: Run,
    recovery: Run,
    recovery_write: Run,
    recovery_write_begin: Run,
    #[serde(rename = "versionsAfter")]
    versions_after: Vec<String>,
}

/// One run of the SDK.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Run {
    calls: Vec<Map<String, Value>>,
    error: Option<Value>,
    rec_err: Option<Value>,
    content_recovery_called: Option<bool>,
    files: Option<Vec<String>>,
    a: Option<String>,
}

impl Run {
    /// What follows `prefix` in the paths that were asked for.
    fn asked<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let paths = self.calls.iter().filter_map(|it| it.get("path")?.as_str());
        paths.filter_map(move |path| path.strip_prefix(prefix))
    }
}

pub(crate) fn check(file: &Path, counts: &mut Counts) -> Result<()> {
    let recorded: Recorded = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let ssi = KeySsi::parse(&recorded.ssi)?;
    let id = AnchorId::of(&ssi)?;
    let notes = &recorded.notes;
    let (domain, missing) = (
        id.domain(),
        recorded.missing_brick_map.parse::<BrickHash>()?,
    );
    // The chain holds through the version that was lost and the one after it.
    let whole = History::check(&id, &notes.versions_after)?;
    let lost = (0..whole.len())
        .find(|it| whole.brick_map(*it).is_some_and(|it| it.hash == missing))
        .context("the missing brick map is none of the history")?;
    let before = History::check(&id, &notes.versions_after[..=lost])?;
    ensure!(whole.extends(&before.seen_head()).is_ok(), "not continued");
    // What a client sees that finds the newest version damaged.
    let mut recovery = Recovery::new(&ssi, &before);
    let wanted = recovery.wanted().context("nothing wanted")?;
    ensure!(wanted.0 == lost && wanted.1.hash == missing, "{wanted:?}");
    ensure!(recovery.offer(None).is_none(), "opened without a brick");
    let damaged = recovery.damaged();
    ensure!(
        damaged.len() == 1 && damaged[0].version == lost,
        "{damaged:?}"
    );
    ensure!(
        damaged[0].damage == Damage::Missing { hash: missing },
        "{damaged:?}"
    );
    let good = recovery.wanted().context("no version is left")?;
    ensure!(good.0 == lost - 1, "{good:?}");
    // It is the one that the SDK loaded, after it had missed the newest.
    let bricks = format!("/bricking/{domain}/get-brick/");
    let exists = format!("/bricking/{domain}/brick-exists/");
    for run in [
        &notes.recovery,
        &notes.recovery_write,
        &notes.recovery_write_begin,
    ] {
        ensure!(run.content_recovery_called == Some(true), "{run:?}");
        ensure!(
            run.asked(&bricks).next() == Some(&good.1.hash.to_string()),
            "{run:?}"
        );
        ensure!(
            run.asked(&exists).next() == Some(&missing.to_string()),
            "{run:?}"
        );
        let histories = format!("/anchor/{domain}/get-all-versions/");
        ensure!(run.asked(&histories).next() == Some(id.as_str()), "{run:?}");
        ensure!(run.error.is_some() == run.rec_err.is_some(), "{run:?}");
        ensure!(run.error.is_some() != run.files.is_some(), "{run:?}");
        ensure!(run.files.is_some() == run.a.is_some(), "{run:?}");
    }
    check_ends(notes, &id, &whole, lost)?;
    counts.recoveries += 1;
    Ok(())
}

/// What the SDK was told before, and what it appended in the end.
fn check_ends(notes: &Notes, id: &AnchorId, whole: &History, lost: usize) -> Result<()> {
    let domain = id.domain();
    let newest = whole.version(lost).context("no version")?.as_str();
    let is_told = |call: &Map<String, Value>| {
        let body = call.get("resBody").and_then(Value::as_str);
        body.is_some_and(|body| body.contains(newest))
    };
    ensure!(notes.load.error.is_some(), "the load did not fail");
    ensure!(notes.load.calls.iter().any(is_told), "another newest value");
    let append = format!("/anchor/{domain}/append-to-anchor/{}/", id.as_str());
    let appended: Vec<&str> = notes.recovery_write_begin.asked(&append).collect();
    let after = whole
        .values()
        .iter()
        .skip(lost + 1)
        .map(AnchorValue::as_str);
    ensure!(after.eq(appended.iter().copied()), "appended {appended:?}");
    let (_, newest_map) = whole.latest_brick_map().context("no brick map")?;
    let name = newest_map.hash.to_string();
    let puts = notes
        .recovery_write_begin
        .calls
        .iter()
        .filter_map(|it| it.get("resBody"));
    let stored = |body: &Value| body.as_str().is_some_and(|it| it.contains(&name));
    ensure!(puts.into_iter().any(stored), "the last map was not stored");
    Ok(())
}

/// Takes the newest versions of a recorded DSU away, or damages them.
pub(crate) fn simulate(scenario: &Scenario, view: &View<'_>) -> Result<()> {
    let newest = view.history.len() - 1;
    if scenario.file.omit_bricks {
        return Ok(());
    }
    for lost in 0..=newest {
        let mut recovery = Recovery::new(&view.ssi, &view.history);
        for version in (lost..=newest).rev() {
            let (wanted, brick) = recovery.wanted().context("nothing wanted")?;
            ensure!(wanted == version, "version {wanted} is wanted");
            let mut bytes = scenario.brick(&brick)?.to_vec();
            *bytes.last_mut().context("an empty brick")? ^= 1;
            let damaged = version.is_multiple_of(2).then_some(&*bytes);
            ensure!(recovery.offer(damaged).is_none(), "opened");
        }
        let named = recovery.damaged().iter().map(|it| it.version);
        ensure!(named.eq((lost..=newest).rev()), "{:?}", recovery.damaged());
        let Some((version, brick)) = recovery.wanted() else {
            ensure!(lost == 0, "nothing is wanted after version {lost}");
            continue;
        };
        let found = recovery.offer(Some(scenario.brick(&brick)?));
        let (found, map) = found.context("a good version was not opened")?;
        ensure!(found == version && version + 1 == lost, "version {found}");
        ensure!(map == view.maps[version], "another map");
    }
    Ok(())
}
