//! Edits that the SDK refused, or should have refused: on the recorded maps
//! each is a clear error and changes nothing.

use anyhow::{Context as _, Result, bail, ensure};
use dsu::brick_map::EditError;
use dsu::{BrickMap, DsuPath, Moment, Node};
use serde_json::Value;

use crate::view::View;

pub(crate) fn check(view: &View<'_>, name: &str, note: &Value) -> Result<()> {
    let said = note[0]["message"].as_str().context("no message")?;
    for map in &view.maps {
        check_on(map, name, said)?;
    }
    Ok(())
}

fn check_on(map: &BrickMap, name: &str, said: &str) -> Result<()> {
    let now = Moment::from_millis(1_795_200_000_000);
    let files: Vec<DsuPath> = map.files().into_iter().map(|it| it.0).collect();
    let mut folders = map.list(&DsuPath::root(), dsu::Depth::Recursive)?;
    folders.retain(|it| matches!(it.node, Node::Folder(_)));
    let folders: Vec<DsuPath> = folders.into_iter().map(|it| it.path).collect();
    let mut changed = map.clone();
    match name {
        "renameMissing" => {
            let path = said.split(['<', '>']).nth(1).context("no path")?;
            let path = DsuPath::parse(path)?;
            let refused = changed.rename(&path, &DsuPath::parse("/elsewhere")?, now);
            ensure!(refused == Err(EditError::NotFound(path)), "{refused:?}");
        }
        // The SDK does not find embedded files; here they move.
        "renameEmbedded" => {
            let path = said.split(['<', '>']).nth(1).context("no path")?;
            let path = DsuPath::parse(path)?;
            let Some(file) = map.file(&path) else {
                return Ok(());
            };
            let content = file.embedded().context("not embedded")??;
            let target = DsuPath::parse("/renamed here")?;
            changed.rename(&path, &target, now)?;
            ensure!(changed.file(&path).is_none(), "{path} is still there");
            let moved = changed.file(&target).and_then(|it| it.embedded());
            ensure!(moved == Some(Ok(content)), "{target} is not {path}");
            return Ok(());
        }
        "createFolderTwice" => {
            ensure!(said.contains("already exists"), "{said}");
            for folder in folders {
                let refused = changed.create_folder(&folder, now);
                ensure!(refused == Err(EditError::Exists(folder)), "{refused:?}");
            }
        }
        "createFolderInFile" | "writeIntoFile" => {
            for file in files {
                let inside = file.join("inside")?;
                let refused = match name {
                    "writeIntoFile" => changed.write(&inside, Vec::new(), now),
                    _ => changed.create_folder(&inside, now),
                };
                ensure!(refused == Err(EditError::IsFile(file)), "{refused:?}");
            }
        }
        _ => bail!("unknown edit"),
    }
    ensure!(changed == *map, "a refused edit changed the map");
    Ok(())
}
