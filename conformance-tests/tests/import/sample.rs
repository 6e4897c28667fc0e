//! The recorded folder of a real ApiHub.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use keyssi::KeySsi;
use serde_json::Value;
use testkit::store;

use crate::opened;
use crate::place::{Place, must_count};
use crate::tree::Sound;

#[test]
fn the_recorded_folder_is_taken_whole_and_opens() -> Result<()> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/dsu");
    let place = Place::new()?;
    let (findings, summary) = place.imported(&vectors.join("at-rest-sample"), 0)?;
    ensure!(findings.is_empty(), "{findings:?}");
    must_count(&summary, "bricks", [8, 8, 0, 0])?;
    must_count(&summary, "anchors", [1, 1, 0, 0])?;
    let checked = store::check(place.data())?;
    ensure!(checked.is_well(), "{}", checked.text);

    let recorded = fs::read(vectors.join("seed-3-files/dsu.json"))?;
    let recorded: Value = serde_json::from_slice(&recorded)?;
    let anchors = vectors.join("at-rest-sample/domains/default/anchors");
    let anchor = fs::read_dir(anchors)?.next().context("no anchor")??;
    let anchor = anchor.file_name().into_string().unwrap_or_default();
    let mut dsus = recorded["dsus"].as_array().context("no DSUs")?.iter();
    let dsu = dsus.find(|it| it["anchorId"] == anchor.as_str());
    let dsu = dsu.context("the sample's DSU is not recorded")?;
    let key = dsu["keySSI"]["id"].as_str().context("no key")?;
    let versions = dsu["versions"].as_array().context("no versions")?.len();
    let sound = Sound {
        ssi: KeySsi::parse(key)?,
        files: BTreeMap::new(),
        versions,
    };
    opened::check_recorded(&place, &sound, &dsu["versions"][versions - 1]["files"])
}
