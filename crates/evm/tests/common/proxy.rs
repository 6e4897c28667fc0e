//! Stands between a sender and a real chain and does harm to single calls.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};
use testkit::http::{Request, ask};

/// What becomes of a call.
pub(crate) enum Deed {
    /// It goes through.
    Forward,
    /// It goes through, and its answer is lost.
    Lose,
    /// It does not go through, and this error comes back.
    Refuse(&'static str),
    /// It does not go through, and this result comes back.
    Lie(Value),
    /// It does not go through, and something that is no answer comes back.
    Junk,
}

/// A call: its method, its parameters, and how many calls came before it.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) params: &'a Value,
    pub(crate) number: u64,
}

/// Starts a proxy before the chain; it ends with the test process. Gives its address.
pub(crate) fn start(
    chain: SocketAddr,
    judge: impl Fn(&Asked<'_>) -> Deed + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let judge = Arc::new(judge);
    let number = Arc::new(AtomicU64::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (judge, number) = (Arc::clone(&judge), Arc::clone(&number));
            thread::spawn(move || {
                let number = number.fetch_add(1, Ordering::Relaxed);
                serve(stream, chain, number, &*judge);
            });
        }
    });
    format!("http://{address}")
}

/// One call straight to the chain; nothing if it is down.
pub(crate) fn forward(chain: SocketAddr, question: &Value) -> Option<Value> {
    let request = Request::to(chain, "POST", "/").header("Content-Type", "application/json");
    let reply = ask(chain, &request.body(question.to_string())).ok()?;
    serde_json::from_slice(&reply.body).ok()
}

fn serve(
    mut stream: TcpStream,
    chain: SocketAddr,
    number: u64,
    judge: &(impl Fn(&Asked<'_>) -> Deed + ?Sized),
) {
    let Some(question) = question(&mut stream) else {
        return;
    };
    let id = question["id"].clone();
    let asked = Asked {
        method: question["method"].as_str().unwrap(),
        params: &question["params"],
        number,
    };
    let answer = match judge(&asked) {
        Deed::Forward => forward(chain, &question),
        Deed::Lose => {
            forward(chain, &question);
            None
        }
        Deed::Refuse(message) => {
            let error = json!({"code": -32000, "message": message});
            Some(json!({"jsonrpc": "2.0", "id": id, "error": error}))
        }
        Deed::Lie(result) => Some(json!({"jsonrpc": "2.0", "id": id, "result": result})),
        Deed::Junk => Some(json!("junk")),
    };
    let Some(body) = answer.map(|answer| answer.to_string()) else {
        return;
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // A write that fails is a client that has had enough.
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

/// The JSON of a request; nothing if the client goes before it has sent it.
pub(crate) fn question(stream: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).unwrap_or(0);
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        match serde_json::from_str(body) {
            Ok(question) => return Some(question),
            Err(_) if count == 0 => return None,
            Err(_) => {}
        }
    }
}
