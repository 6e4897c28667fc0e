//! Backups of a stopped node, plain and damaged.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use testkit::server::Server;

use crate::writers::Writers;
use crate::{age_key, backup, text};

/// The data folder of a stopped node with something in it.
pub(crate) fn data() -> Result<(tempfile::TempDir, PathBuf)> {
    let server = Server::start("")?;
    let writers = Writers::start(server.address(), 9);
    writers.acknowledged(20)?;
    writers.stop()?;
    let data = server.data();
    let (process, folder) = server.into_parts();
    ensure!(process.stop()?.success());
    Ok((folder, data))
}

#[test]
fn a_stopped_node_is_backed_up_without_its_keys_and_told_so() -> Result<()> {
    let (folder, data) = data()?;
    let place = folder.path().join("place");
    let (place, data) = (text(&place)?, text(&data)?);
    let ran = backup("create", &[place, "--data", data])?;
    ensure!(ran.stderr.contains("private keys"), "{}", ran.stderr);
    ran.done()?;
    let listed = backup("list", &[place])?.done()?;
    ensure!(listed[0]["encrypted"] == false, "{listed}");
    ensure!(listed[0]["logs"][0]["domain"] == "default", "{listed}");
    ensure!(
        listed[0]["logs"][0]["entries"].as_u64() >= Some(20),
        "{listed}"
    );
    let to = folder.path().join("restored");
    let restored = backup("restore", &[place, "--data", text(&to)?])?;
    let told = &restored.stderr;
    ensure!(
        told.contains("revoked") && told.contains("kiln admin keys list"),
        "{told}"
    );
    restored.done()?;
    ensure!(!to.join("keys").exists(), "a plain backup holds keys");
    Ok(())
}

#[test]
fn every_damaged_object_is_found() -> Result<()> {
    let (folder, data) = data()?;
    let place = folder.path().join("place");
    let text_of_place = text(&place)?;
    backup("create", &[text_of_place, "--data", text(&data)?])?.done()?;
    let object = largest(&place.join("objects"))?;
    let mut bytes = std::fs::read(&object)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    testkit::server::write_file(&object, &bytes)?;
    let checked = backup("check", &[text_of_place])?;
    ensure!(checked.code == Some(1), "{:?}", checked.code);
    let finding = checked.value["findings"][0]
        .as_str()
        .context("no finding")?;
    ensure!(finding.contains("is damaged"), "{finding}");
    let to = folder.path().join("restored");
    let restored = backup("restore", &[text_of_place, "--data", text(&to)?])?;
    ensure!(
        restored.code == Some(1) && !to.exists(),
        "{}",
        restored.stderr
    );
    // As the message says: without the object, the next backup is whole.
    std::fs::remove_file(&object)?;
    backup("create", &[text_of_place, "--data", text(&data)?])?.done()?;
    backup("drill", &[text_of_place])?.done()?;
    Ok(())
}

#[test]
fn a_damaged_backup_is_listed_beside_the_others_and_ends_no_whole_one() -> Result<()> {
    let (folder, data) = data()?;
    let place = folder.path().join("place");
    let text_of_place = text(&place)?;
    let create = [text_of_place, "--data", text(&data)?];
    let mut made = Vec::new();
    for _ in 0..2 {
        let done = backup("create", &create)?.done()?;
        made.push(done["backup"].as_str().context("no name")?.to_owned());
    }
    let list = place.join(format!("snapshots/{}.json", made[0]));
    let whole = std::fs::read(&list)?;
    testkit::server::write_file(&list, b"{}")?;
    let listed = backup("list", &[text_of_place])?;
    ensure!(listed.code == Some(1), "{:?}", listed.code);
    let rows = listed.value;
    ensure!(rows[0]["backup"] == made[0].as_str(), "{rows}");
    let why = rows[0]["damaged"].as_str().context("it is not damaged")?;
    ensure!(why.contains("does not hash to its name"), "{why}");
    ensure!(rows[1]["files"].as_u64() > Some(4), "{rows}");
    ensure!(rows[1]["damaged"].is_null(), "{rows}");
    testkit::server::write_file(&list, &whole)?;
    backup("list", &[text_of_place])?.done()?;

    // The newest lacks an object, and the one before it stays until that is mended.
    let newest = std::fs::read(place.join(format!("snapshots/{}.json", made[1])))?;
    let newest: serde_json::Value = serde_json::from_slice(&newest)?;
    let hash = newest["files"][0]["sha256"].as_str().context("no hash")?;
    let (front, back) = hash.split_at(2);
    std::fs::remove_file(place.join("objects").join(front).join(back))?;
    let prune = [text_of_place, "--keep-last", "1"];
    let refused = backup("prune", &prune)?;
    let told = &refused.stderr;
    ensure!(refused.code == Some(1), "{:?} {told}", refused.code);
    for words in [made[1].as_str(), "objects/", "next:", "kiln backup create"] {
        ensure!(told.contains(words), "{words}: {told}");
    }
    let rows = backup("list", &[text_of_place])?.done()?;
    ensure!(rows.as_array().map(Vec::len) == Some(2), "{rows}");
    backup("create", &create)?.done()?;
    backup("prune", &prune)?.done()?;
    backup("check", &[text_of_place])?.done()?;
    Ok(())
}

#[test]
fn a_place_is_one_nodes_and_lists_what_another_key_opens() -> Result<()> {
    let (folder, data) = data()?;
    let place = folder.path().join("place");
    let (place, folder_of_data) = (text(&place)?, text(&data)?);
    let (before, _) = age_key(tempfile::tempdir()?.path())?;
    let (now, key) = age_key(folder.path())?;
    for recipient in [&before, &now] {
        let arguments = [place, "--data", folder_of_data, "--recipient", recipient];
        backup("create", &arguments)?.done()?;
    }
    let listed = backup("list", &[place, "--identity", &key])?.done()?;
    ensure!(
        listed[0]["encrypted"] == true && listed[0]["files"].is_null(),
        "{listed}"
    );
    ensure!(listed[1]["files"].as_u64() > Some(4), "{listed}");
    let number = std::fs::read_to_string(data.join("node-id"))?;
    ensure!(listed[1]["node"] == number.trim_end(), "{listed}");
    // A folder with another number is another node.
    std::fs::remove_file(data.join("node-id"))?;
    let refused = backup("create", &[place, "--data", folder_of_data])?;
    ensure!(
        refused.code == Some(7) && refused.stderr.contains(number.trim_end()),
        "{:?} {}",
        refused.code,
        refused.stderr
    );
    Ok(())
}

fn largest(folder: &Path) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in folder.read_dir()? {
        for entry in entry?.path().read_dir()? {
            let entry = entry?;
            found.push((entry.metadata()?.len(), entry.path()));
        }
    }
    found.sort();
    found.pop().map(|(_, path)| path).context("no object")
}
