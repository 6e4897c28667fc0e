//! Reading through mounts, as the recordings hold the mounted DSUs.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use dsu::{BrickMap, DsuPath, Manifest, ManifestError, Resolution, open_map};
use keyssi::{AnchorId, KeySsi};
use serde_json::{Map, Value};

use crate::listings::{entries_here, kind_json, text};
use crate::scenario::{Scenario, sha256_hex};
use crate::version::relative;
use crate::view::View;

/// Mounts within mounts, at most.
const DEPTH_MAX: usize = 8;

/// The manifest of a version.
pub(crate) fn manifest(scenario: &Scenario, map: &BrickMap) -> Result<Manifest> {
    match map.manifest_content()? {
        None => Ok(Manifest::default()),
        Some(content) => {
            let json = scenario.read(&content)?;
            let manifest = Manifest::parse(&json)?;
            ensure!(manifest.to_json().as_bytes() == json, "written otherwise");
            Ok(manifest)
        }
    }
}

/// Every mount of every version opens with the identifier that the manifest
/// holds, and its files are read.
pub(crate) fn read_through(scenario: &Scenario, views: &[View<'_>], view: &View<'_>) -> Result<()> {
    for map in &view.maps {
        for mount in manifest(scenario, map)?.mounts() {
            if find(views, &mount.ssi()?)?.is_some() {
                compose(scenario, views, map, &DsuPath::root(), 0)?;
            }
        }
    }
    Ok(())
}

/// All files, mounted DSUs included: relative path, size, hash.
fn compose(
    scenario: &Scenario,
    views: &[View<'_>],
    map: &BrickMap,
    at: &DsuPath,
    depth: usize,
) -> Result<BTreeMap<String, (usize, String)>> {
    ensure!(depth < DEPTH_MAX, "mounts go round in a circle");
    let manifest = manifest(scenario, map)?;
    let mut tree = BTreeMap::new();
    for (path, file) in map.files() {
        // A file below a mount point is hidden by it.
        if let Resolution::Own(path) = manifest.resolve(&path)? {
            let read = scenario.read(&file.content()?)?;
            let place = at.join(path.as_str())?;
            tree.insert(relative(&place), (read.len(), sha256_hex(&read)));
        }
    }
    for mount in manifest.mounts() {
        let ssi = mount.ssi()?;
        // A DSU that is not recorded: a tree that should hold it shows that.
        let Some(view) = find(views, &ssi)? else {
            continue;
        };
        let (_, brick) = view.history.latest_brick_map().context("no version")?;
        let inner = open_map(&ssi, &brick.hash, scenario.brick(&brick)?)?;
        let here = at.join(mount.point().as_str())?;
        for (path, _) in inner.files() {
            let outer = mount.point().join(path.as_str())?;
            match manifest.resolve(&outer)? {
                Resolution::Mounted { point, rest, .. } => {
                    ensure!(point == *mount.point() && rest == path, "{outer}");
                }
                Resolution::Own(_) => bail!("{outer} is not mounted"),
            }
        }
        tree.extend(compose(scenario, views, &inner, &here, depth + 1)?);
    }
    Ok(tree)
}

/// The view of the DSU that an identifier opens.
fn find<'a, 'b>(views: &'b [View<'a>], ssi: &KeySsi) -> Result<Option<&'b View<'a>>> {
    let id = AnchorId::of(ssi)?;
    Ok(views.iter().find(|view| view.id == id))
}

/// The notes on mounts. Gives how many there were.
pub(crate) fn check_notes(
    scenario: &Scenario,
    views: &[View<'_>],
    notes: &Map<String, Value>,
) -> Result<usize> {
    let outer = views.iter().find(|it| it.recorded.label == "outer");
    let outer = outer.context("no outer DSU")?;
    let manifests = outer.maps.iter().map(|map| manifest(scenario, map));
    let manifests = manifests.collect::<Result<Vec<_>>>()?;
    let inner = notes.get("ssiForMount").and_then(Value::as_str);
    let inner = KeySsi::parse(inner.context("no ssiForMount")?)?;
    let first = manifests.first().context("no version")?;
    for (name, note) in notes {
        let context = || format!("note {name}");
        match name.as_str() {
            "listMounted" => check_list(first, note),
            "readDirRoot" | "readDirMnt" => check_folder(outer, first, name, note),
            "stat" => check_kinds(scenario, views, outer, first, note),
            "ssiForMount" => mount_point(first, &inner).map(drop),
            "mountTwice" => check_occupied(first, &inner, |point| point),
            // What the SDK lets pass (§14-14) is refused here.
            "mountUnder" => check_occupied(first, &inner, |point| point.join("under").unwrap()),
            "mountAbove" => check_occupied(first, &inner, |point| point.parent().unwrap()),
            "mountNoSlash" | "mountNonEmpty" | "writeRO" => text(note, "ok"),
            "composed" => check_composed(scenario, views, outer, note),
            "readThroughMountFromOldVersion" => read_through(scenario, views, outer),
            _ => bail!("unknown note"),
        }
        .with_context(context)?;
    }
    Ok(notes.len())
}

fn check_list(manifest: &Manifest, note: &Value) -> Result<()> {
    let mounts = manifest.mounts();
    let found = mounts.iter().map(|mount| {
        let identifier = mount.ssi().unwrap().wrapped();
        serde_json::json!({"path": relative(mount.point()), "identifier": *identifier})
    });
    ensure!(found.collect::<Value>() == *note, "other mounts");
    Ok(())
}

/// The reference shows the mounts right below a folder, and the folders that
/// lead to others.
fn check_folder(outer: &View<'_>, manifest: &Manifest, name: &str, note: &Value) -> Result<()> {
    let map = outer.maps.first().context("no version")?;
    let mut folder = DsuPath::root();
    if name == "readDirMnt" {
        let mut points = manifest.mounts().into_iter().map(|it| it.point().clone());
        let deep = points.find(|it| it.segments().count() > 1);
        folder = deep.and_then(|it| it.parent()).context("no deep mount")?;
    }
    let (files, mut folders) = match map.list(&folder, dsu::Depth::Here) {
        Ok(_) => entries_here(map, &folder)?,
        Err(_) => (Vec::new(), Vec::new()),
    };
    let mut mounts = Vec::new();
    for mount in manifest.mounts() {
        let Some(rest) = mount.point().strip(&folder) else {
            continue;
        };
        let names: Vec<&str> = rest.segments().collect();
        let first = (*names.first().context("mounted at the folder")?).to_owned();
        if names.len() == 1 {
            mounts.push(first);
        } else {
            folders.push(first);
        }
    }
    let found = serde_json::json!({"files": files, "folders": folders, "mounts": mounts});
    ensure!(found == *note, "{found}");
    Ok(())
}

/// `stat` of the folder above a mount, of the mounted DSU and of a file in it.
fn check_kinds(
    scenario: &Scenario,
    views: &[View<'_>],
    outer: &View<'_>,
    manifest: &Manifest,
    note: &Value,
) -> Result<()> {
    let map = outer.maps.first().context("no version")?;
    for (name, due) in note.as_object().context("no object")? {
        let mut points = manifest.mounts().into_iter().map(|it| it.point().clone());
        let deep = points.find(|it| it.segments().count() > 1);
        let point = deep.context("no deep mount")?;
        let found = match name.as_str() {
            // Nothing is stored there: only the mount point names it.
            "mnt" => kind_json(map.lookup(&point.parent().context("no parent")?)),
            "inner" | "file" => {
                let Resolution::Mounted { ssi, .. } = manifest.resolve(&point)? else {
                    bail!("not mounted");
                };
                let view = find(views, &ssi)?.context("no DSU")?;
                let (_, brick) = view.history.latest_brick_map().context("no version")?;
                let inner = open_map(&ssi, &brick.hash, scenario.brick(&brick)?)?;
                let path = match name.as_str() {
                    "inner" => DsuPath::root(),
                    _ => inner.files().first().context("no file")?.0.clone(),
                };
                kind_json(inner.lookup(&path))
            }
            _ => bail!("unknown stat {name}"),
        };
        ensure!(found == *due, "{name}: {found}");
    }
    Ok(())
}

/// Where a DSU is mounted, and that resolving the point gives it.
fn mount_point(manifest: &Manifest, ssi: &KeySsi) -> Result<DsuPath> {
    for mount in manifest.mounts() {
        if mount.ssi()? == *ssi {
            let rest = DsuPath::root();
            let point = mount.point().clone();
            let ssi = ssi.clone();
            let due = Resolution::Mounted { point, ssi, rest };
            ensure!(manifest.resolve(mount.point())? == due, "{mount:?}");
            return Ok(mount.point().clone());
        }
    }
    bail!("not mounted");
}

fn check_occupied(
    manifest: &Manifest,
    ssi: &KeySsi,
    place: impl Fn(DsuPath) -> DsuPath,
) -> Result<()> {
    let point = mount_point(manifest, ssi)?;
    let mut changed = manifest.clone();
    let refused = changed.mount(&place(point.clone()), ssi);
    let due = ManifestError::Occupied {
        point: point.clone(),
    };
    ensure!(refused == Err(due) && changed == *manifest, "{refused:?}");
    changed.unmount(&point)?;
    changed.mount(&place(point), ssi)?;
    Ok(())
}

fn check_composed(
    scenario: &Scenario,
    views: &[View<'_>],
    outer: &View<'_>,
    note: &Value,
) -> Result<()> {
    let tree = compose(scenario, views, outer.newest()?, &DsuPath::root(), 0)?;
    let found = tree
        .into_iter()
        .map(|(path, (size, sha256))| (path, serde_json::json!({"size": size, "sha256": sha256})));
    let found = Value::Object(found.collect());
    ensure!(found == *note, "{found}");
    Ok(())
}
