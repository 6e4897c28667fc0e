//! One DSU seen through one identifier: names, keys, history, versions.

use anyhow::{Context as _, Result, ensure};
use dsu::{BrickMap, BrickSealer, History, Rollback, SeenHead};
use keyssi::{AnchorId, KeySsi, SsiKind};

use crate::Counts;
use crate::scenario::{RecordedSsi, RecordedView, Scenario, hex};
use crate::version;

/// A view that was checked.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) recorded: &'a RecordedView,
    pub(crate) ssi: KeySsi,
    pub(crate) id: AnchorId,
    pub(crate) history: History,
    pub(crate) maps: Vec<BrickMap>,
}

impl<'a> View<'a> {
    pub(crate) fn check(
        scenario: &'a Scenario,
        index: usize,
        counts: &mut Counts,
    ) -> Result<View<'a>> {
        let recorded = &scenario.file.dsus[index];
        let ssi = parse(&recorded.key_ssi)?;
        check_names(&ssi, recorded)?;
        let id = AnchorId::of(&ssi)?;
        ensure!(id.as_str() == recorded.anchor_id, "anchor id {id:?}");
        ensure!(id.plain() == recorded.anchor_id_plain, "anchor id {id:?}");
        let history = check_history(&id, recorded)?;
        counts.views += 1;
        let mut view = View {
            recorded,
            ssi,
            id,
            history,
            maps: Vec::new(),
        };
        for version in 0..recorded.versions.len() {
            let map = version::check(scenario, index, &view, version, counts)
                .with_context(|| format!("version {version}"))?;
            view.maps.push(map);
        }
        Ok(view)
    }

    /// The newest version.
    pub(crate) fn newest(&self) -> Result<&BrickMap> {
        self.maps.last().context("no version")
    }
}

/// Both forms are read alike and written as they were.
fn parse(recorded: &RecordedSsi) -> Result<KeySsi> {
    let ssi = KeySsi::parse(&recorded.id)?;
    ensure!(ssi == KeySsi::parse(&recorded.plain)?, "two identifiers");
    check_ssi(&ssi, recorded)?;
    Ok(ssi)
}

fn check_ssi(ssi: &KeySsi, recorded: &RecordedSsi) -> Result<()> {
    ensure!(ssi.kind().name() == recorded.kind, "{ssi:?}: type");
    ensure!(*ssi.wrapped() == recorded.id, "{ssi:?}: id");
    ensure!(*ssi.plain() == recorded.plain, "{ssi:?}: plain");
    Ok(())
}

fn check_names(ssi: &KeySsi, recorded: &RecordedView) -> Result<()> {
    ensure!(ssi.domain() == recorded.domain, "domain {}", ssi.domain());
    let bricks = recorded.bricks_domain.as_ref().unwrap_or(&recorded.domain);
    ensure!(ssi.bricks_domain() == *bricks, "bricks domain");
    let mut last = ssi.clone();
    for due in &recorded.derived {
        last = last.derive()?.with_context(|| format!("no {}", due.kind))?;
        check_ssi(&last, due)?;
    }
    ensure!(last.derive()?.is_none(), "there is more to derive");
    let key = ssi.encryption_key()?.context("no key")?;
    ensure!(hex(key.as_bytes()) == recorded.encryption_key_hex, "key");
    let writes = matches!(
        ssi.kind(),
        SsiKind::Seed | SsiKind::Const | SsiKind::Array | SsiKind::Wallet
    );
    let sealer = BrickSealer::new(ssi);
    ensure!(sealer.is_ok() == writes, "writing with {ssi:?}");
    ensure!(
        sealer.is_ok_and(|it| it.bricks_domain().as_str() == bricks) == writes,
        "bricks domain of the sealer"
    );
    Ok(())
}

/// The whole chain verifies, and no other chain does.
fn check_history(id: &AnchorId, recorded: &RecordedView) -> Result<History> {
    let values = recorded.versions.iter().map(|it| it.anchor_value.clone());
    let values: Vec<String> = values.collect();
    let history = History::check(id, &values)?;
    ensure!(history.len() == values.len(), "{} versions", history.len());
    for (place, version) in recorded.versions.iter().enumerate() {
        ensure!(version.index == place, "version {}", version.index);
        let value = history.version(place).context("no value")?;
        ensure!(value.as_str() == version.anchor_value, "value {place}");
        ensure!(value.plain() == version.anchor_value_plain, "value {place}");
        let brick = history.brick_map(place).context("no brick map")?;
        ensure!(
            brick.hash.to_string() == version.brick_map_hash,
            "{brick:?}"
        );
        let domain = recorded.bricks_domain.as_ref().unwrap_or(&recorded.domain);
        ensure!(brick.domain.as_str() == domain, "{brick:?}");
        check_time(&history, place)?;
    }
    let plain: Vec<String> = recorded
        .versions
        .iter()
        .map(|it| it.anchor_value_plain.clone())
        .collect();
    let same = History::check(id, &plain)?;
    ensure!(same.values() == history.values(), "the plain forms differ");
    if values.len() > 1 {
        check_forgeries(id, &history, &values)?;
    }
    Ok(history)
}

/// A version is the newest from its own time on, as long as times grow.
fn check_time(history: &History, place: usize) -> Result<()> {
    let Some(time) = history.time(place) else {
        return Ok(());
    };
    let found = history.at_time(time).context("no version at its time")?;
    ensure!(history.time(found) >= Some(time), "time of version {place}");
    let mut later = (place..history.len()).filter(|it| history.time(*it) == Some(time));
    ensure!(
        later.next_back() == Some(found),
        "version {found} at its time"
    );
    Ok(())
}

/// Dropped, swapped and altered values are noticed, and so are histories that
/// do not continue what was seen.
fn check_forgeries(id: &AnchorId, history: &History, values: &[String]) -> Result<()> {
    let fault = |values: &[String]| History::check(id, values).err().map(|it| it.version);
    ensure!(fault(&values[1..]) == Some(0), "a first value was dropped");
    let mut swapped = values.to_vec();
    swapped.swap(0, 1);
    ensure!(fault(&swapped) == Some(0), "values were swapped");
    let mut repeated = values.to_vec();
    repeated.push(values[0].clone());
    let last = values.len();
    ensure!(fault(&repeated) == Some(last), "a value was repeated");
    let shorter = History::check(id, &values[..last - 1])?;
    ensure!(history.extends(&shorter.seen_head()).is_ok(), "grown");
    let refused = shorter.extends(&history.seen_head());
    let (seen, shown) = (last, last - 1);
    ensure!(
        refused == Err(Rollback::Shorter { seen, shown }),
        "rollback"
    );
    let other = SeenHead {
        versions: 1,
        last_value: values[1].clone(),
    };
    let refused = history.extends(&other);
    ensure!(
        matches!(refused, Err(Rollback::Replaced { version: 0, .. })),
        "{refused:?}"
    );
    Ok(())
}
