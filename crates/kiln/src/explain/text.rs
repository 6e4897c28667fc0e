//! Texts that `kiln explain` knows.

use age::x25519;
use car::Cid;
use dsu::{BrickMap, Depth, DsuPath, Manifest, Node, Timing};
use keyssi::{BrickHash, KeySsi};
use serde_json::Value;

use crate::explanation::Explanation;

/// What the text is, unless it is unknown.
pub(super) fn recognise(text: &str) -> Option<Explanation> {
    let text = text.trim();
    if text.starts_with("ssi:") {
        return Some(key(text));
    }
    if text.starts_with('{') {
        return json(text);
    }
    if let Ok(ssi) = KeySsi::parse(text) {
        return Some(Explanation::of_key(&ssi));
    }
    if let Ok(hash) = text.parse::<BrickHash>() {
        return Some(brick(
            "brick hash",
            "the name of a brick: the SHA-256 of its encrypted bytes",
            &hash,
        ));
    }
    if let Ok(cid) = Cid::try_from(text) {
        return Some(of_cid(&cid));
    }
    age_key(text)
}

fn key(text: &str) -> Explanation {
    match KeySsi::parse(text) {
        Ok(ssi) => Explanation::of_key(&ssi),
        Err(error) => Explanation {
            // Its author may have meant a secret.
            secret: None,
            ..Explanation::new("malformed", format!("a malformed KeySSI: {error}"))
        },
    }
}

fn brick(kind: &'static str, what: &str, hash: &BrickHash) -> Explanation {
    Explanation::new(kind, what)
        .fact("brick hash", hash)
        .fact("cid", car::brick_cid(hash))
        .allows(
            "fetch the encrypted brick from a node that has it, and check that it is the right one",
        )
        .denies("read the content: that needs the brick's key")
        .denies("tell which DSU it belongs to")
}

fn of_cid(cid: &Cid) -> Explanation {
    match car::brick_hash(cid) {
        Ok(hash) => brick("cid", "the name of a brick as IPFS writes it (CID)", &hash),
        Err(error) => Explanation::new("cid", "the name of an IPFS block (CID) that is no brick")
            .fact("codec", format!("{:#x}", cid.codec()))
            .fact("no brick", error)
            .allows("fetch the block where it is stored, and check that it is the right one"),
    }
}

fn age_key(text: &str) -> Option<Explanation> {
    if text.parse::<x25519::Recipient>().is_ok() {
        let explanation = Explanation::new(
            "age recipient",
            "a public age key: a recipient of a keyring",
        )
        .allows("encrypt keys that only the holder of the private key can read")
        .denies("read anything");
        return Some(explanation);
    }
    text.parse::<x25519::Identity>().is_ok().then(|| {
        let explanation = Explanation::new("age identity", "a private age key")
            .allows("read the keyrings that were made for its public key")
            .denies("be called back from whoever has a copy");
        Explanation {
            secret: Some(true),
            ..explanation
        }
    })
}

fn json(text: &str) -> Option<Explanation> {
    let value: Value = serde_json::from_str(text).ok()?;
    if value.get("items").is_some_and(Value::is_object) {
        return Some(brick_map(text));
    }
    value
        .get("mounts")
        .is_some_and(Value::is_object)
        .then(|| manifest(text))
}

fn brick_map(text: &str) -> Explanation {
    let malformed = |reason: String| Explanation {
        secret: None,
        ..Explanation::new("malformed", format!("a malformed brick map: {reason}"))
    };
    let map = match BrickMap::parse(text.as_bytes()) {
        Ok(map) => map,
        Err(error) => return malformed(error.to_string()),
    };
    let listed = match map.list(&DsuPath::root(), Depth::Recursive) {
        Ok(listed) => listed,
        Err(error) => return malformed(error.to_string()),
    };
    let files = listed
        .iter()
        .filter(|it| matches!(it.node, Node::File(_)))
        .count();
    let times = match map.timing() {
        Timing::Stamped => "kept",
        Timing::TimeFree => "left out: a constant DSU",
    };
    let mut explanation = Explanation::new(
        "brick map",
        "a brick map, not encrypted: the table of contents of one version of a DSU",
    )
    .count("files", files)
    .count("folders", listed.len() - files)
    .fact("times", times)
    .allows("find every brick of this version and open it: it holds their keys")
    .denies("read other versions")
    .denies("prove who wrote it: that takes the anchor value");
    explanation.secret = Some(true);
    explanation
}

fn manifest(text: &str) -> Explanation {
    match Manifest::parse(text.as_bytes()) {
        Ok(manifest) => {
            let mounts = manifest.mounts();
            let mut explanation =
                Explanation::new("manifest", "a manifest: which DSUs are mounted where")
                    .count("mounts", mounts.len())
                    .allows("open the mounted DSUs: it holds their keys");
            explanation.secret = Some(true);
            explanation
        }
        Err(error) => Explanation {
            secret: None,
            ..Explanation::new("malformed", format!("a malformed manifest: {error}"))
        },
    }
}
