//! Files and folders, to and from the disk and pipes.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::world::World;

/// More than one brick.
const BIG_BYTES: usize = (1 << 20) + 12_345;

fn big() -> Vec<u8> {
    testkit::random::Random::new(3).bytes(BIG_BYTES)
}

fn names(listed: &Value) -> Vec<&str> {
    let lines = listed.as_array().into_iter().flatten();
    lines.filter_map(|line| line["path"].as_str()).collect()
}

#[test]
fn a_folder_comes_back_as_it_was() -> Result<()> {
    let world = World::start()?;
    world.write("record/a b.txt", b"one")?;
    world.write("record/empty", b"")?;
    world.write("record/scans/big.dcm", &big())?;
    world.write("record/scans/deep/ü.txt", "größe".as_bytes())?;
    std::fs::create_dir(world.at("record/nothing"))?;
    let key = world.create("record", &["record/."])?;
    let got = world.ok(&["dsu", "get", &key, "/", "back"])?;
    assert_eq!(got, "back\n");
    assert_eq!(world.tree("record")?, world.tree("back")?);
    // A part of it, and under its own name.
    world.ok(&["dsu", "get", &key, "/scans"])?;
    assert_eq!(world.tree("record/scans")?, world.tree("scans")?);
    world.ok(&["dsu", "get", &key, "/scans", "into/"])?;
    assert_eq!(world.tree("record/scans")?, world.tree("into/scans")?);
    world.ok(&["dsu", "get", &key, "/a b.txt", "into"])?;
    assert_eq!(world.read("into/a b.txt")?, b"one");
    world.ok(&["dsu", "get", &key, "/a b.txt", "into/other"])?;
    assert_eq!(world.read("into/other")?, b"one");
    Ok(())
}

#[test]
fn unchanged_files_make_no_version() -> Result<()> {
    let world = World::start()?;
    world.write("record/a.txt", b"one")?;
    world.write("record/big", &big())?;
    let key = world.create("record", &["record/."])?;
    let again = world.run(&["dsu", "put", &key, "record/.", "/"])?;
    assert!(again.stderr.contains("nothing changed"), "{}", again.stderr);
    assert!(again.text(&[])?.is_empty());
    world.write("record/a.txt", b"two")?;
    let put = world.json(&["dsu", "put", &key, "record/.", "/"])?;
    assert_eq!(put["files"], 2);
    assert_eq!(put["versions"][0]["version"], 1);
    assert_eq!(put["versions"][0]["mounted_at"], "/");
    assert_eq!(world.ok(&["dsu", "cat", &key, "/a.txt"])?, "two");
    for (at, text) in [("0", "one"), ("1", "two"), ("2999-01-01", "two")] {
        assert_eq!(world.ok(&["dsu", "cat", &key, "/a.txt", "--at", at])?, text);
    }
    let first = world.json(&["dsu", "history", &key])?[0]["time"].clone();
    let first = first.as_str().context("no time")?;
    let old = world.ok(&["dsu", "cat", &key, "/a.txt", "--at", first])?;
    assert_eq!(old, "one");
    Ok(())
}

#[test]
fn targets_and_pipes() -> Result<()> {
    let world = World::start()?;
    world.write("a.txt", b"a")?;
    world.write("b.txt", b"b")?;
    let key = world.create("record", &[])?;
    world.ok(&["dsu", "put", &key, "a.txt"])?;
    world.ok(&["dsu", "put", &key, "a.txt", "b.txt", "/in/"])?;
    world.ok(&["dsu", "put", &key, "a.txt", "/named"])?;
    world.ok(&["dsu", "put", &key, "a.txt", "b.txt", "--to", "/to/"])?;
    let piped = world.run_with(&big(), &["dsu", "put", &key, "-", "/piped"])?;
    piped.text(&[])?;
    let listed = world.json(&["dsu", "ls", &key, "--recursive"])?;
    let expected = [
        "/a.txt",
        "/in",
        "/in/a.txt",
        "/in/b.txt",
        "/named",
        "/piped",
        "/to",
        "/to/a.txt",
        "/to/b.txt",
    ];
    assert_eq!(names(&listed), expected);
    assert_eq!(world.run(&["dsu", "cat", &key, "/piped"])?.stdout, big());
    assert_eq!(
        world.run(&["dsu", "get", &key, "/piped", "-"])?.stdout,
        big()
    );
    Ok(())
}

#[test]
fn listings_are_for_people_and_for_programs() -> Result<()> {
    let world = World::start()?;
    world.write("record/a.txt", b"one")?;
    world.write("record/docs/b.txt", b"two")?;
    let key = world.create("record", &["record"])?;
    assert_eq!(world.ok(&["dsu", "ls", &key])?, "record/\n");
    assert_eq!(world.ok(&["dsu", "ls", &key, "/record"])?, "a.txt\ndocs/\n");
    let long = world.ok(&["dsu", "ls", &key, "/record", "--long"])?;
    assert!(
        long.lines()
            .next()
            .is_some_and(|it| it.starts_with("file ")),
        "{long}"
    );
    let tree = world.ok(&["dsu", "tree", &key])?;
    assert_eq!(
        tree,
        "/\n└── record/\n    ├── a.txt\n    └── docs/\n        └── b.txt\n"
    );
    let stat = world.json(&["dsu", "stat", &key, "/record/a.txt"])?;
    assert_eq!(
        (&stat["kind"], &stat["version"]),
        (&json!("file"), &json!(0))
    );
    assert_eq!(stat["bricks"], 1);
    let whole = world.ok(&["dsu", "stat", &key])?;
    assert!(whole.contains("anchor_id"), "{whole}");
    Ok(())
}

#[test]
fn ranges_are_cut_out() -> Result<()> {
    let world = World::start()?;
    world.write("big", &big())?;
    let key = world.create("record", &["big"])?;
    let cut = |range: &str| -> Result<Vec<u8>> {
        Ok(world
            .run(&["dsu", "cat", &key, "/big", "--range", range])?
            .stdout)
    };
    let whole = big();
    assert_eq!(cut("0-0")?, whole[..1]);
    assert_eq!(cut("100-199")?, whole[100..200]);
    let over = 1_048_000;
    assert_eq!(
        cut(&format!("{over}-{}", over + 4999))?,
        whole[over..over + 5000]
    );
    assert_eq!(cut(&format!("{}-", BIG_BYTES - 3))?, whole[BIG_BYTES - 3..]);
    assert_eq!(cut(&format!("{BIG_BYTES}-"))?, b"");
    Ok(())
}

#[test]
fn other_kinds_of_dsus_are_made_too() -> Result<()> {
    let world = World::start()?;
    world.write("text", b"a text that is the key")?;
    world.write("list", br#"["one","two"]"#)?;
    world.write("words", br#"["three","four"]"#)?;
    world.write("leaflet/a.txt", b"take two")?;
    world.ok(&[
        "dsu",
        "create",
        "--const",
        "file:text",
        "--out",
        "const.key",
        "leaflet/.",
    ])?;
    world.ok(&[
        "dsu",
        "create",
        "--array",
        "file:list",
        "--out",
        "array.key",
        "leaflet/.",
    ])?;
    world.ok(&[
        "dsu",
        "create",
        "--wallet",
        "file:words",
        "--out",
        "wallet.key",
        "leaflet/.",
    ])?;
    for key in ["file:const.key", "file:array.key"] {
        assert_eq!(world.ok(&["dsu", "cat", key, "/a.txt"])?, "take two");
        world.fails(6, "never changes", &["dsu", "put", key, "text"])?;
    }
    let wallet = "file:wallet.key";
    assert_eq!(
        world.ok(&["dsu", "cat", wallet, "/writableDSU/a.txt"])?,
        "take two"
    );
    let said = world.fails(6, "never changes", &["dsu", "put", wallet, "text"])?;
    assert!(said.contains("/writableDSU/"), "{said}");
    world.ok(&["dsu", "put", wallet, "text", "/writableDSU/"])?;
    let listed = world.ok(&["dsu", "ls", wallet, "/writableDSU"])?;
    assert_eq!(listed, "a.txt\ntext\n");
    // A key that was made before.
    world.ok(&["ssi", "new", "--out", "seed.key"])?;
    world.ok(&["dsu", "create", "--key", "file:seed.key", "text"])?;
    assert_eq!(world.ok(&["dsu", "ls", "file:seed.key"])?, "text\n");
    world.fails(7, "already", &["dsu", "create", "--key", "file:seed.key"])?;
    Ok(())
}
