//! Certificates are replaced while the node runs; what cannot be used is not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::server::write_file;

use crate::authority::{Authority, Leaf, Time};
use crate::client::{Client, WAIT};
use crate::world::World;

/// Waits until new connections see this certificate.
fn await_certificate(world: &World, client: &Client, leaf: &Leaf) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    while client.connect(world.address())?.node_certificate()? != leaf.der {
        ensure!(Instant::now() < deadline, "the new certificate is not used");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Waits until the node says this in its log.
fn await_words(world: &World, words: &str) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    while !world.node.stderr_tail().contains(words) {
        let said = world.node.stderr_tail();
        ensure!(Instant::now() < deadline, "{words:?} is not in {said}");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[test]
fn a_new_certificate_is_used_without_a_request_failing() -> Result<()> {
    let world = World::start("", "")?;
    let client = Client::new(&world.authority)?;
    let mut old = client.connect(world.address())?;
    assert_eq!(old.get("/livez")?.0, 200);
    let next = world.authority.node(Time::Now)?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let busy: Vec<_> = (0..4)
            .map(|_| {
                let (client, stop, address) = (client.clone(), &stop, world.address());
                scope.spawn(move || -> Result<u32> {
                    let mut count = 0;
                    while !stop.load(Ordering::Relaxed) {
                        ensure!(client.get(address, "/livez")?.0 == 200);
                        count += 1;
                    }
                    Ok(count)
                })
            })
            .collect();
        let replaced = next
            .install(world.folder.path())
            .and_then(|()| await_certificate(&world, &client, &next));
        stop.store(true, Ordering::Relaxed);
        for requests in busy {
            assert!(requests.join().unwrap()? > 0);
        }
        replaced
    })?;
    // What was connected before goes on as it was.
    assert_eq!(old.node_certificate()?, world.leaf.der);
    assert_eq!(old.get("/livez")?.0, 200);
    // And once more, when asked to.
    let third = world.authority.node(Time::Now)?;
    third.install(world.folder.path())?;
    world.node.hang_up()?;
    await_certificate(&world, &client, &third)?;
    ensure!(world.node.stop()?.success(), "the node did not end well");
    Ok(())
}

#[test]
fn what_cannot_be_used_leaves_the_old_certificate_and_is_told() -> Result<()> {
    let world = World::start("", "")?;
    let client = Client::new(&world.authority)?;
    let place = |name: &str| world.folder.path().join(name);
    let (certificate, key) = (place("node.pem"), place("key.pem"));
    let other = world.authority.node(Time::Now)?;
    let key_text = |leaf: &Leaf| leaf.key.serialize_pem();
    let good = |leaf: &Leaf| leaf.install(world.folder.path());
    let cases: [(&str, &dyn Fn() -> Result<()>); 7] = [
        ("does not hold a certificate", &|| {
            Ok(write_file(&certificate, b"-----BEGIN CERT")?)
        }),
        ("is not the key of", &|| {
            Ok(write_file(&certificate, other.pem.as_bytes())?)
        }),
        ("is valid from", &|| {
            good(&world.authority.node(Time::Over)?)
        }),
        ("does not hold a private key", &|| {
            good(&world.leaf)?;
            Ok(write_file(&key, other.pem.as_bytes())?)
        }),
        ("chmod 600", &|| {
            write_file(&key, key_text(&world.leaf).as_bytes())?;
            Ok(fs::set_permissions(
                &key,
                fs::Permissions::from_mode(0o644),
            )?)
        }),
        ("cannot be read", &|| Ok(fs::remove_file(&key)?)),
        ("has more than", &|| {
            Ok(write_file(&key, &vec![b'\n'; 2 << 20])?)
        }),
    ];
    for (words, change) in cases {
        change()?;
        await_words(&world, words)?;
        let mut connection = client.connect(world.address())?;
        assert_eq!(connection.node_certificate()?, world.leaf.der, "{words}");
        assert_eq!(connection.get("/livez")?.0, 200, "{words}");
    }
    let said = world.node.stderr_tail();
    assert!(
        said.contains("the old TLS certificate stays in use"),
        "{said}"
    );
    for line in key_text(&other)
        .lines()
        .chain(key_text(&world.leaf).lines())
    {
        assert!(line.starts_with("-----") || !said.contains(line), "{said}");
    }
    good(&other)?;
    await_certificate(&world, &client, &other)
}

#[test]
fn authorities_of_clients_are_replaced_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (first, second) = (Authority::new("first")?, Authority::new("second")?);
    let authorities = folder.path().join("clients.pem");
    write_file(&authorities, first.pem.as_bytes())?;
    let tls = format!(
        "client = \"required\"\nclient_ca = \"{}\"",
        authorities.display()
    );
    let world = World::start_in(folder, &tls, "")?;
    let client = |of: &Authority| {
        let own = of.client("urn:lab:7", Time::Now)?;
        Client::showing(&world.authority, &own)
    };
    let (old, new) = (client(&first)?, client(&second)?);
    assert_eq!(old.get(world.address(), "/livez")?.0, 200);
    assert!(new.get(world.address(), "/livez").is_err());
    write_file(&authorities, second.pem.as_bytes())?;
    let deadline = Instant::now() + WAIT;
    while new.get(world.address(), "/livez").is_err() {
        ensure!(Instant::now() < deadline, "the new authority is not used");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(old.get(world.address(), "/livez").is_err());
    Ok(())
}
