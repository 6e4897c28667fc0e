//! History and verification.

use anyhow::{Context as _, Result};
use testkit::liar::{Liar, Lie, Route, Rule};

use crate::world::World;

#[test]
fn the_history_says_who_signed_what_when() -> Result<()> {
    let world = World::start()?;
    world.write("a.txt", b"a")?;
    let key = world.create("record", &[])?;
    world.ok(&["dsu", "put", &key, "a.txt"])?;
    let history = world.json(&["dsu", "history", &key])?;
    assert_eq!(history.as_array().map(Vec::len), Some(2));
    let public = world.ok(&["ssi", "derive", &key, "--to", "sza", "--plain"])?;
    let signer = history[1]["signer"].as_str().context("no signer")?;
    assert!(public.contains(signer), "{public} {signer}");
    assert!(history[0]["time"].as_str() < history[1]["time"].as_str());
    let text = world.ok(&["dsu", "history", &key])?;
    let map = history[1]["brick_map"].as_str().context("no brick map")?;
    let last = text.lines().last().context("no line")?;
    assert!(last.starts_with("1 ") && last.contains(map), "{last}");
    // The public name is enough.
    assert_eq!(world.json(&["dsu", "history", public.trim()])?, history);
    Ok(())
}

#[test]
fn verification_names_what_is_wrong() -> Result<()> {
    let world = World::start()?;
    world.write("a.txt", b"a")?;
    world.write("b.txt", b"b")?;
    let key = world.create("record", &["a.txt"])?;
    let other = world.create("other", &["b.txt"])?;
    world.ok(&["dsu", "mount", &key, "/other", &other])?;
    let well = world.ok(&["dsu", "verify", &key, "--mounts"])?;
    assert!(
        well.starts_with("2 DSUs, 3 versions, ") && well.ends_with("all is well\n"),
        "{well}"
    );
    // A node that lacks the brick map of the newest version.
    let liar = Liar::before(world.server.address())?;
    let maps = world.json(&["dsu", "history", &key])?;
    let second = maps[1]["brick_map"].as_str().context("no brick map")?;
    let not_found = Lie::Instead(404, String::new());
    liar.tell(Rule::new(Route::GetBrick, not_found).about(second));
    let ended = world.run_on(&liar.url(), &["dsu", "verify", &key])?;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let said = String::from_utf8(ended.stdout)?;
    assert!(
        said.contains("wrong: the brick map of version 1 cannot be fetched"),
        "{said}"
    );
    assert!(
        said.contains(second) && said.ends_with("1 finding\n"),
        "{said}"
    );
    // The same lie stops a reader, with a code of its own.
    let arguments = ["dsu", "ls", &key];
    let ended = world.run_on(&liar.url(), &arguments)?;
    ended.failed(8, second, &arguments)?;
    Ok(())
}
