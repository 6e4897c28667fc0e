//! A disk that fills up in the middle of an import.

use anyhow::{Result, ensure};
use testkit::random::Random;
use testkit::store;

use crate::killed::must_be;
use crate::made::{Wish, make};
use crate::place::{Place, run};
use crate::tree::{Tree, anchor_path, brick_path};
use crate::volume::Volume;

/// What the volume has: the floor (64 MiB), what RocksDB takes at once for two stores, and less
/// than the bricks need.
const VOLUME_BYTES: u64 = (64 + 2 * 36 + 64 + 24) << 20;
/// What is taken of it at first.
const BALLAST_BYTES: usize = 64 << 20;
/// More than what is left, less than what is there without the ballast.
const BRICKS: usize = 56;
const BRICK_BYTES: usize = 1 << 20;
const DISK_FULL: i32 = 14;

#[test]
fn a_full_disk_ends_the_import_and_the_next_one_goes_on() -> Result<()> {
    let mut random = Random::announced("import full")?;
    let Some(volume) = Volume::mount(VOLUME_BYTES)? else {
        return Ok(());
    };
    let ballast = volume.fill("ballast", Some(BALLAST_BYTES))?;
    let tree = Tree::bare()?;
    let domain = "default".parse()?;
    for _ in 0..BRICKS {
        let bytes = random.bytes(BRICK_BYTES);
        let path = brick_path(&domain, 2, &keyssi::BrickHash::of(&bytes));
        tree.write(&path, &bytes)?;
    }
    let wish = Wish {
        domain: &domain,
        versions: 2,
        bricks: 2,
        is_constant: false,
    };
    let dsu = make(&wish, &mut random)?;
    for brick in &dsu.bricks {
        tree.write(&brick_path(&domain, 2, &brick.hash), &brick.bytes)?;
    }
    let values: Vec<_> = dsu.values.iter().map(ToString::to_string).collect();
    let values = values.join("\n") + "\n";
    tree.write(&anchor_path(&dsu), values.as_bytes())?;

    let place = Place::with_data(volume.path().join("data"))?;
    run(place.import(tree.root())?, DISK_FULL)?;
    ensure!(
        !place.path("report.ndjson").exists(),
        "a report of half an import"
    );
    let checked = store::check(place.data())?;
    ensure!(checked.is_well(), "{}", checked.text);
    let before = checked.count("/bricks/sound");
    ensure!(before < BRICKS as u64, "the disk was not full");
    std::fs::remove_file(ballast)?;
    let (findings, summary) = place.imported(tree.root(), 0)?;
    must_be(&findings, &[])?;
    let all = (BRICKS + dsu.bricks.len()) as u64;
    crate::place::must_count(&summary, "bricks", [all, all - before, before, 0])?;
    let checked = store::check(place.data())?;
    ensure!(checked.is_well(), "{}", checked.text);
    ensure!(checked.count("/anchors/versions") == 2, "{}", checked.text);
    Ok(())
}
