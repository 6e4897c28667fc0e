//! Removing, moving, copying, mounting, cloning, comparing.

use anyhow::Result;

use crate::world::World;

#[test]
fn files_and_folders_are_removed_moved_and_copied() -> Result<()> {
    let world = World::start()?;
    world.write("record/a.txt", b"a")?;
    world.write("record/docs/b.txt", b"b")?;
    let key = world.create("record", &["record/."])?;
    let ls = || world.ok(&["dsu", "ls", &key, "--recursive"]);
    world.ok(&["dsu", "mv", &key, "/a.txt", "/docs/"])?;
    assert_eq!(ls()?, "docs/\ndocs/a.txt\ndocs/b.txt\n");
    world.ok(&["dsu", "cp", &key, "/docs", "/copy"])?;
    world.ok(&["dsu", "mv", &key, "/docs/b.txt", "/c.txt"])?;
    assert_eq!(
        ls()?,
        "c.txt\ncopy/\ncopy/a.txt\ncopy/b.txt\ndocs/\ndocs/a.txt\n"
    );
    assert_eq!(world.ok(&["dsu", "cat", &key, "/copy/b.txt"])?, "b");
    world.fails(2, "is a folder", &["dsu", "rm", &key, "/docs"])?;
    world.ok(&["dsu", "rm", &key, "/docs", "/c.txt", "-r"])?;
    assert_eq!(ls()?, "copy/\ncopy/a.txt\ncopy/b.txt\n");
    world.fails(5, "/none", &["dsu", "rm", &key, "/none"])?;
    world.fails(5, "/none", &["dsu", "mv", &key, "/none", "/x"])?;
    world.fails(
        7,
        "/copy/b.txt",
        &["dsu", "cp", &key, "/copy/a.txt", "/copy/b.txt"],
    )?;
    // Older versions keep what was removed.
    assert_eq!(world.ok(&["dsu", "cat", &key, "/a.txt", "--at", "0"])?, "a");
    Ok(())
}

#[test]
fn mounted_dsus_are_read_and_written_through() -> Result<()> {
    let world = World::start()?;
    world.write("a.txt", b"a")?;
    world.write("b.txt", b"b")?;
    let record = world.create("record", &["a.txt"])?;
    let images = world.create("images", &["b.txt"])?;
    world.ok(&["dsu", "mount", &record, "/images", &images])?;
    assert_eq!(world.ok(&["dsu", "ls", &record])?, "a.txt\nimages/\n");
    assert_eq!(world.ok(&["dsu", "cat", &record, "/images/b.txt"])?, "b");
    let tree = world.ok(&["dsu", "tree", &record])?;
    assert!(tree.contains("images/ (mounted)\n    └── b.txt"), "{tree}");
    // Mounted for reading unless it is asked for otherwise.
    world.fails(6, "/images", &["dsu", "put", &record, "a.txt", "/images/"])?;
    world.ok(&["dsu", "unmount", &record, "/images"])?;
    assert_eq!(world.ok(&["dsu", "ls", &record])?, "a.txt\n");
    world.ok(&["dsu", "mount", &record, "/images", &images, "--writable"])?;
    world.ok(&["dsu", "put", &record, "a.txt", "/images/"])?;
    assert_eq!(world.ok(&["dsu", "ls", &images])?, "a.txt\nb.txt\n");
    // The keys of mounts do not come along with a folder.
    world.ok(&["dsu", "get", &record, "/", "whole"])?;
    let names: Vec<_> = world
        .tree("whole")?
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        ["/a.txt", "/images", "/images/a.txt", "/images/b.txt"]
    );
    world.fails(
        5,
        "nothing is mounted",
        &["dsu", "unmount", &record, "/a.txt"],
    )?;
    world.fails(2, "already", &["dsu", "mount", &record, "/images", &images])?;
    world.fails(
        2,
        "a DSU is mounted at /images",
        &["dsu", "rm", &record, "/images", "-r"],
    )?;
    Ok(())
}

#[test]
fn clones_are_the_same_until_one_is_changed() -> Result<()> {
    let world = World::start()?;
    world.write("record/a.txt", b"a")?;
    let key = world.create("record", &["record/."])?;
    world.ok(&["dsu", "clone", &key, "--out", "copy.key"])?;
    let copy = "file:copy.key";
    let same = world.run(&["dsu", "diff", &key, copy])?;
    assert_eq!((same.code, same.stderr.as_str()), (Some(0), "identical\n"));
    world.write("record/a.txt", b"b")?;
    world.write("record/new.txt", b"b")?;
    world.ok(&["dsu", "put", copy, "record/.", "/"])?;
    let changed = world.run(&["dsu", "diff", &key, copy])?;
    assert_eq!(changed.code, Some(1));
    assert_eq!(changed.stdout, b"~ /a.txt\n+ /new.txt\n");
    let versions = world.run(&["dsu", "diff", copy, "--at", "1", "--to", "0", "--json"])?;
    assert_eq!(versions.code, Some(1));
    let versions: serde_json::Value = serde_json::from_slice(&versions.stdout)?;
    assert_eq!(versions["identical"], false);
    assert_eq!(versions["differences"][1]["change"], "removed");
    world.fails(2, "with itself", &["dsu", "diff", &key])?;
    Ok(())
}
