//! No request reaches the file system by name, and no answer tells of it or of
//! the environment.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use testkit::http::Reply;
use testkit::server::Server;

use crate::exchange;

/// A variable that only the node under test has, and its value.
const VARIABLE: &str = "KILN_PROBE";
const VALUE: &str = "value-of-the-probe-93c1";

/// Texts that would be a path, a variable or a file if anything believed them.
const PROBES: [&str; 28] = [
    "$KILN_PROBE",
    "$PATH",
    "$HOME",
    "${PATH}",
    "%24PATH",
    "$(id)",
    "`id`",
    "..",
    ".",
    "../../../../../../etc/passwd",
    "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "%252e%252e%252f",
    "..%5c..%5c",
    "..;/..;/",
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "file:///etc/passwd",
    "kiln.toml",
    "bricks.lock",
    "bricks%2fCURRENT",
    "../kiln.toml",
    "%00",
    "x%00.json",
    "con",
    "caf\u{e9}",
    "*",
];

/// Places in a request where a client can put a text.
const PLACES: [(&str, &str); 21] = [
    ("GET", "/{}"),
    ("GET", "/{}/{}"),
    ("GET", "/bdns/{}"),
    ("GET", "/bdns?{}={}"),
    ("GET", "/bricking/{}/get-brick/x"),
    ("GET", "/bricking/default/get-brick/{}"),
    ("GET", "/bricking/default/brick-exists/{}"),
    ("GET", "/bricking/{}/downloadMultipleBricks?hashes=x"),
    ("GET", "/bricking/default/downloadMultipleBricks?hashes={}"),
    ("PUT", "/bricking/{}/put-brick"),
    ("GET", "/anchor/{}/get-all-versions/x"),
    ("GET", "/anchor/default/get-all-versions/{}"),
    ("GET", "/anchor/default/get-last-version/{}"),
    ("GET", "/anchor/{}/get-total-numbers-of-anchors"),
    ("PUT", "/anchor/{}/create-anchor/x/y"),
    ("PUT", "/anchor/default/create-anchor/{}/{}"),
    ("PUT", "/anchor/default/append-to-anchor/{}/{}"),
    ("PUT", "/anchor/{}/create-or-update-multiple-anchors"),
    ("GET", "/versionlessdsu/{}"),
    ("PUT", "/versionlessdsu/{}"),
    ("DELETE", "/versionlessdsu/{}"),
];

struct Probed {
    server: Server,
    /// What no answer may hold.
    secrets: Vec<String>,
}

impl Probed {
    fn start() -> Result<Self> {
        let server = Server::start_with("", |launch, _| launch.env(VARIABLE, VALUE))?;
        let folder = server.data();
        let folder = folder.parent().unwrap_or(&folder).display().to_string();
        let mut secrets = vec![folder, VALUE.to_owned()];
        for name in ["PATH", "HOME", "CARGO_MANIFEST_DIR"] {
            secrets.extend(std::env::var(name).ok().filter(|it| it.len() > 3));
        }
        // What operating system, engine and panics say.
        for text in [
            "os error",
            "No such file",
            "panicked",
            "rocksdb",
            ".rs:",
            "root:x",
        ] {
            secrets.push(text.to_owned());
        }
        Ok(Self { server, secrets })
    }

    /// Asserts that an answer came and tells nothing.
    fn check(&self, request: &str, reply: &Reply) {
        let told = format!("{:?}\n{}", reply.headers, reply.text());
        for secret in &self.secrets {
            assert!(
                !told.contains(secret),
                "{request:?} told {secret:?}: {told}"
            );
        }
        assert!(reply.status < 500, "{request:?}: {} {told}", reply.status);
    }
}

#[test]
fn nothing_a_client_names_is_looked_up_in_files_or_variables() -> Result<()> {
    let probed = Probed::start()?;
    let server = &probed.server;
    let files = file_names(&server.data())?;
    for (method, place) in PLACES {
        for probe in PROBES {
            let target = place.replace("{}", probe);
            let request = format!(
                "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n[]"
            );
            let reply = exchange(server.address(), method, request.as_bytes())?;
            probed.check(&request, &reply);
            let is_versionless = place.starts_with("/versionlessdsu");
            let is_answered =
                reply.status == 200 && (is_versionless || place.starts_with("/bdns?"));
            let is_refused = (400..500).contains(&reply.status);
            assert!(is_answered || is_refused, "{request:?}: {}", reply.status);
        }
    }
    let after = file_names(&server.data())?;
    assert_eq!(after, files, "requests have made or removed files");
    Ok(())
}

#[test]
fn nothing_in_headers_and_bodies_is_looked_up_either() -> Result<()> {
    let probed = Probed::start()?;
    let server = &probed.server;
    let batch = "/anchor/create-or-update-multiple-anchors";
    for probe in PROBES {
        let id = bs58::encode(format!("ssi:sza:{probe}::x:v0")).into_string();
        let cza = format!("ssi:cza:{probe}:{}::v0", "1".repeat(32));
        let cza = bs58::encode(cza).into_string();
        let link = bs58::encode(format!("ssi:hl:{probe}:hash1::v0")).into_string();
        for id in [id.as_str(), &cza, probe] {
            let body = serde_json::json!([{ "anchorId": id, "anchorValue": link }]);
            let reply = server.put(batch, body.to_string())?;
            probed.check(&format!("batch of {id}"), &reply);
            assert_eq!(reply.status, 400, "{id}");
        }
        for name in [
            "Origin",
            "Cookie",
            "Range",
            "If-None-Match",
            "User-Agent",
            "x-api-key",
            "Authorization",
            "Content-Type",
            "Excluded-Providers",
        ] {
            let request = server.request("GET", "/bdns").header(name, probe);
            probed.check(&format!("{name}: {probe}"), &server.ask(&request)?);
        }
        let put = server
            .request("PUT", "/bricking/default/put-brick")
            .body(probe);
        probed.check(probe, &server.ask(&put.header("Content-Type", probe))?);
    }
    for target in [
        "/version",
        "/readyz",
        "/livez",
        "/ready-probe",
        "/bdns",
        "/",
    ] {
        probed.check(target, &server.fetch(target)?);
    }
    Ok(())
}

/// Names of files in a folder and below, but those of the engine, which come
/// and go by numbers.
fn file_names(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in folder.read_dir()? {
        names.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    let beside = folder.parent().unwrap_or(folder);
    for entry in beside.read_dir()? {
        names.insert(format!("../{}", entry?.file_name().to_string_lossy()));
    }
    Ok(names)
}
