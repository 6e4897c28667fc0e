//! `kiln share`.

use anyhow::Result;

use crate::world::World;

#[test]
fn a_shared_key_reads_and_does_not_write() -> Result<()> {
    let world = World::start()?;
    world.write("a.txt", b"a")?;
    let key = world.create("record", &["a.txt"])?;
    let shared = world.run(&["share", &key])?;
    assert!(
        shared
            .stderr
            .contains("all versions of the DSU, past and future"),
        "{}",
        shared.stderr
    );
    assert!(
        shared.stderr.contains("cannot be called back"),
        "{}",
        shared.stderr
    );
    world.write("shared.key", &shared.stdout)?;
    let reader = "file:shared.key";
    assert_eq!(world.ok(&["dsu", "cat", reader, "/a.txt"])?, "a");
    world.fails(
        6,
        "can read this DSU",
        &["dsu", "put", reader, "a.txt", "/b.txt"],
    )?;
    world.fails(6, "can read this DSU", &["dsu", "rm", reader, "/a.txt"])?;
    // Shared again it is the same key.
    assert_eq!(world.ok(&["share", reader])?.as_bytes(), shared.stdout);
    Ok(())
}

#[test]
fn links_carry_the_key_after_the_hash_only() -> Result<()> {
    let world = World::start()?;
    world.write("a.txt", b"a")?;
    let key = world.create("record", &["a.txt"])?;
    let plain = world.ok(&["share", &key])?;
    let link = world.ok(&[
        "share",
        &key,
        "--as",
        "link",
        "--base",
        "https://viewer.example/x",
    ])?;
    assert_eq!(link, format!("https://viewer.example/x#{plain}"));
    assert_eq!(world.ok(&["dsu", "cat", link.trim(), "/a.txt"])?, "a");
    let to_node = world.ok(&["share", &key, "--as", "link"])?;
    assert_eq!(to_node, format!("{}/#{plain}", world.node()));
    let code = world.ok(&["share", &key, "--as", "qr"])?;
    assert!(code.lines().count() > 20 && code.contains('█'), "{code}");
    for base in ["ftp://x/", "https://me:pass@x/", "https://x/#y"] {
        let said = world.fails(2, "link", &["share", &key, "--as", "link", "--base", base])?;
        assert!(!said.contains("pass@"), "{said}");
    }
    world.fails(2, "--json hides", &["share", &key, "--json"])?;
    let json = world.json(&["share", &key, "--reveal"])?;
    assert_eq!(
        (&json["type"], json["keyssi"].as_str()),
        (&"sread".into(), Some(plain.trim()))
    );
    Ok(())
}

#[test]
fn a_mounted_dsu_is_shared_alone() -> Result<()> {
    let world = World::start()?;
    world.write("docs/a.txt", b"a")?;
    world.write("b.txt", b"b")?;
    let key = world.create("record", &["docs"])?;
    let images = world.create("images", &["b.txt"])?;
    world.ok(&["dsu", "mount", &key, "/images", &images, "--writable"])?;
    let shared = world.ok(&["share", &key, "--path", "/images"])?;
    assert_eq!(shared, world.ok(&["share", &images])?);
    let said = world.fails(2, "only a mounted DSU", &["share", &key, "--path", "/docs"])?;
    assert!(said.contains("kiln dsu mount KEY /docs"), "{said}");
    world.fails(5, "/none", &["share", &key, "--path", "/none"])?;
    let public = world.ok(&["ssi", "derive", &key, "--to", "sza"])?;
    world.fails(6, "cannot be shared", &["share", public.trim()])?;
    Ok(())
}
