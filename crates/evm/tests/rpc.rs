//! A node that answers nonsense: each nonsense has its error, none is a panic or a hang.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use evm::{Address, B256, BlockTag, Bytes, Call, LogFilter, Rpc, RpcError, RpcLimits, RpcUrl};

/// Longest answer that is read in these tests.
const BYTES_MAX: usize = 10_000;
/// Longest wait for an answer that comes, on a busy machine.
const PATIENT: Duration = Duration::from_secs(20);
/// Longest wait for one that does not come.
const IMPATIENT: Duration = Duration::from_millis(500);
const SECRET_URL_PARTS: [&str; 3] = ["us3r", "passw0rd", "k3y"];

/// What a node does with a connection.
#[derive(Clone)]
enum Answer {
    /// Sends the bytes and ends the connection.
    Raw(Vec<u8>),
    /// The body, with status and length.
    Body(u16, String),
    /// The result of JSON-RPC, with the id of the question.
    Result(String),
    /// Sends the bytes and then nothing, with the connection open.
    Stall(Vec<u8>),
    /// Ends the connection before it reads.
    HangUp,
    /// Sends spaces for ever, in chunks.
    Endless,
}

/// A node that answers each question alike, until the test process ends.
fn node(answer: Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || serve(stream, &answer));
        }
    });
    address
}

/// Writes that fail are a client that has had enough.
fn serve(mut stream: TcpStream, answer: &Answer) {
    let question = match answer {
        Answer::HangUp => return,
        _ => question(&mut stream),
    };
    let body = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    match answer {
        Answer::Raw(bytes) => {
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(Shutdown::Both);
        }
        Answer::Body(status, text) => {
            let _ = stream.write_all(
                body(text)
                    .replacen("200", &status.to_string(), 1)
                    .as_bytes(),
            );
        }
        Answer::Result(result) => {
            let id = question["id"].clone();
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
            let _ = stream.write_all(body(&text).as_bytes());
        }
        Answer::Stall(bytes) => {
            let _ = stream.write_all(bytes);
            let _ = stream.read(&mut [0]);
        }
        Answer::HangUp => {}
        Answer::Endless => {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(b"5\r\n     \r\n").is_ok() {}
        }
    }
}

fn question(stream: &mut TcpStream) -> serde_json::Value {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).unwrap_or(0);
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        match serde_json::from_str(body) {
            Ok(question) => return question,
            Err(_) if count == 0 => return serde_json::Value::Null,
            Err(_) => {}
        }
    }
}

fn rpc(address: SocketAddr) -> Rpc {
    rpc_within(address, PATIENT)
}

fn rpc_within(address: SocketAddr, timeout: Duration) -> Rpc {
    let limits = RpcLimits {
        connect_timeout: Duration::from_secs(5),
        timeout,
        answer_bytes_max: BYTES_MAX,
    };
    let [user, password, key] = SECRET_URL_PARTS;
    let url = format!("http://{user}:{password}@{address}/v3?key={key}");
    Rpc::new(RpcUrl::parse(&url).unwrap(), limits).unwrap()
}

fn no_secret_in(error: &RpcError) {
    use std::fmt::Write as _;

    let mut words = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        write!(words, "{source} {source:?}").unwrap();
        cause = source.source();
    }
    for secret in SECRET_URL_PARTS {
        assert!(!words.contains(secret), "{words}");
    }
}

async fn chain_id(answer: Answer) -> Result<u64, RpcError> {
    chain_id_within(answer, PATIENT).await
}

async fn chain_id_within(answer: Answer, timeout: Duration) -> Result<u64, RpcError> {
    let begun = Instant::now();
    let given = rpc_within(node(answer), timeout).chain_id().await;
    assert!(begun.elapsed() < timeout + PATIENT);
    if let Err(error) = &given {
        no_secret_in(error);
    }
    given
}

#[tokio::test]
async fn a_good_answer_is_read() {
    let given = chain_id(Answer::Result(r#""0x7a69""#.to_owned())).await;
    assert_eq!(given.unwrap(), 31337);
}

#[tokio::test]
async fn junk_is_garbage() {
    let whole = |body: &str| Answer::Body(200, body.to_owned());
    let junk = [
        whole(""),
        whole("<html>hello</html>"),
        whole("\0\0\0"),
        whole("[]"),
        whole("{}"),
        whole("null"),
        whole(r#"{"jsonrpc":"2.0","id":999999,"result":"0x1"}"#),
        whole(r#"{"jsonrpc":"2.0","result":"0x1"}"#),
        whole(r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#),
        whole(&"[".repeat(5_000)),
        whole(&format!("{}1", "{\"a\":".repeat(1_000))),
        Answer::Raw(b"SSH-2.0-OpenSSH_9\r\n".to_vec()),
        Answer::Raw(Vec::new()),
        Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"json".to_vec()),
        Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n{}".to_vec()),
        Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}".to_vec()),
        Answer::Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec()),
        Answer::HangUp,
        Answer::Endless,
    ];
    for answer in junk {
        let given = chain_id(answer).await;
        assert!(matches!(given, Err(RpcError::Garbage { .. })), "{given:?}");
    }
}

#[tokio::test]
async fn numbers_that_no_chain_reaches_are_garbage() {
    for result in [r#""0xffffffffffffffff""#, r#""0x1000000000000""#] {
        let it = rpc(node(Answer::Result(result.to_owned())));
        let block = it.block_number().await;
        assert!(matches!(block, Err(RpcError::Garbage { .. })), "{block:?}");
        let count = it.transaction_count(Address::ZERO, BlockTag::Latest).await;
        assert!(matches!(count, Err(RpcError::Garbage { .. })), "{count:?}");
    }
}

#[tokio::test]
async fn results_of_other_types_are_garbage() {
    let results = [
        "null",
        "1",
        "true",
        "[]",
        "{}",
        r#""""#,
        r#""0x""#,
        r#""1""#,
        r#""0x01""#,
        r#""0xzz""#,
        r#""0x1ffffffffffffffffffffffffffffffff""#,
    ];
    let call = Call {
        to: None,
        data: Bytes::new(),
    };
    let filter = LogFilter {
        address: Address::ZERO,
        topics: vec![None],
        from: 0,
        to: 1,
    };
    for result in results {
        let it = rpc(node(Answer::Result(result.to_owned())));
        let account = Address::ZERO;
        let mut errors = vec![
            it.chain_id().await.map(drop),
            it.block_number().await.map(drop),
            it.transaction_count(account, BlockTag::Latest)
                .await
                .map(drop),
            it.estimate_gas(account, &call).await.map(drop),
            it.gas_price().await.map(drop),
            it.priority_fee().await.map(drop),
            it.send_raw_transaction(&Bytes::new()).await.map(drop),
        ];
        // These answers have other forms that some of the results are good for.
        if result != r#""0x""# && result != r#""0x01""# {
            errors.push(it.code_at(account).await.map(drop));
            errors.push(it.call(&call, BlockTag::Number(7)).await.map(drop));
        }
        if result != "[]" {
            errors.push(it.logs(&filter).await.map(drop));
        }
        if result != "null" {
            errors.push(it.block(BlockTag::Pending).await.map(drop));
        }
        if result != "null" && result != "{}" {
            errors.push(it.receipt(B256::ZERO).await.map(drop));
        }
        for error in errors {
            let error = error.unwrap_err();
            assert!(
                matches!(error, RpcError::Garbage { .. }),
                "{result}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn receipts_with_a_wrong_field_are_garbage() {
    let word = format!("0x{}", "11".repeat(32));
    let log = format!(
        r#"{{"address":"0x{}","topics":["{word}"],"data":"0x01","blockNumber":"0x1","blockHash":"{word}","transactionHash":"{word}"}}"#,
        "22".repeat(20)
    );
    let good = format!(
        r#"{{"transactionHash":"{word}","blockNumber":"0x1","blockHash":"{word}","status":"0x1","gasUsed":"0x5208","contractAddress":null,"logs":[{log}]}}"#
    );
    let asked = B256::repeat_byte(0x11);
    let read = async |text: &str| {
        rpc(node(Answer::Result(text.to_owned())))
            .receipt(asked)
            .await
    };
    let receipt = read(&good).await.unwrap().unwrap();
    assert!(receipt.succeeded && receipt.logs.len() == 1);
    let other = format!("0x{}", "12".repeat(32));
    let changes = [
        (
            format!(r#""transactionHash":"{word}","blockN"#),
            format!(r#""transactionHash":"{other}","blockN"#),
        ),
        (
            r#""status":"0x1""#.to_owned(),
            r#""status":"0x2""#.to_owned(),
        ),
        (
            r#""status":"0x1""#.to_owned(),
            r#""status":true"#.to_owned(),
        ),
        (r#","gasUsed":"0x5208""#.to_owned(), String::new()),
        (
            r#""contractAddress":null"#.to_owned(),
            r#""contractAddress":"0x22""#.to_owned(),
        ),
        (format!("[{log}]"), "{}".to_owned()),
        (r#""data":"0x01""#.to_owned(), r#""data":"0x1""#.to_owned()),
        (
            format!(r#""topics":["{word}"]"#),
            format!(r#""topics":["{}"]"#, [word.as_str(); 5].join(r#"",""#)),
        ),
    ];
    for (from, to) in changes {
        let bad = good.replacen(&from, &to, 1);
        assert_ne!(bad, good);
        let given = read(&bad).await;
        assert!(matches!(given, Err(RpcError::Garbage { .. })), "{given:?}");
    }
    let pending = good.replacen(r#""blockNumber":"0x1""#, r#""blockNumber":null"#, 1);
    assert!(read(&pending).await.unwrap().is_none());
}

#[tokio::test]
async fn silence_is_a_time_out() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"json".to_vec();
    for answer in [Answer::Stall(Vec::new()), Answer::Stall(half)] {
        let given = chain_id_within(answer, IMPATIENT).await;
        assert!(matches!(given, Err(RpcError::TimedOut { .. })), "{given:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = rpc(address).chain_id().await.unwrap_err();
    no_secret_in(&error);
    assert!(matches!(error, RpcError::Unreachable { .. }), "{error:?}");
    assert!(error.may_pass());
}

#[tokio::test]
async fn refusals_are_told_with_any_status_and_without_secrets() {
    let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"us3r has no passw0rd for k3y","data":"0x08c3"}}"#;
    for status in [200, 400, 500] {
        let given = chain_id(Answer::Body(status, body.to_owned())).await;
        let Err(RpcError::Refused {
            code: -32000,
            message,
            data: Some(data),
        }) = given
        else {
            panic!("{given:?}");
        };
        assert_eq!(message, "*** has no *** for ***");
        assert_eq!(data, Bytes::from_static(&[8, 0xc3]));
    }
}

#[tokio::test]
async fn statuses_of_proxies_are_told_and_redirects_are_not_followed() {
    for status in [302, 401, 404, 429, 502, 503] {
        let given = chain_id(Answer::Body(status, "<html></html>".to_owned())).await;
        assert!(
            matches!(given, Err(RpcError::Status { status: told, .. }) if told == status),
            "{given:?}"
        );
    }
}
