//! Each lie as it stands on the wire, before a real node.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use keyssi::{AnchorId, AnchorValue, BrickHash, Domain, base58};
use serde_json::{Value, json};

use super::*;
use crate::http::{ANSWER_WAIT, Connection, Reply, Request, ask};
use crate::owner::{FIRST_MS, Owner};
use crate::server::Server;

mod batches;

/// Long enough for anything that comes, short enough to wait for what never does.
const SHORT: Duration = Duration::from_millis(200);

struct Stage {
    liar: Liar,
    node: Server,
}

impl Stage {
    fn new() -> Self {
        let node = Server::start("").unwrap();
        let liar = Liar::before(node.address()).unwrap();
        Self { liar, node }
    }

    fn send(&self, method: &str, target: &str, body: Option<&[u8]>) -> Result<Reply, HttpError> {
        let request = Request::to(self.liar.address(), method, target);
        let request = match body {
            Some(body) => request.body(body),
            None => request,
        };
        ask(self.liar.address(), &request)
    }

    fn get(&self, target: &str) -> Reply {
        self.send("GET", target, None).unwrap()
    }

    /// Stores a brick on the node; gives the target to fetch it.
    fn brick(&self, bytes: &[u8]) -> String {
        let put = self.node.put("/bricking/default/put-brick", bytes).unwrap();
        assert_eq!(put.status, 201);
        get_brick(bytes)
    }

    /// Makes an anchor with this many versions on the node.
    fn anchor(&self, key: u8, versions: u64) -> (String, Vec<String>) {
        let domain: Domain = "default".parse().unwrap();
        let mut owner = Owner::new(&domain, &[key; 32]).unwrap();
        let mut values = Vec::new();
        for version in 0..versions {
            let hash = BrickHash::of(&[key, u8::try_from(version).unwrap()]).to_string();
            let value = owner.sign(&hash, FIRST_MS + version).unwrap();
            let call = if version == 0 {
                "create-anchor"
            } else {
                "append-to-anchor"
            };
            let target = format!("/anchor/default/{call}/{}/{value}", owner.id());
            assert_eq!(self.node.put(&target, "").unwrap().status, 201);
            owner.follow(Some(&value)).unwrap();
            values.push(value);
        }
        (owner.id().to_owned(), values)
    }

    fn versions(&self, id: &str) -> Vec<String> {
        let reply = self.get(&format!("/anchor/default/get-all-versions/{id}"));
        match reply.status {
            404 => Vec::new(),
            _ => serde_json::from_slice(&reply.body).unwrap(),
        }
    }

    fn last(&self, id: &str) -> Option<String> {
        let reply = self.get(&format!("/anchor/default/get-last-version/{id}"));
        let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
        body.map(|it| it["message"].as_str().unwrap().to_owned())
    }
}

fn get_brick(bytes: &[u8]) -> String {
    format!("/bricking/default/get-brick/{}", BrickHash::of(bytes))
}

fn rule(route: Route, lie: Lie) -> Rule {
    Rule::new(route, lie)
}

#[test]
fn without_rules_it_is_honest() {
    let stage = Stage::new();
    let put = stage
        .send("PUT", "/bricking/default/put-brick", Some(b"x"))
        .unwrap();
    assert_eq!(put.status, 201);
    let direct = stage.node.fetch(&get_brick(b"x")).unwrap();
    let told = stage.get(&get_brick(b"x"));
    assert_eq!((told.status, &told.body), (200, &direct.body));
    assert_eq!(told.header("etag"), direct.header("etag"));
    let head = stage.send("HEAD", &get_brick(b"x"), None).unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(
        stage.get("/bdns").body,
        stage.node.fetch("/bdns").unwrap().body
    );
    assert_eq!(stage.liar.told(), Vec::new());
    assert_eq!(stage.liar.requests().len(), 4);
}

#[test]
fn requests_follow_one_another_and_chunks_are_understood() {
    let stage = Stage::new();
    let mut connection = Connection::open(stage.liar.address(), ANSWER_WAIT).unwrap();
    let chunked = Request {
        body: crate::http::Body::Chunked(b"chunks".to_vec()),
        ..Request::to(stage.liar.address(), "PUT", "/bricking/default/put-brick")
    };
    assert_eq!(connection.send(&chunked).unwrap().status, 201);
    let waits = Request::to(stage.liar.address(), "PUT", "/bricking/default/put-brick")
        .header("Expect", "100-continue")
        .body(*b"waits");
    let reply = connection.send(&waits).unwrap();
    assert_eq!((reply.status, reply.interim), (201, vec![100]));
    assert_eq!(stage.node.fetch(&get_brick(b"chunks")).unwrap().status, 200);
    assert_eq!(stage.node.fetch(&get_brick(b"waits")).unwrap().status, 200);
}

#[test]
fn a_rule_is_followed_where_and_as_often_as_it_says() {
    let stage = Stage::new();
    let (first, second) = (stage.brick(b"first"), stage.brick(b"second"));
    let refuse = Lie::Instead(500, String::new());
    let hash = BrickHash::of(b"first").to_string();
    stage.liar.tell(
        rule(Route::GetBrick, refuse.clone())
            .about(&hash)
            .after(1)
            .times(2),
    );
    let codes: Vec<u16> = (0..4).map(|_| stage.get(&first).status).collect();
    assert_eq!(codes, [200, 500, 500, 200]);
    assert_eq!(stage.get(&second).status, 200);
    let told = Told {
        method: "GET".to_owned(),
        target: first,
        lie: refuse.clone(),
    };
    assert_eq!(stage.liar.told(), [told.clone(), told]);
    stage.liar.tell(rule(Route::Any, refuse));
    assert_eq!(stage.get("/bdns").status, 500);
    stage.liar.be_honest();
    assert_eq!(stage.get("/bdns").status, 200);
}

#[test]
fn histories_are_shortened_and_exchanged() {
    let stage = Stage::new();
    let (id, values) = stage.anchor(1, 3);
    let (other, others) = stage.anchor(2, 2);
    let check = |lie: Lie, expected: &[String]| {
        stage.liar.be_honest();
        stage.liar.tell(rule(Route::History, lie).about(&id));
        assert_eq!(stage.versions(&id), expected);
        assert_eq!(stage.last(&id), expected.last().cloned());
        assert_eq!(stage.versions(&other), others);
    };
    check(Lie::Forget(1), &values[..2]);
    check(Lie::Forget(9), &[]);
    check(Lie::ForgetOldest(1), &values[1..]);
    check(Lie::Swap(0, 2), &[2, 1, 0].map(|it| values[it].clone()));
    check(Lie::Swap(0, 3), &values);
    check(Lie::HistoryOf(other.clone()), &others);
    check(Lie::Invent(vec!["x".to_owned()]), &["x".to_owned()]);
    stage.liar.be_honest();
    stage.liar.tell(rule(Route::LastVersion, Lie::Forget(1)));
    assert_eq!(
        (stage.versions(&id), stage.last(&id)),
        (values.clone(), Some(values[1].clone()))
    );
}

#[test]
fn an_altered_value_differs_in_its_part_and_breaks_the_history() {
    let stage = Stage::new();
    let (id, values) = stage.anchor(1, 3);
    let anchor = AnchorId::parse_wrapped(&id).unwrap();
    let parsed = |values: &[String]| -> Vec<AnchorValue> {
        values
            .iter()
            .map(|it| AnchorValue::parse_wrapped(it).unwrap())
            .collect()
    };
    assert!(keyssi::check_history(&anchor, parsed(&values)).is_ok());
    let plain = |value: &String| String::from_utf8(base58::decode(value).unwrap()).unwrap();
    for (part, separator, place) in [
        (Part::Hash, ':', 3),
        (Part::Timestamp, '|', 0),
        (Part::Signature, '|', 1),
    ] {
        stage.liar.be_honest();
        stage.liar.tell(rule(Route::History, Lie::Alter(1, part)));
        let told = stage.versions(&id);
        assert_eq!((&told[0], &told[2]), (&values[0], &values[2]), "{part:?}");
        let (was, is) = (plain(&values[1]), plain(&told[1]));
        let differing: Vec<usize> = was
            .split(separator)
            .zip(is.split(separator))
            .enumerate()
            .filter_map(|(place, (was, is))| (was != is).then_some(place))
            .collect();
        assert_eq!(differing, [place], "{part:?}: {was} became {is}");
        assert!(
            keyssi::check_history(&anchor, parsed(&told)).is_err(),
            "{part:?}"
        );
    }
}

#[test]
fn bytes_are_exchanged_flipped_and_shortened() {
    let stage = Stage::new();
    let (brick, other) = (stage.brick(b"brick"), BrickHash::of(b"other").to_string());
    stage.brick(b"other");
    let check = |lie: Lie, expected: &[u8]| {
        stage.liar.be_honest();
        stage.liar.tell(rule(Route::GetBrick, lie));
        let reply = stage.get(&brick);
        assert_eq!((reply.status, reply.body.as_slice()), (200, expected));
    };
    check(Lie::BytesOf(other), b"other");
    check(Lie::FlipBit(0), b"crick");
    check(Lie::FlipBit(6), b"bsick");
    check(Lie::ChangeByte(7, 0x20), b"brIck");
    check(Lie::Shorten(2), b"br");
    check(
        Lie::reference_not_found(),
        br#"{"message":"Brick not found"}"#,
    );
    stage.liar.be_honest();
    stage
        .liar
        .tell(rule(Route::GetBrick, Lie::Instead(404, String::new())));
    assert_eq!(stage.get(&brick).status, 404);
    let exists = brick.replace("get-brick", "brick-exists");
    stage
        .liar
        .tell(rule(Route::BrickExists, Lie::SayAll(false)));
    assert_eq!(stage.get(&exists).status, 404);
    stage.liar.be_honest();
    stage.liar.tell(rule(Route::BrickExists, Lie::SayAll(true)));
    assert_eq!(
        stage
            .get(&exists.replace(&*BrickHash::of(b"brick").to_string(), "no"))
            .text(),
        "true"
    );
}

#[test]
fn bodies_are_cut_off_and_stall() {
    let stage = Stage::new();
    let brick = stage.brick(b"brick");
    let lie = |lie: Lie| {
        stage.liar.be_honest();
        stage.liar.tell(rule(Route::GetBrick, lie));
    };
    lie(Lie::CutAfter(3));
    let error = stage.send("GET", &brick, None).unwrap_err();
    assert!(matches!(error, HttpError::Closed), "{error}");
    lie(Lie::Drop);
    let error = stage.send("GET", &brick, None).unwrap_err();
    assert!(matches!(error, HttpError::Closed), "{error}");
    let request = Request::to(stage.liar.address(), "GET", &brick);
    for silent in [Lie::Stall, Lie::Silence] {
        lie(silent);
        let mut connection = Connection::open(stage.liar.address(), SHORT).unwrap();
        let error = connection.send(&request).unwrap_err();
        assert!(matches!(error, HttpError::NoAnswer(_)), "{error}");
    }
    let mut connection = Connection::open(stage.liar.address(), SHORT).unwrap();
    lie(Lie::Stall);
    connection
        .send_bytes(b"GET /bricking/default/get-brick/x HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    // The head came: it is the body that does not.
    let error = connection.read_reply("HEAD").map(|it| it.status);
    assert!(matches!(error, Ok(404)), "{error:?}");
}

#[test]
fn a_dripping_body_comes_byte_by_byte() {
    let stage = Stage::new();
    let brick = stage.brick(b"brick");
    stage
        .liar
        .tell(rule(Route::GetBrick, Lie::Drip(Duration::from_millis(20))));
    let start = std::time::Instant::now();
    assert_eq!(stage.get(&brick).body, b"brick");
    assert!(start.elapsed() >= Duration::from_millis(100));
    stage.liar.be_honest();
    stage
        .liar
        .tell(rule(Route::GetBrick, Lie::Drip(Duration::from_hours(1))));
    let request = Request::to(stage.liar.address(), "GET", &brick);
    let error = Connection::open(stage.liar.address(), SHORT)
        .unwrap()
        .send(&request)
        .unwrap_err();
    assert!(matches!(error, HttpError::NoAnswer(_)), "{error}");
    // The liar, in the middle of an hour's wait, ends at once.
    drop(stage.liar);
    assert!(start.elapsed() < Duration::from_mins(1));
}

#[test]
fn endless_bodies_begin_truly_and_go_on() {
    let stage = Stage::new();
    let brick = stage.brick(b"brick");
    for endlessness in [
        Endlessness::Chunked,
        Endlessness::Sized(1 << 40),
        Endlessness::UntilClose,
    ] {
        stage.liar.be_honest();
        stage
            .liar
            .tell(rule(Route::GetBrick, Lie::Endless(endlessness)));
        let mut stream = TcpStream::connect(stage.liar.address()).unwrap();
        stream
            .write_all(format!("GET {brick} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())
            .unwrap();
        let mut seen = vec![0; 4 * 1024 * 1024];
        stream.read_exact(&mut seen).unwrap();
        let head_end = seen.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8_lossy(&seen[..head_end]).into_owned();
        let chunked = endlessness == Endlessness::Chunked;
        assert_eq!(
            head.contains("Transfer-Encoding: chunked"),
            chunked,
            "{head}"
        );
        let sized = matches!(endlessness, Endlessness::Sized(_));
        assert_eq!(
            head.contains("Content-Length: 1099511627776"),
            sized,
            "{head}"
        );
        let expected: &[u8] = if chunked {
            b"5\r\nbrick\r\n4000\r\n\0"
        } else {
            b"brick\0"
        };
        assert!(seen[head_end..].starts_with(expected), "{endlessness:?}");
    }
}

#[test]
fn claims_about_writes_are_false() {
    let stage = Stage::new();
    let put = "/bricking/default/put-brick";
    stage.liar.tell(rule(Route::PutBrick, Lie::PretendStored));
    let reply = stage.send("PUT", put, Some(b"gone")).unwrap();
    let claimed = json!({ "message": BrickHash::of(b"gone").to_string() }).to_string();
    assert_eq!((reply.status, reply.text()), (201, claimed));
    assert_eq!(stage.node.fetch(&get_brick(b"gone")).unwrap().status, 404);

    stage.liar.be_honest();
    stage
        .liar
        .tell(rule(Route::PutBrick, Lie::DoneThenDrop).times(1));
    stage
        .liar
        .tell(rule(Route::PutBrick, Lie::DoneBut(507, "full".to_owned())));
    let error = stage.send("PUT", put, Some(b"kept")).unwrap_err();
    assert!(matches!(error, HttpError::Closed), "{error}");
    let reply = stage.send("PUT", put, Some(b"too")).unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (507, "full"));
    for kept in [b"kept".as_slice(), b"too"] {
        assert_eq!(stage.node.fetch(&get_brick(kept)).unwrap().status, 200);
    }
}

#[test]
fn claims_about_anchor_writes_are_false() {
    let stage = Stage::new();
    let domain: Domain = "default".parse().unwrap();
    let write = |key: u8, lie: Lie| {
        let owner = Owner::new(&domain, &[key; 32]).unwrap();
        let value = owner
            .sign(&BrickHash::of(b"map").to_string(), FIRST_MS)
            .unwrap();
        stage.liar.be_honest();
        stage.liar.tell(rule(Route::AnchorWrite, lie));
        let target = format!("/anchor/default/create-anchor/{}/{value}", owner.id());
        let status = stage.send("PUT", &target, None).map(|it| it.status).ok();
        (status, stage.versions(owner.id()).len())
    };
    assert_eq!(write(1, Lie::PretendStored), (Some(201), 0));
    assert_eq!(write(2, Lie::DoneBut(428, String::new())), (Some(428), 1));
    assert_eq!(write(3, Lie::DoneThenDrop), (None, 1));
    assert_eq!(write(4, Lie::Drop), (None, 0));
}
