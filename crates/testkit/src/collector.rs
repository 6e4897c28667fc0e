//! A collector of traces on loopback: it takes what is posted to it and keeps the bodies.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for what must come.
const WAIT: Duration = Duration::from_mins(1);

/// One sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// The head as it came: request line and headers.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What a collector does with what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes it and says so.
    Takes,
    /// Reads it and never answers.
    Hangs,
}

/// A collector; its thread ends with the test process.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    kept: Arc<(Mutex<Vec<Sending>>, Condvar)>,
}

impl Collector {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(manner: Manner) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let kept = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let keeping = Arc::clone(&kept);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let keeping = Arc::clone(&keeping);
                thread::spawn(move || serve(stream, manner, &keeping));
            }
        });
        Ok(Self { address, kept })
    }

    /// Where traces are to be sent.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    /// What came so far.
    #[must_use]
    pub fn sendings(&self) -> Vec<Sending> {
        let kept = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }

    /// Waits until what came so far is enough; gives it.
    ///
    /// # Errors
    /// All that came, when it is not enough after a minute.
    pub fn wait_until(
        &self,
        is_enough: impl Fn(&[Sending]) -> bool,
    ) -> Result<Vec<Sending>, Vec<Sending>> {
        let deadline = Instant::now() + WAIT;
        let mut kept = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !is_enough(&kept) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(kept.clone());
            }
            let waited = self.kept.1.wait_timeout(kept, left);
            kept = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(kept.clone())
    }
}

fn serve(mut stream: TcpStream, manner: Manner, kept: &(Mutex<Vec<Sending>>, Condvar)) {
    while let Ok(Some(sending)) = read(&mut stream) {
        let mut all = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(sending);
        drop(all);
        kept.1.notify_all();
        if manner == Manner::Hangs {
            // Until the other side gives up.
            let _ = io::copy(&mut stream, &mut io::sink());
            return;
        }
        let answer =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

/// The next request of a connection; `None` at its end.
fn read(stream: &mut TcpStream) -> io::Result<Option<Sending>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0; 1];
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok(Some(Sending { head, body }))
}
