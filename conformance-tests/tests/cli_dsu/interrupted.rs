//! Ctrl-C in the middle.

use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::liar::{Liar, Lie, Route, Rule};

use crate::world::{Ended, World};

/// Longest wait for a command to get where it is wanted.
const WAIT: Duration = Duration::from_mins(1);
const BYTES: usize = 24 << 20;
/// More than are asked for at a time, so that the first one of the file is among them.
const BRICKS_BEFORE: usize = 10;

fn wait_until(is_so: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    while !is_so() {
        ensure!(Instant::now() < deadline, "it never came so far");
        thread::yield_now();
    }
    Ok(())
}

fn interrupt(child: Child) -> Result<Ended> {
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()?;
    ensure!(sent.success(), "no signal could be sent");
    Ok(child.wait_with_output()?.into())
}

#[test]
fn an_interrupted_get_leaves_nothing() -> Result<()> {
    let world = World::start()?;
    world.write("big", &testkit::random::Random::new(5).bytes(BYTES))?;
    let key = world.create("record", &["big"])?;
    let liar = Liar::before(world.server.address())?;
    // The brick map and the first bricks come, one by one; then nothing.
    liar.tell(Rule::new(
        Route::GetBricks,
        Lie::Instead(404, String::new()),
    ));
    liar.tell(Rule::new(Route::GetBrick, Lie::Stall).after(BRICKS_BEFORE));
    std::fs::create_dir(world.at("out"))?;
    let arguments = ["dsu", "get", &key, "/big", "out/big"];
    let child = world.command_to(&liar.url(), &arguments)?.spawn()?;
    let out = world.at("out");
    let has_begun = || {
        let mut entries = out.read_dir().into_iter().flatten().flatten();
        entries.any(|it| it.metadata().is_ok_and(|it| it.len() > 0))
    };
    wait_until(|| has_begun() && !liar.told().is_empty())?;
    interrupt(child)?.failed(130, "interrupted", &arguments)?;
    assert!(
        world.tree("out")?.is_empty(),
        "{:?}",
        world.at("out").read_dir()
    );
    // Nothing is in the way of the next attempt.
    world.ok(&arguments)?;
    assert_eq!(world.read("out/big")?, world.read("big")?);
    Ok(())
}

#[test]
fn an_interrupted_put_leaves_the_dsu_as_it_was() -> Result<()> {
    let world = World::start()?;
    world.write("a.txt", b"a")?;
    world.write("big", &testkit::random::Random::new(6).bytes(BYTES))?;
    let key = world.create("record", &["a.txt"])?;
    let liar = Liar::before(world.server.address())?;
    liar.tell(Rule::new(Route::PutBricks, Lie::Silence).after(1));
    let arguments = ["dsu", "put", &key, "big"];
    let child = world.command_to(&liar.url(), &arguments)?.spawn()?;
    wait_until(|| !liar.told().is_empty())?;
    interrupt(child)?.failed(130, "interrupted", &arguments)?;
    assert_eq!(world.ok(&["dsu", "ls", &key])?, "a.txt\n");
    world.ok(&arguments)?;
    assert_eq!(
        world.run(&["dsu", "cat", &key, "/big"])?.stdout,
        world.read("big")?
    );
    Ok(())
}

#[test]
fn a_read_from_stdin_does_not_hold_it() -> Result<()> {
    let world = World::start()?;
    let key = world.create("record", &[])?;
    let liar = Liar::before(world.server.address())?;
    let arguments = ["dsu", "put", &key, "-", "/x"];
    let mut command = world.command_to(&liar.url(), &arguments)?;
    let mut child = command.stdin(std::process::Stdio::piped()).spawn()?;
    let held = child.stdin.take();
    // The history and the brick map have been read: what is left is stdin.
    wait_until(|| liar.requests().len() >= 3)?;
    interrupt(child)?.failed(130, "interrupted", &arguments)?;
    drop(held);
    Ok(())
}
