//! Getting the cosignatures of witnesses for a checkpoint.
//!
//! Witnesses are other people's servers. What one does costs at most its own line: it is asked
//! beside the others, within a time limit, its answer is bounded, and its cosignature is verified
//! before it is kept.
//!
//! **Source:** `translog.md` §8; C2SP tlog-witness.

use std::fmt;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use reqwest::{StatusCode, Url, header, redirect};
use translog::{
    AddCheckpoint, Hash, NOTE_BYTES_MAX, Policy, SignatureLine, SignedNote, verify_note,
};

/// Time for all that one witness is asked about one checkpoint.
pub(crate) const WITNESS_TIME_MAX: Duration = Duration::from_secs(5);
/// The type of an answer that is the size of the last cosigned checkpoint.
const SIZE_TYPE: &str = "text/x.tlog.size";
/// Characters of a witness's refusal that are passed on.
const REFUSAL_CHARS_MAX: usize = 200;

/// The witnesses of a log, and what is known of them.
#[derive(Debug)]
pub struct Witnesses {
    pub(crate) http: reqwest::Client,
    pub(crate) all: Vec<Witness>,
}

pub(crate) struct Witness {
    /// With a slash at the end.
    pub(crate) prefix: Url,
    /// The size of the checkpoint that it cosigned last, as far as is known.
    size: u64,
}

/// What came of asking.
#[derive(Debug, Default)]
pub struct Collected {
    /// Cosignatures that hold, by witnesses of the policy.
    pub lines: Vec<SignatureLine>,
    /// Witnesses without a cosignature, by their address, and why.
    pub refusals: Vec<(String, WitnessAnswer)>,
}

/// Why a witness gave no cosignature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessAnswer {
    /// No connection, or no answer in time.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It has cosigned a checkpoint that this log has not signed yet: the log's state is older than
    /// it was, or another process signs with its key.
    #[error(
        "it has cosigned a checkpoint of size {size}, which is larger: this log may have been put back to an older state"
    )]
    Ahead {
        /// That size.
        size: u64,
    },
    /// It says that the checkpoint does not continue the one that it cosigned: either it is wrong,
    /// or this log shows different histories. A person has to look.
    #[error("it says that this log contradicts a checkpoint that it cosigned: {0}")]
    Fork(String),
    /// It does not want to.
    #[error("it refused with {status}: {text}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The beginning of its answer.
        text: String,
    },
    /// Its answer is none, or its cosignature does not hold.
    #[error("its answer is of no use: {0}")]
    Garbage(&'static str),
    /// The proof that it needs could not be made.
    #[error("there is no proof from size {0}")]
    NoProof(u64),
}

/// The HTTP client could not be set up, or an address is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessesError {
    /// Not an `http` or `https` address. Counted from 0.
    #[error("the address of witness {0} is malformed")]
    Address(usize),
    /// No TLS on this machine, say.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

impl Witnesses {
    /// The witnesses with these submission prefixes.
    ///
    /// # Errors
    /// [`WitnessesError`].
    pub fn new<'a>(prefixes: impl IntoIterator<Item = &'a str>) -> Result<Self, WitnessesError> {
        let all = prefixes.into_iter().enumerate().map(|(place, text)| {
            let url = Url::parse(text).ok();
            let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            let mut prefix = url.ok_or(WitnessesError::Address(place))?;
            let path = format!("{}/", prefix.path().trim_end_matches('/'));
            prefix.set_path(&path);
            Ok(Witness { prefix, size: 0 })
        });
        Ok(Self {
            all: all.collect::<Result<_, _>>()?,
            http: http_client().map_err(WitnessesError::Client)?,
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// Makes the consistency proof between two sizes of a log; `None` when it cannot.
pub type Proofs<'a> = dyn Fn(u64, u64) -> BoxFuture<'static, Option<Vec<Hash>>> + Send + Sync + 'a;

/// Asks all witnesses at once to cosign a checkpoint, and gives the cosignatures that hold under
/// the policy. `proofs` makes the consistency proof between two sizes of this log.
///
/// Takes at most five seconds. May be dropped at any point: a witness that has cosigned
/// meanwhile says so the next time.
pub async fn collect(
    witnesses: &mut Witnesses,
    note: &SignedNote,
    policy: &Policy,
    proofs: &Proofs<'_>,
) -> Collected {
    let mut collected = Collected::default();
    let Ok(checkpoint) = note.checkpoint() else {
        return collected;
    };
    let http = &witnesses.http;
    let asked = witnesses.all.iter_mut().map(async |witness| {
        let asked = witness.ask(http, note, checkpoint.size, policy, proofs);
        let answer = tokio::time::timeout(WITNESS_TIME_MAX, asked).await;
        let late = || Err(WitnessAnswer::Unreachable("no answer in time".to_owned()));
        (witness.name(), answer.unwrap_or_else(|_| late()))
    });
    for (name, answer) in join_all(asked).await {
        match answer {
            Ok(lines) => collected.lines.extend(lines),
            Err(why) => {
                let (log, size) = (&checkpoint.origin, checkpoint.size);
                match why {
                    WitnessAnswer::Fork(_) | WitnessAnswer::Ahead { .. } => {
                        tracing::error!(witness = %name, %log, size, "no cosignature: {why}");
                    }
                    _ => tracing::warn!(witness = %name, %log, size, "no cosignature: {why}"),
                }
                collected.refusals.push((name, why));
            }
        }
    }
    collected
}

/// Without what may be a password in the address.
impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Witness({}, size {})", self.name(), self.size)
    }
}

impl Witness {
    /// Its address without what may be a password.
    pub(crate) fn name(&self) -> String {
        let host = self.prefix.host_str().unwrap_or_default();
        let port = self.prefix.port().map(|port| format!(":{port}"));
        let path = self.prefix.path().trim_end_matches('/');
        let scheme = self.prefix.scheme();
        format!("{scheme}://{host}{}{path}", port.unwrap_or_default())
    }

    /// Asks once, and a second time if it has cosigned another checkpoint than was thought.
    async fn ask(
        &mut self,
        http: &reqwest::Client,
        note: &SignedNote,
        size: u64,
        policy: &Policy,
        proofs: &Proofs<'_>,
    ) -> Result<Vec<SignatureLine>, WitnessAnswer> {
        // What it has seen of a larger tree is no reason not to ask: it may have been put back.
        self.size = self.size.min(size);
        let mut answer = self.submit(http, note, size, proofs).await?;
        if let Submitted::LastSize(last) = answer {
            if last > size {
                return Err(WitnessAnswer::Ahead { size: last });
            }
            self.size = last;
            answer = self.submit(http, note, size, proofs).await?;
        }
        match answer {
            Submitted::LastSize(_) => {
                Err(WitnessAnswer::Garbage("it names one size after the other"))
            }
            Submitted::Lines(text) => {
                let lines = verified(&text, note, policy)?;
                self.size = size;
                Ok(lines)
            }
        }
    }

    async fn submit(
        &self,
        http: &reqwest::Client,
        note: &SignedNote,
        size: u64,
        proofs: &Proofs<'_>,
    ) -> Result<Submitted, WitnessAnswer> {
        let old = self.size;
        let proof = if old == 0 || old == size {
            Vec::new()
        } else {
            let proof = proofs(old, size).await;
            proof.ok_or(WitnessAnswer::NoProof(old))?
        };
        let request = AddCheckpoint {
            old,
            proof,
            note: note.clone(),
        };
        let url = self.prefix.join("add-checkpoint");
        let url = url.map_err(|_| WitnessAnswer::Garbage("its address"))?;
        let sent = http.post(url).body(request.to_string()).send().await;
        let mut answer = sent.map_err(unreachable)?;
        let status = answer.status();
        let is_size = answer
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().eq_ignore_ascii_case(SIZE_TYPE.as_bytes()));
        let text = body(&mut answer).await?;
        match status {
            StatusCode::OK => Ok(Submitted::Lines(text)),
            StatusCode::CONFLICT if is_size => {
                let last = text.strip_suffix('\n').unwrap_or(&text).parse();
                let last = last.map_err(|_| WitnessAnswer::Garbage("its size is no number"))?;
                Ok(Submitted::LastSize(last))
            }
            StatusCode::UNPROCESSABLE_ENTITY => Err(WitnessAnswer::Fork(beginning(&text))),
            status => Err(WitnessAnswer::Refused {
                status: status.as_u16(),
                text: beginning(&text),
            }),
        }
    }
}

/// What a witness answered.
enum Submitted {
    /// The signature lines, not verified yet.
    Lines(String),
    /// The size of the checkpoint that it cosigned last.
    LastSize(u64),
}

/// The lines that are cosignatures of this note by witnesses of the policy.
fn verified(
    text: &str,
    note: &SignedNote,
    policy: &Policy,
) -> Result<Vec<SignatureLine>, WitnessAnswer> {
    let lines = SignatureLine::parse_all(text);
    let mut lines = lines.map_err(|_| WitnessAnswer::Garbage("no signature lines"))?;
    let checkpoint = note.checkpoint();
    let checkpoint = checkpoint.map_err(|_| WitnessAnswer::Garbage("no checkpoint"))?;
    lines.retain(|line| {
        let alone = SignedNote::new(&checkpoint, line.clone());
        let mut keys = policy.witnesses().iter().map(|it| &it.key);
        keys.any(|key| {
            let verified = verify_note(&alone, std::slice::from_ref(key));
            verified.is_ok_and(|it| !it.cosigned.is_empty())
        })
    });
    if lines.is_empty() {
        let text = "no cosignature by a witness of the policy that holds";
        return Err(WitnessAnswer::Garbage(text));
    }
    Ok(lines)
}

pub(crate) async fn body(answer: &mut reqwest::Response) -> Result<String, WitnessAnswer> {
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(WitnessAnswer::Garbage("it is too long"));
        }
    }
    String::from_utf8(bytes).map_err(|_| WitnessAnswer::Garbage("it is not UTF-8"))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn unreachable(error: reqwest::Error) -> WitnessAnswer {
    let kind = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    WitnessAnswer::Unreachable(kind.to_owned())
}

/// The beginning of foreign text, without control characters.
pub(crate) fn beginning(text: &str) -> String {
    let text = text.trim().chars().filter(|it| !it.is_control());
    text.take(REFUSAL_CHARS_MAX).collect()
}

fn http_client() -> reqwest::Result<reqwest::Client> {
    // An error means that a provider is installed already: that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        reqwest::Client::builder()
            .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(WITNESS_TIME_MAX)
    };
    // A machine without root certificates can still ask witnesses without TLS.
    let built = builder().build();
    built.or_else(|_| builder().tls_certs_only([]).build())
}
