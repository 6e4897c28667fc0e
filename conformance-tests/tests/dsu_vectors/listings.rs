//! Listings: ours, and those of the SDK with what §14-7 says of them.

use anyhow::{Context as _, Result, bail, ensure};
use dsu::{BrickMap, Depth, DsuPath, Listed, Node, NodeKind, StoredIn};
use serde_json::{Map, Value, json};

use crate::version::relative;

/// The note is exactly this text.
pub(crate) fn text(note: &Value, due: &str) -> Result<()> {
    ensure!(note.as_str() == Some(due), "{note}");
    Ok(())
}

/// What the SDK's `stat` says of a node.
pub(crate) fn kind_json(node: Option<Node<'_>>) -> Value {
    match node {
        Some(Node::Folder(folder)) if !folder.is_implied() => json!({"type": "directory"}),
        Some(Node::File(file)) if file.embedded().is_none() => json!({"type": "file"}),
        // Embedded files, and folders that only they name (§7).
        _ => json!({}),
    }
}

/// Names below a folder, in stored order.
pub(crate) fn names(
    map: &BrickMap,
    folder: &DsuPath,
    depth: Depth,
    wanted: impl Fn(&Listed<'_>) -> bool,
) -> Result<Vec<String>> {
    let listed = map.list(folder, depth)?;
    let wanted = listed.iter().filter(|it| wanted(it));
    let paths = wanted.map(|it| it.path.strip(folder).context("outside"));
    paths.map(|path| Ok(relative(&path?))).collect()
}

fn files(map: &BrickMap, folder: &DsuPath, depth: Depth) -> Result<Vec<String>> {
    names(map, folder, depth, |it| it.kind() == NodeKind::File)
}

fn folders(map: &BrickMap, folder: &DsuPath, depth: Depth) -> Result<Vec<String>> {
    names(map, folder, depth, |it| {
        it.kind() == NodeKind::Folder && it.stored_in == StoredIn::Items
    })
}

/// Files and folders right below a folder.
pub(crate) fn entries_here(map: &BrickMap, folder: &DsuPath) -> Result<(Vec<String>, Vec<String>)> {
    Ok((
        files(map, folder, Depth::Here)?,
        folders(map, folder, Depth::Here)?,
    ))
}

/// The files as the SDK lists them: embedded ones by a prefix of the text.
fn sdk_files(map: &BrickMap, folder: &DsuPath, depth: Depth) -> Result<Vec<String>> {
    let mut found = names(map, folder, depth, |it| {
        it.kind() == NodeKind::File && it.stored_in == StoredIn::Items
    })?;
    for listed in map.list(&DsuPath::root(), Depth::Recursive)? {
        if listed.kind() == NodeKind::File && listed.stored_in == StoredIn::Embedded {
            let rest = listed.path.as_str().strip_prefix(folder.as_str());
            let wanted = |rest: &&str| depth == Depth::Recursive || !rest.contains('/');
            found.extend(rest.filter(wanted).map(str::to_owned));
        }
    }
    Ok(found)
}

/// All folders of a map, the root too.
fn all_folders(map: &BrickMap) -> Result<Vec<DsuPath>> {
    let mut all = vec![DsuPath::root()];
    for name in folders(map, &DsuPath::root(), Depth::Recursive)? {
        all.push(DsuPath::parse(&name)?);
    }
    Ok(all)
}

/// The listings of a DSU without embedded files. The folder of some is not
/// recorded: then they have to be those of one folder.
pub(crate) fn check(map: &BrickMap, listing: &Map<String, Value>) -> Result<usize> {
    let root = DsuPath::root();
    let inner: Vec<DsuPath> = all_folders(map)?.into_iter().skip(1).collect();
    let is_some = |due: &Value, list: &dyn Fn(&DsuPath) -> Result<Value>| {
        let mut found = inner.iter().filter_map(|folder| list(folder).ok());
        found.any(|it| it == *due)
    };
    for (name, due) in listing {
        let holds = match name.as_str() {
            "listFilesRoot" => json!(files(map, &root, Depth::Recursive)?) == *due,
            "listFolders" => json!(folders(map, &root, Depth::Here)?) == *due,
            "listFoldersRec" => json!(folders(map, &root, Depth::Recursive)?) == *due,
            "listFilesA" => is_some(due, &|it| Ok(json!(files(map, it, Depth::Recursive)?))),
            "listFilesNonRec" => is_some(due, &|it| Ok(json!(files(map, it, Depth::Here)?))),
            "readDirTypes" => is_some(due, &|it| {
                let (files, folders) = entries_here(map, it)?;
                Ok(json!({"files": files, "folders": folders, "mounts": []}))
            }),
            "readDir" => is_some(due, &|it| {
                let (mut files, folders) = entries_here(map, it)?;
                files.extend(folders);
                Ok(json!(files))
            }),
            "stat" => {
                let file = map.files().into_iter().next().context("no file")?.0;
                let folder = inner.first().context("no folder")?;
                let missing = root.join("missing")?;
                let kind = |path: &DsuPath| kind_json(map.lookup(path));
                *due == json!({
                    "root": kind(&root), "folder": kind(folder),
                    "file": kind(&file), "missing": kind(&missing),
                })
            }
            _ => bail!("unknown listing {name}"),
        };
        ensure!(holds, "{name}: {due}");
    }
    Ok(listing.len())
}

/// The listings of a DSU with embedded files, in the folder that holds some of
/// them. The SDK's are what its rule gives; ours hold what is truly below.
pub(crate) fn check_embedded(maps: &[BrickMap], listing: &Map<String, Value>) -> Result<()> {
    let listed = listing.get("listRoot").context("no listRoot")?;
    let root = DsuPath::root();
    let is_meant = |map: &&BrickMap| {
        sdk_files(map, &root, Depth::Recursive).is_ok_and(|it| json!(it) == *listed)
    };
    let map = maps
        .iter()
        .find(is_meant)
        .context("no version lists this")?;
    let ours = files(map, &root, Depth::Recursive)?;
    ensure!(json!(ours) == *listed, "listRoot: {ours:?}");
    let recorded = listing.get("listX").context("no listX")?;
    let mut inner = all_folders(map)?.into_iter().skip(1);
    let folder = inner
        .find(|it| sdk_files(map, it, Depth::Recursive).is_ok_and(|it| json!(it) == *recorded));
    let folder = folder.context("no folder with such files")?;
    for (name, due) in listing {
        let holds = match name.as_str() {
            // Of an embedded file and of a folder that only it names.
            "stat" | "statDir" => {
                let embedded = map.files().into_iter().find(|it| it.1.embedded().is_some());
                let path = embedded.context("no embedded file")?.0;
                kind_json(map.lookup(&path)) == *due
            }
            "listRoot" => true,
            "folders" => json!(folders(map, &root, Depth::Recursive)?) == *due,
            "listX" => holds_what_is_below(map, &folder, Depth::Recursive, due)?,
            "listXNonRec" => holds_what_is_below(map, &folder, Depth::Here, due)?,
            "readDirX" => {
                let files = &due["files"];
                let folders = folders(map, &folder, Depth::Here)?;
                *due == json!({"files": files, "folders": folders, "mounts": []})
                    && holds_what_is_below(map, &folder, Depth::Here, files)?
            }
            _ => bail!("unknown listing {name}"),
        };
        ensure!(holds, "{name}: {due}");
    }
    Ok(())
}

/// The recorded list is what the SDK's rule gives, and without the names that
/// do not lie below the folder it is ours.
fn holds_what_is_below(
    map: &BrickMap,
    folder: &DsuPath,
    depth: Depth,
    recorded: &Value,
) -> Result<bool> {
    let by_rule = sdk_files(map, folder, depth)?;
    let below = by_rule.iter().filter_map(|name| {
        let path = folder.join(name).ok()?;
        map.file(&path)?;
        Some(relative(&path.strip(folder)?))
    });
    let ours = files(map, folder, depth)?;
    Ok(json!(by_rule) == *recorded && below.eq(ours))
}
