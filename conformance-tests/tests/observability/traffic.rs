//! Requests of all kinds, good and bad, and the secrets that were in them.

use anyhow::{Result, ensure};
use keyssi::{BrickHash, Domain};
use testkit::owner::{FIRST_MS, Owner, constant_id, constant_value};
use testkit::server::Server;

/// What no log, metric or span may hold.
#[derive(Default)]
pub(crate) struct Secrets(Vec<(&'static str, Vec<u8>)>);

impl Secrets {
    pub(crate) fn add(&mut self, what: &'static str, bytes: impl AsRef<[u8]>) {
        self.0.push((what, bytes.as_ref().to_vec()));
    }

    /// Those that stand in what was seen.
    pub(crate) fn found_in(&self, seen: &[u8]) -> Vec<&'static str> {
        let found = self
            .0
            .iter()
            .filter(|(_, secret)| seen.windows(secret.len()).any(|part| part == secret));
        found.map(|(what, _)| *what).collect()
    }
}

/// A seed identifier, as an application may put it anywhere by mistake.
const SEED: &str = "ssi:seed:default:4qkqyLJfrMTuGmHGqPJcrPqRVR5R6TPGyBbVwGvMyjkj::v0";
/// The form of an API key that nobody has.
const NO_KEY: &str =
    "kiln_0123456789ab_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff01234567";
const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJlLW9mLW5vYm9keQ";
const BRICK: &[u8] = b"the plaintext of a brick that nobody encrypted";

fn put(server: &Server, target: &str, body: &[u8], expected: u16) -> Result<()> {
    let status = server.put(target, body)?.status;
    ensure!(status == expected, "PUT {target}: {status}");
    Ok(())
}

fn get(server: &Server, target: &str, expected: u16) -> Result<()> {
    let status = server.fetch(target)?.status;
    ensure!(status == expected, "GET {target}: {status}");
    Ok(())
}

/// Bricks, one by one and many at once.
fn bricks(server: &Server, secrets: &mut Secrets) -> Result<()> {
    secrets.add("the bytes of a brick", BRICK);
    let hash = BrickHash::of(BRICK).to_string();
    put(server, "/bricking/default/put-brick", BRICK, 201)?;
    put(server, "/bricking/default/put-brick", BRICK, 201)?;
    get(server, &format!("/bricking/default/get-brick/{hash}"), 200)?;
    get(
        server,
        &format!("/bricking/default/brick-exists/{hash}"),
        200,
    )?;
    let many = format!("/bricking/default/downloadMultipleBricks?hashes={hash}");
    get(server, &many, 200)?;
    let absent = BrickHash::of(b"absent").to_string();
    get(
        server,
        &format!("/bricking/default/get-brick/{absent}"),
        404,
    )?;
    get(server, &format!("/bricking/other/get-brick/{hash}"), 404)?;
    let list = serde_json::to_vec(&[&hash])?;
    for (route, status) in [
        ("have-bricks", 200),
        ("get-bricks", 200),
        ("put-bricks", 400),
    ] {
        let target = format!("/bricking/default/{route}");
        let request = server.request("POST", &target).body(list.clone());
        let answer = server.ask(&request)?;
        ensure!(answer.status == status, "{route}: {}", answer.text());
    }
    Ok(())
}

/// Anchors of both kinds: made, continued, contested, read, proved.
fn anchors(server: &Server, domain: &str, secrets: &mut Secrets) -> Result<()> {
    let name: Domain = domain.parse()?;
    let private = [0x5e; 32];
    secrets.add("a private key", private);
    let mut owner = Owner::new(&name, &private)?;
    secrets.add("the id of an anchor", owner.id());
    for version in 0..2_u64 {
        let hash = BrickHash::of(&version.to_be_bytes()).to_string();
        let value = owner.sign(&hash, FIRST_MS + version)?;
        secrets.add("the value of an anchor", &value);
        let action = if owner.exists() {
            "append-to-anchor"
        } else {
            "create-anchor"
        };
        let target = format!("/anchor/{domain}/{action}/{}/{value}", owner.id());
        put(server, &target, b"", 201)?;
        let again = server.put(&target, b"".as_slice())?.status;
        ensure!(again >= 400, "a second time: {again}");
        owner.follow(Some(&value))?;
    }
    for action in ["get-all-versions", "get-last-version", "status"] {
        get(
            server,
            &format!("/anchor/{domain}/{action}/{}", owner.id()),
            200,
        )?;
    }
    get(
        server,
        &format!("/anchor/{domain}/get-total-numbers-of-anchors"),
        200,
    )?;
    let proof = server.fetch(&format!("/anchor/{domain}/proof/{}", owner.id()))?;
    ensure!(proof.status < 400, "a proof: {}", proof.text());
    let hash = BrickHash::of(b"constant").to_string();
    let (id, value) = (constant_id(&name, &hash)?, constant_value(&name, &hash)?);
    secrets.add("the id of a constant anchor", &id);
    put(
        server,
        &format!("/anchor/{domain}/create-anchor/{id}/{value}"),
        b"",
        201,
    )?;
    let many = format!("/anchor/{domain}/create-or-update-multiple-anchors");
    ensure!(server.put(&many, b"[]".as_slice())?.status < 500, "many");
    get(server, &format!("/log/{domain}/vkey"), 200)
}

/// Secrets where they do not belong: in paths, queries and headers.
fn mistakes(server: &Server, secrets: &mut Secrets) -> Result<()> {
    let wrapped = bs58::encode(SEED).into_string();
    secrets.add("a seed identifier", SEED);
    secrets.add("a seed identifier, wrapped", &wrapped);
    secrets.add("a seed", "4qkqyLJfrMTuGmHGqPJcrPqRVR5R6TPGyBbVwGvMyjkj");
    secrets.add("an API key", NO_KEY);
    secrets.add("a token", TOKEN);
    for target in [
        format!("/anchor/default/get-last-version/{wrapped}"),
        format!("/anchor/default/get-last-version/{SEED}?ssi={SEED}"),
        format!("/anchor/{SEED}/get-last-version/{wrapped}?key={NO_KEY}"),
        format!("/bricking/{wrapped}/get-brick/{wrapped}"),
        format!("/bricking/default/get-brick/{wrapped}"),
        format!("/ipfs/{wrapped}"),
        format!("/log/{wrapped}/checkpoint"),
        format!("/versionlessdsu/{wrapped}"),
        format!("/{wrapped}?token={TOKEN}"),
    ] {
        let status = server.fetch(&target)?.status;
        ensure!(status < 500, "GET {target}: {status}");
    }
    let document = b"a document that anyone may read";
    secrets.add("a document", document);
    put(server, &format!("/versionlessdsu/{wrapped}"), document, 200)?;
    get(server, &format!("/versionlessdsu/{wrapped}"), 200)?;
    for (name, value) in [
        ("x-api-key", NO_KEY.to_owned()),
        ("authorization", format!("Bearer {TOKEN}")),
        ("authorization", format!("Bearer {NO_KEY}")),
        ("x-request-id", wrapped.clone()),
        ("traceparent", format!("00-{wrapped}-00")),
        ("tracestate", format!("a={wrapped}")),
        ("origin", format!("https://{TOKEN}")),
        ("via", wrapped.clone()),
    ] {
        let request = server.request("GET", "/bdns").header(name, &value);
        let status = server.ask(&request)?.status;
        ensure!(status < 500, "{name}: {status}");
    }
    Ok(())
}

/// All of it; anchors in each of these domains.
pub(crate) fn drive(server: &Server, domains: &[&str]) -> Result<Secrets> {
    let mut secrets = Secrets::default();
    bricks(server, &mut secrets)?;
    for domain in domains {
        anchors(server, domain, &mut secrets)?;
    }
    mistakes(server, &mut secrets)?;
    for target in ["/livez", "/readyz", "/version", "/bdns"] {
        get(server, target, 200)?;
    }
    let preflight = server.ask(&server.request("OPTIONS", "/bdns"))?;
    ensure!(preflight.status == 200, "{}", preflight.status);
    Ok(secrets)
}
