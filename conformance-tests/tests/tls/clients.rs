//! What a client's certificate is worth.

use std::path::Path;

use anyhow::{Context as _, Result};
use testkit::binaries::Binary;
use testkit::process::Launch;
use testkit::server::write_file;

use crate::authority::{Authority, Leaf, Time};
use crate::client::{Client, Connection};
use crate::world::World;

const KNOWN: &str = "urn:hospital:lab-7";

/// A node that lets the anonymous do nothing, `KNOWN` write, and one more certificate read.
fn start(mode: &str, clients: &Authority, reader: &Leaf) -> Result<World> {
    let folder = tempfile::tempdir()?;
    let authorities = folder.path().join("clients.pem");
    write_file(&authorities, clients.pem.as_bytes())?;
    let digest: String = {
        use sha2::Digest as _;
        let digest = sha2::Sha256::digest(&reader.der);
        let pairs: Vec<_> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    };
    let tls = format!(
        "client = \"{mode}\"\nclient_ca = \"{}\"",
        authorities.display()
    );
    let access = format!(
        r#"
        [access]
        anonymous = "none"
        [[access.certificate]]
        name = "lab 7"
        san = "uri:{KNOWN}"
        grants = [{{ domain = "default", role = "write" }}]
        [[access.certificate]]
        name = "reader"
        fingerprint = "{digest}"
        grants = [{{ domain = "*", role = "read" }}]
        "#
    );
    World::start_in(folder, &tls, &access)
}

/// The status of a write.
fn put(connection: &mut Connection, headers: &str) -> Result<u16> {
    connection.send(&format!(
        "PUT /bricking/default/put-brick HTTP/1.1\r\nHost: localhost\r\n{headers}\
         Content-Length: 7\r\n\r\na brick"
    ))?;
    Ok(connection.read()?.0)
}

/// The status of a read of what is not there.
fn get(connection: &mut Connection) -> Result<u16> {
    let hash = bs58::encode([7; 32]).into_string();
    let target = format!("/bricking/default/get-brick/{hash}");
    Ok(connection.get(&target)?.0)
}

#[test]
fn a_certificate_is_worth_what_is_configured_for_it() -> Result<()> {
    let clients = Authority::new("clients")?;
    let reader = clients.client("urn:hospital:reader", Time::Now)?;
    for mode in ["optional", "required"] {
        let world = start(mode, &clients, &reader)?;
        let connect = |own: &Leaf| {
            let client = Client::showing(&world.authority, own)?;
            client.connect(world.address())
        };
        let mut known = connect(&clients.client(KNOWN, Time::Now)?)?;
        assert_eq!((put(&mut known, "")?, get(&mut known)?), (201, 404));
        // What the request brings counts before it, and is never made good by it.
        assert_eq!(put(&mut known, "x-api-key: nonsense\r\n")?, 401);
        let mut reading = connect(&reader)?;
        assert_eq!((put(&mut reading, "")?, get(&mut reading)?), (403, 404));
        for near in [
            "urn:hospital:lab-70",
            "urn:hospital:lab",
            "urn:hospital:reader",
        ] {
            let mut unknown = connect(&clients.client(near, Time::Now)?)?;
            assert_eq!(
                (put(&mut unknown, "")?, get(&mut unknown)?),
                (401, 401),
                "{near}"
            );
        }
        let said = world.node.stderr_tail();
        assert!(!said.contains("PRIVATE KEY"), "{said}");
    }
    Ok(())
}

#[test]
fn a_certificate_that_cannot_be_trusted_ends_the_connection() -> Result<()> {
    let clients = Authority::new("clients")?;
    let reader = clients.client("urn:hospital:reader", Time::Now)?;
    // Of the same name, but with a key of its own.
    let strangers = Authority::new("clients")?;
    for mode in ["optional", "required"] {
        let world = start(mode, &clients, &reader)?;
        let bad = [
            strangers.client(KNOWN, Time::Now)?,
            clients.client(KNOWN, Time::Over)?,
            world.authority.client(KNOWN, Time::Now)?,
        ];
        for own in &bad {
            let client = Client::showing(&world.authority, own)?;
            assert!(client.get(world.address(), "/livez").is_err(), "{mode}");
        }
        let without = Client::new(&world.authority)?.get(world.address(), "/livez");
        if mode == "required" {
            assert!(without.is_err());
        } else {
            assert_eq!(without?.0, 200);
            let mut anonymous = Client::new(&world.authority)?.connect(world.address())?;
            assert_eq!((put(&mut anonymous, "")?, get(&mut anonymous)?), (401, 401));
        }
    }
    Ok(())
}

/// As before an admin listener behind a TLS proxy, and for a reader of a log.
#[test]
fn operators_and_readers_of_logs_give_authorities_too() -> Result<()> {
    let world = World::start("", "")?;
    let place = world.folder.path();
    let authority = place.join("authority.pem");
    write_file(&authority, world.authority.pem.as_bytes())?;
    let node = format!("https://{}", world.address());
    let log = format!("{node}/log/default");
    let (_, key) = Client::new(&world.authority)?.get(world.address(), "/log/default/vkey")?;
    let token = place.join("data/admin-token").display().to_string();
    let status = [
        "admin",
        "status",
        "--url",
        &node,
        "--token-file",
        &token,
        "--ca-file",
    ];
    let check = ["log", "check", &log, "--vkey", key.trim(), "--ca-file"];
    let run = |command: &[&str], authority: Option<&Path>| -> Result<(Option<i32>, String)> {
        let launch = Launch::of(Binary::Kiln)?.env("KILN_STATE", place.join("state"));
        let (option, command) = command.split_last().context("no command")?;
        let launch = command.iter().fold(launch, Launch::arg);
        let output = match authority {
            Some(file) => launch.arg(option).arg(file).run()?,
            None => launch.run()?,
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.status.code(), said))
    };
    for command in [&status[..], &check] {
        let (code, said) = run(command, None)?;
        assert_eq!(code, Some(4), "{said}");
        let (code, said) = run(command, Some(&place.join("nowhere.pem")))?;
        assert!(code == Some(3) && said.contains("--ca-file"), "{said}");
        let (code, said) = run(command, Some(&place.join("kiln.toml")))?;
        assert!(
            code == Some(2) && said.contains("holds no certificates"),
            "{said}"
        );
    }
    // The node answers: the listener that clients use does not take this credential.
    let (code, said) = run(&status, Some(&authority))?;
    assert_eq!(code, Some(6), "{said}");
    let (code, said) = run(&check, Some(&authority))?;
    assert!(!matches!(code, Some(2..=4)), "{code:?} {said}");
    Ok(())
}

#[test]
fn the_command_believes_the_authorities_that_it_is_given() -> Result<()> {
    let world = World::start("", "")?;
    let place = world.folder.path();
    let authority = place.join("authority.pem");
    write_file(&authority, world.authority.pem.as_bytes())?;
    write_file(&place.join("record/a.txt"), b"take two")?;
    let run = |options: &[&str]| -> Result<(Option<i32>, String)> {
        let launch = Launch::of(Binary::Kiln)?
            .env("KILN_STATE", place.join("state"))
            .arg("--node")
            .arg(format!("https://{}", world.address()));
        let launch = options.iter().fold(launch, Launch::arg);
        let launch = launch.arg("dsu").arg("create").arg("--out");
        // What a refused command leaves behind is for whoever looks into it.
        let keys = tempfile::tempdir_in(place)?;
        let output = launch
            .arg(keys.path().join("a.key"))
            .arg(place.join("record"))
            .run()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.status.code(), said))
    };
    let (code, said) = run(&[])?;
    assert_ne!(code, Some(0), "{said}");
    for (file, words) in [("nowhere.pem", "--ca-file"), ("kiln.toml", "holds none")] {
        let file = place.join(file).display().to_string();
        let (code, said) = run(&["--ca-file", &file])?;
        assert!(code != Some(0) && said.contains(words), "{said}");
    }
    let (code, said) = run(&["--ca-file", &authority.display().to_string()])?;
    assert_eq!(code, Some(0), "{said}");
    Ok(())
}
