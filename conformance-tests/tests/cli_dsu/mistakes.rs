//! What goes wrong without anybody lying, and that it ends with its own code.

use std::fs::{self, OpenOptions};

use anyhow::Result;

use crate::volume::Volume;
use crate::world::World;

const MIB: usize = 1 << 20;

#[test]
fn keys_that_open_nothing() -> Result<()> {
    let world = World::start()?;
    world.ok(&["ssi", "new", "--out", "new.key"])?;
    for verb in [
        &["ls"][..],
        &["tree"],
        &["stat"],
        &["cat", "/a"],
        &["get", "/a"],
        &["history"],
        &["verify"],
        &["rm", "/a"],
        &["mv", "/a", "/b"],
        &["unmount", "/a/b"],
    ] {
        let (name, rest) = verb.split_first().unwrap();
        let arguments: Vec<_> = ["dsu", *name, "file:new.key"]
            .iter()
            .chain(rest)
            .copied()
            .collect();
        world.fails(5, "no DSU is anchored under this key", &arguments)?;
    }
    world.ok(&["dsu", "create", "--key", "file:new.key"])?;
    let public = world.ok(&["ssi", "derive", "file:new.key", "--to", "sza"])?;
    world.fails(6, "a key of type sza", &["dsu", "ls", public.trim()])?;
    world.fails(2, "no KeySSI", &["dsu", "ls", "nonsense"])?;
    world.fails(5, "there is no keyring", &["dsu", "ls", "@nobody"])?;
    // Another encryption key under the same anchor.
    world.ok(&[
        "ssi",
        "derive",
        "file:new.key",
        "--to",
        "sread",
        "--plain",
        "--out",
        "read.key",
    ])?;
    let plain = String::from_utf8(world.read("read.key")?)?;
    let mut fields: Vec<_> = plain.trim().split(':').collect();
    assert_eq!(fields[1], "sread");
    fields[3] = "4Ffv93NTthwW6qULHRQ3wqewEzM2WiN4QNSz2Se1sNHv";
    world.write("wrong.key", fields.join(":").as_bytes())?;
    world.fails(
        6,
        "version 0 cannot be opened",
        &["dsu", "ls", "file:wrong.key"],
    )?;
    Ok(())
}

#[test]
fn domains_nodes_versions_and_paths_that_are_not_there() -> Result<()> {
    let world = World::start()?;
    world.write("a.txt", b"a")?;
    let key = world.create("record", &["a.txt"])?;
    world.fails(
        13,
        "does not know the domain elsewhere",
        &["dsu", "create", "--domain", "elsewhere", "--out", "x.key"],
    )?;
    world
        .fails(2, "invalid value", &["dsu", "create", "--domain", "a b"])
        .unwrap_err();
    world.fails(5, "no version 7", &["dsu", "ls", &key, "--at", "7"])?;
    world.fails(
        5,
        "no version at",
        &["dsu", "ls", &key, "--at", "1999-01-01"],
    )?;
    world.fails(5, "/none", &["dsu", "ls", &key, "/none"])?;
    world.fails(5, "/none", &["dsu", "cat", &key, "/none"])?;
    world.fails(2, "/a.txt is a file", &["dsu", "ls", &key, "/a.txt"])?;
    world.fails(2, "is a folder", &["dsu", "cat", &key, "/"])?;
    let arguments = ["dsu", "ls", &key];
    let gone = "http://127.0.0.1:9";
    world
        .run_on(gone, &arguments)?
        .failed(4, "cannot be reached", &arguments)?;
    world
        .run_on("127.0.0.1", &arguments)?
        .failed(2, "address of the node", &arguments)?;
    Ok(())
}

#[test]
fn sources_that_cannot_be_stored() -> Result<()> {
    let world = World::start()?;
    world.write("a.txt", b"a")?;
    world.write("docs/b.txt", b"b")?;
    let key = world.create("record", &[])?;
    world.fails(
        3,
        "none.txt cannot be read",
        &["dsu", "put", &key, "none.txt"],
    )?;
    world.fails(
        3,
        "neither a file nor a folder",
        &["dsu", "put", &key, "/dev/zero"],
    )?;
    world.fails(2, "no name", &["dsu", "put", &key, "-"])?;
    world.fails(2, "both come from stdin", &["dsu", "put", "-", "-", "/x"])?;
    world.fails(
        2,
        "several sources",
        &["dsu", "put", &key, "a.txt", "docs", "/x"],
    )?;
    world.write("other/a.txt", b"another")?;
    world.fails(
        2,
        "two sources would both be stored at /a.txt",
        &["dsu", "put", &key, "a.txt", "other/."],
    )?;
    let local = world.at("a.txt");
    let local = local.to_str().unwrap();
    world.fails(
        2,
        "is a path of this machine too",
        &["dsu", "put", &key, "docs", local],
    )?;
    world.fails(
        2,
        "cannot be written",
        &["dsu", "put", &key, "a.txt", "/manifest"],
    )?;
    std::os::unix::fs::symlink("../a.txt", world.at("docs/link"))?;
    world.fails(3, "symbolic link", &["dsu", "put", &key, "docs"])?;
    // Nothing was stored by any of these.
    assert_eq!(
        world
            .json(&["dsu", "history", &key])?
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    Ok(())
}

#[test]
fn local_files_are_not_overwritten_unasked() -> Result<()> {
    let world = World::start()?;
    world.write("record/a.txt", b"new")?;
    world.write("record/b.txt", b"new")?;
    let key = world.create("record", &["record/."])?;
    world.write("here/b.txt", b"old")?;
    world.fails(
        7,
        "b.txt exists already",
        &["dsu", "get", &key, "/b.txt", "here/b.txt"],
    )?;
    world.fails(
        7,
        "b.txt exists already",
        &["dsu", "get", &key, "/", "here"],
    )?;
    assert_eq!(
        world.tree("here")?,
        [("/b.txt".to_owned(), Some(b"old".to_vec()))]
    );
    world.ok(&["dsu", "get", &key, "/", "here", "--force"])?;
    assert_eq!(world.tree("here")?, world.tree("record")?);
    world.fails(2, "no name of its own", &["dsu", "get", &key, "/"])?;
    world.write("key.txt", b"")?;
    world.fails(7, "exists already", &["dsu", "create", "--out", "key.txt"])?;
    Ok(())
}

#[test]
fn names_from_a_dsu_are_not_trusted() -> Result<()> {
    let world = World::start()?;
    world.write("a.txt", b"a")?;
    for path in ["/x/.", "/bell\u{7}"] {
        let key = world.create(&path.replace('/', ""), &[])?;
        world.run_with(b"evil", &["dsu", "put", &key, "-", path])?;
        world.ok(&["dsu", "put", &key, "a.txt"])?;
        let listed = world.json(&["dsu", "ls", &key, "--recursive"])?;
        assert!(listed.to_string().contains("a.txt"), "{listed}");
        world.fails(2, "is not written", &["dsu", "get", &key, "/", "out"])?;
        assert!(!world.at("out").exists(), "{path:?}");
        assert_eq!(world.ok(&["dsu", "cat", &key, path])?, "evil");
    }
    Ok(())
}

#[test]
fn a_full_disk_has_a_code_of_its_own_and_leaves_nothing() -> Result<()> {
    let world = World::start()?;
    world.write("big", &vec![7; 2 * MIB])?;
    let key = world.create("record", &["big"])?;
    let full = OpenOptions::new().write(true).open("/dev/full")?;
    let arguments = ["dsu", "cat", &key, "/big"];
    let mut command = world.command_to(&world.node(), &arguments)?;
    let ended: crate::world::Ended = command.stdout(full).spawn()?.wait_with_output()?.into();
    ended.failed(14, "stdout cannot be written", &arguments)?;
    let Some(volume) = Volume::mount(3 * MIB as u64)? else {
        return Ok(());
    };
    let filler = volume.fill("filler", Some(2 * MIB))?;
    let target = volume.path().join("big");
    world.fails(
        14,
        "big cannot be written",
        &["dsu", "get", &key, "/big", target.to_str().unwrap()],
    )?;
    assert_eq!(
        volume.path().read_dir()?.count(),
        1,
        "something was left behind"
    );
    fs::remove_file(filler)?;
    world.ok(&["dsu", "get", &key, "/big", target.to_str().unwrap()])?;
    assert_eq!(fs::read(&target)?.len(), 2 * MIB);
    Ok(())
}
