//! Recorded DSU scenarios: bricks as stored and histories as anchored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

/// One scenario folder.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// The folder's name.
    pub(crate) name: String,
    /// The bricks on disk by name; empty when they were left out.
    pub(crate) bricks: BTreeMap<String, PathBuf>,
    /// The domains that the bricks belong to. Which brick lies in which is not
    /// recorded, so each belongs to all of them.
    pub(crate) brick_domains: BTreeSet<String>,
    /// The anchors: (domain, id) and the wrapped values, oldest first.
    pub(crate) anchors: BTreeMap<(String, String), Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct DsuFile {
    dsus: Vec<Dsu>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dsu {
    domain: String,
    bricks_domain: Option<String>,
    anchor_id: String,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    anchor_value: String,
}

impl Scenario {
    /// The scenarios in a folder, by name. Folders that hold none, such as
    /// `versionless`, are left to their own readers.
    pub(crate) fn load_all(folder: &Path) -> Result<Vec<Self>> {
        let mut scenarios = Vec::new();
        for path in subfolders(folder)? {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let described = path.join("dsu.json");
            let recovered = path.join("recovery.json");
            let scenario = if described.is_file() {
                Self::read(name.clone(), &path, &described)
            } else if recovered.is_file() {
                Self::read_recovery(name.clone(), &recovered)
            } else {
                continue;
            };
            scenarios.push(scenario.with_context(|| name)?);
        }
        Ok(scenarios)
    }

    fn read(name: String, folder: &Path, file: &Path) -> Result<Self> {
        let file: DsuFile = serde_json::from_str(&std::fs::read_to_string(file)?)?;
        let mut scenario = Self {
            name,
            bricks: bricks_in(&folder.join("bricks"))?,
            brick_domains: BTreeSet::new(),
            anchors: BTreeMap::new(),
        };
        for dsu in file.dsus {
            let bricks = dsu.bricks_domain.unwrap_or_else(|| dsu.domain.clone());
            scenario.brick_domains.insert(bricks);
            // Several views of one DSU have the same anchor; an older view is a
            // beginning of a newer one.
            let versions = dsu
                .versions
                .into_iter()
                .map(|it| it.anchor_value)
                .collect::<Vec<_>>();
            let key = (dsu.domain, dsu.anchor_id);
            let known = scenario.anchors.entry(key).or_default();
            if versions.len() > known.len() {
                *known = versions;
            }
        }
        Ok(scenario)
    }

    /// A recovery tells its anchor in the calls and its values in plain form.
    fn read_recovery(name: String, file: &Path) -> Result<Self> {
        let file: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
        let plain = file
            .pointer("/notes/versionsAfter")
            .and_then(Value::as_array);
        let plain = plain
            .context("no versions")?
            .iter()
            .filter_map(Value::as_str);
        let values = plain.map(|it| bs58::encode(it).into_string()).collect();
        let calls = file.pointer("/notes/load/calls").and_then(Value::as_array);
        let paths = calls
            .context("no calls")?
            .iter()
            .filter_map(|it| it.get("path").and_then(Value::as_str));
        let mut anchored = paths.filter_map(|it| it.strip_prefix("/anchor/"));
        let anchored = anchored.next().context("no anchoring call")?;
        let segments: Vec<&str> = anchored.split('/').collect();
        let &[domain, _, id] = segments.as_slice() else {
            anyhow::bail!("anchoring call {anchored}");
        };
        Ok(Self {
            name,
            bricks: BTreeMap::new(),
            brick_domains: BTreeSet::new(),
            anchors: BTreeMap::from([((domain.to_owned(), id.to_owned()), values)]),
        })
    }
}

/// The domains that scenarios name.
pub(crate) fn domains(scenarios: &[Scenario]) -> BTreeSet<String> {
    let anchored = scenarios
        .iter()
        .flat_map(|it| it.anchors.keys().map(|(domain, _)| domain));
    let bricks = scenarios.iter().flat_map(|it| &it.brick_domains);
    anchored.chain(bricks).cloned().collect()
}

fn subfolders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder
        .read_dir()
        .with_context(|| folder.display().to_string())?;
    let paths = entries
        .map(|it| it.map(|it| it.path()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut folders: Vec<PathBuf> = paths.into_iter().filter(|it| it.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

fn bricks_in(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    if !folder.is_dir() {
        return Ok(BTreeMap::new());
    }
    let mut bricks = BTreeMap::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        bricks.insert(
            entry.file_name().to_string_lossy().into_owned(),
            entry.path(),
        );
    }
    Ok(bricks)
}
