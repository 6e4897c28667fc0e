//! Role × route × domain × policy for the anonymous, each cell asserted.

use anyhow::Result;
use testkit::owner::{FIRST_MS, Owner};

use crate::node::{Key, Node};
use crate::routes::{Class, ROUTES, Route};

/// What callers get, for one policy of the domain `here`; the domain `other` is open to all.
///
/// A cell is a status, or `ok` for that of the route itself. The columns: reading, storing bricks,
/// anchoring, reading documents, writing documents, a block by its content.
struct Row {
    policy: &'static str,
    /// `anonymous`, or the grants of its key.
    caller: &'static str,
    cells: [&'static str; 6],
}

const fn row(policy: &'static str, caller: &'static str, cells: [&'static str; 6]) -> Row {
    Row {
        policy,
        caller,
        cells,
    }
}

const TABLE: [Row; 40] = [
    row(
        "none",
        "anonymous",
        ["401", "401", "401", "401", "401", "404"],
    ),
    row("none", "here:read", ["ok", "403", "403", "ok", "403", "ok"]),
    row("none", "here:write", ["ok", "ok", "403", "ok", "403", "ok"]),
    row("none", "here:anchor", ["ok", "ok", "ok", "ok", "ok", "ok"]),
    row(
        "none",
        "*:operate",
        ["403", "403", "403", "403", "403", "404"],
    ),
    row("none", "*:read", ["ok", "403", "403", "ok", "403", "ok"]),
    row("none", "*:write", ["ok", "ok", "403", "ok", "403", "ok"]),
    row("none", "*:anchor", ["ok", "ok", "ok", "ok", "ok", "ok"]),
    row(
        "none",
        "*:administer",
        ["403", "403", "403", "403", "403", "404"],
    ),
    row(
        "none",
        "other:anchor",
        ["403", "403", "403", "403", "403", "404"],
    ),
    row("read", "anonymous", ["ok", "401", "401", "ok", "401", "ok"]),
    row("read", "here:read", ["ok", "403", "403", "ok", "403", "ok"]),
    row("read", "here:write", ["ok", "ok", "403", "ok", "403", "ok"]),
    row("read", "here:anchor", ["ok", "ok", "ok", "ok", "ok", "ok"]),
    row("read", "*:operate", ["ok", "403", "403", "ok", "403", "ok"]),
    row("read", "*:read", ["ok", "403", "403", "ok", "403", "ok"]),
    row("read", "*:write", ["ok", "ok", "403", "ok", "403", "ok"]),
    row("read", "*:anchor", ["ok", "ok", "ok", "ok", "ok", "ok"]),
    row(
        "read",
        "*:administer",
        ["ok", "403", "403", "ok", "403", "ok"],
    ),
    row(
        "read",
        "other:anchor",
        ["ok", "403", "403", "ok", "403", "ok"],
    ),
    row("anchor", "anonymous", ["ok", "ok", "ok", "ok", "401", "ok"]),
    row("anchor", "here:read", ["ok", "ok", "ok", "ok", "403", "ok"]),
    row(
        "anchor",
        "here:write",
        ["ok", "ok", "ok", "ok", "403", "ok"],
    ),
    row(
        "anchor",
        "here:anchor",
        ["ok", "ok", "ok", "ok", "ok", "ok"],
    ),
    row("anchor", "*:operate", ["ok", "ok", "ok", "ok", "403", "ok"]),
    row("anchor", "*:read", ["ok", "ok", "ok", "ok", "403", "ok"]),
    row("anchor", "*:write", ["ok", "ok", "ok", "ok", "403", "ok"]),
    row("anchor", "*:anchor", ["ok", "ok", "ok", "ok", "ok", "ok"]),
    row(
        "anchor",
        "*:administer",
        ["ok", "ok", "ok", "ok", "403", "ok"],
    ),
    row(
        "anchor",
        "other:anchor",
        ["ok", "ok", "ok", "ok", "403", "ok"],
    ),
    row("all", "anonymous", ["ok", "ok", "ok", "ok", "ok", "ok"]),
    row("all", "here:read", ["ok", "ok", "ok", "ok", "ok", "ok"]),
    row("all", "here:write", ["ok", "ok", "ok", "ok", "ok", "ok"]),
    row("all", "here:anchor", ["ok", "ok", "ok", "ok", "ok", "ok"]),
    row("all", "*:operate", ["ok", "ok", "ok", "ok", "ok", "ok"]),
    row("all", "*:read", ["ok", "ok", "ok", "ok", "ok", "ok"]),
    row("all", "*:write", ["ok", "ok", "ok", "ok", "ok", "ok"]),
    row("all", "*:anchor", ["ok", "ok", "ok", "ok", "ok", "ok"]),
    row("all", "*:administer", ["ok", "ok", "ok", "ok", "ok", "ok"]),
    row("all", "other:anchor", ["ok", "ok", "ok", "ok", "ok", "ok"]),
];

#[test]
fn every_cell_of_the_matrix_is_as_it_stands_here() -> Result<()> {
    for policy in ["none", "read", "anchor", "all"] {
        let stage = Stage::new(policy)?;
        let rows: Vec<_> = TABLE.iter().filter(|row| row.policy == policy).collect();
        assert_eq!(rows.len(), 10);
        for row in rows {
            let key = match row.caller {
                "anonymous" => None,
                grant => Some(stage.node.key(grant, &[grant])?),
            };
            for route in &ROUTES {
                stage.check(row, key.as_ref(), route)?;
            }
        }
    }
    Ok(())
}

/// A node with a brick in `here`.
struct Stage {
    node: Node,
    hash: String,
    cid: String,
    /// A well-formed batch for `here` whose signature is of another anchor.
    batch: String,
}

impl Stage {
    fn new(policy: &str) -> Result<Self> {
        let node = Node::start(&format!(
            "[[domain]]\nname = \"here\"\nanonymous = \"{policy}\"\n\
             [[domain]]\nname = \"other\"\nanonymous = \"all\"\n"
        ))?;
        let writer = node.key("writer", &["here:write"])?;
        let put = node.request("PUT", "/bricking/here/put-brick", Some(&writer.text));
        let reply = node.ask(&put.body("the brick"))?;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let answer: serde_json::Value = serde_json::from_slice(&reply.body)?;
        let hash = answer["message"].as_str().unwrap().to_owned();
        let domain = "here".parse()?;
        let (owner, stranger) = (
            Owner::new(&domain, &[1; 32])?,
            Owner::new(&domain, &[2; 32])?,
        );
        let value = stranger.sign(&hash, FIRST_MS)?;
        let batch = serde_json::json!([{ "anchorId": owner.id(), "anchorValue": value }]);
        Ok(Self {
            node,
            cid: cid_of(&hash),
            hash,
            batch: batch.to_string(),
        })
    }

    fn check(&self, row: &Row, key: Option<&Key>, route: &Route) -> Result<()> {
        let fill = |text: &str| {
            let text = text.replace("{hash}", &self.hash);
            text.replace("{cid}", &self.cid)
                .replace("{batch}", &self.batch)
        };
        let target = fill(route.target);
        let request = self
            .node
            .request(route.method, &target, key.map(|key| key.text.as_str()));
        let request = match route.body {
            Some(body) => request.body(fill(body)),
            None => request,
        };
        let reply = self.node.ask(&request)?;
        let cell = match route.class {
            Class::Open => "ok",
            Class::Read => row.cells[0],
            Class::Bricks => row.cells[1],
            Class::Anchor => row.cells[2],
            Class::DocumentsRead => row.cells[3],
            Class::DocumentsWrite => row.cells[4],
            Class::Block => row.cells[5],
        };
        let expected = match cell {
            "ok" => route.status,
            status => status.parse()?,
        };
        let case = format!(
            "{} as {}: {} {target}",
            row.policy, row.caller, route.method
        );
        assert_eq!(reply.status, expected, "{case}: {}", reply.text());
        let challenge = reply.header("www-authenticate");
        assert_eq!(challenge.is_some(), expected == 401, "{case}");
        Ok(())
    }
}

/// The `CIDv1` of a brick: raw, SHA-256, in base32.
fn cid_of(hash: &str) -> String {
    let digest = bs58::decode(hash).into_vec().unwrap();
    let mut bytes = vec![1, 0x55, 0x12, 32];
    bytes.extend(digest);
    let alphabet = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::from("b");
    let (mut bits, mut held) = (0_u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(char::from(alphabet[(bits >> held & 31) as usize]));
        }
    }
    if held > 0 {
        text.push(char::from(alphabet[(bits << (5 - held) & 31) as usize]));
    }
    text
}
