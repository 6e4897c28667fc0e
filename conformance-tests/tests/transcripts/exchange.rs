//! A recorded exchange, and the request that repeats it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use testkit::http::{Body, Request, Version};

/// One request and what the reference server answered.
#[derive(Debug, Deserialize)]
pub(crate) struct Exchange {
    /// Its place in the order of recording.
    pub(crate) n: u32,
    /// The group, which also says under which condition it was recorded.
    pub(crate) group: String,
    /// A short name.
    pub(crate) name: String,
    /// What was sent.
    pub(crate) request: RecordedRequest,
    /// What came back.
    pub(crate) response: RecordedResponse,
}

/// What was sent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordedRequest {
    /// The method.
    pub(crate) method: String,
    /// Path and query as they stood on the wire.
    pub(crate) path: String,
    /// Headers beyond `Host` and the framing.
    pub(crate) headers: BTreeMap<String, String>,
    curl_args: Vec<String>,
    body: Option<String>,
    body_base64: Option<String>,
    body_note: Option<String>,
}

/// What came back; status 0 when nothing did.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordedResponse {
    /// The status code.
    pub(crate) status: u16,
    /// Header lines in order.
    pub(crate) headers: Vec<(String, String)>,
    /// Status lines of interim replies.
    pub(crate) interim: Vec<String>,
    body: Option<String>,
    body_base64: Option<String>,
}

impl Exchange {
    /// All exchanges of a folder in the order of recording.
    pub(crate) fn load_all(folder: &Path) -> Result<Vec<Self>> {
        let mut exchanges = Vec::new();
        for entry in folder
            .read_dir()
            .with_context(|| format!("{}", folder.display()))?
        {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // `index.json` only repeats what the others say.
            if path.extension().is_none_or(|it| it != "json") || name == "index.json" {
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            let exchange: Self = serde_json::from_str(&text).with_context(|| name.into_owned())?;
            exchanges.push(exchange);
        }
        ensure!(
            !exchanges.is_empty(),
            "no exchanges in {}",
            folder.display()
        );
        exchanges.sort_by_key(|it| it.n);
        Ok(exchanges)
    }

    /// Whether the recorded server was in read-only mode.
    pub(crate) fn is_read_only(&self) -> bool {
        self.group == "readonly"
    }

    /// The bytes of the request's body; `None` when it had none.
    pub(crate) fn body(&self) -> Result<Option<Vec<u8>>> {
        let request = &self.request;
        if let Some(text) = &request.body {
            return Ok(Some(text.clone().into_bytes()));
        }
        if let Some(encoded) = &request.body_base64 {
            return Ok(Some(STANDARD.decode(encoded)?));
        }
        request.body_note.as_deref().map(noted_body).transpose()
    }

    /// The request, byte for byte as recorded but for the framing of the body.
    pub(crate) fn request(&self, host: &str) -> Result<Request> {
        let recorded = &self.request;
        let mut request = Request::new(&recorded.method, &recorded.path).header("Host", host);
        for argument in &recorded.curl_args {
            match argument.as_str() {
                "--http1.0" => request.version = Version::Http10,
                other => bail!(
                    "exchange {} was recorded with {other}, unknown here",
                    self.n
                ),
            }
        }
        let mut chunked = false;
        for (name, value) in &recorded.headers {
            if name.eq_ignore_ascii_case("transfer-encoding") {
                ensure!(
                    value.eq_ignore_ascii_case("chunked"),
                    "transfer encoding {value}"
                );
                chunked = true;
            } else {
                request = request.header(name, value);
            }
        }
        // The recorder asks for `100 Continue` by itself when a body is long.
        let asks = recorded
            .headers
            .keys()
            .any(|it| it.eq_ignore_ascii_case("expect"));
        if self.expects_continue() && !asks {
            request = request.header("Expect", "100-continue");
        }
        request.body = match self.body()? {
            None => Body::None,
            Some(bytes) if chunked => Body::Chunked(bytes),
            Some(bytes) => Body::Sized(bytes),
        };
        Ok(request)
    }

    /// The part of `length` bytes that the request asks for, when it asks for
    /// one that there is (RFC 9110 §14.1.2).
    pub(crate) fn range(&self, length: usize) -> Option<Range<usize>> {
        let mut headers = self.request.headers.iter();
        let (_, asked) = headers.find(|(name, _)| name.eq_ignore_ascii_case("range"))?;
        let (first, last) = asked.strip_prefix("bytes=")?.split_once('-')?;
        let range = match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) => first..length.min(last.checked_add(1)?),
            (Ok(first), Err(_)) if last.is_empty() => first..length,
            (Err(_), Ok(count)) if first.is_empty() => length.saturating_sub(count)..length,
            _ => return None,
        };
        (!range.is_empty()).then_some(range)
    }

    /// Whether the recorded server sent `100 Continue`.
    pub(crate) fn expects_continue(&self) -> bool {
        self.response.interim.iter().any(|it| it.contains(" 100"))
    }
}

impl RecordedResponse {
    /// The first value of a header, by name without regard to case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(it, _)| it.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The bytes of the body.
    pub(crate) fn body(&self) -> Result<Vec<u8>> {
        if let Some(encoded) = &self.body_base64 {
            return Ok(STANDARD.decode(encoded)?);
        }
        Ok(self.body.clone().unwrap_or_default().into_bytes())
    }
}

/// The body that a note such as `25165824 bytes, sha256 95ae…` stands for:
/// zeros when the digest says so, else zeros all the same, since of such a body
/// only the length matters.
fn noted_body(note: &str) -> Result<Vec<u8>> {
    let (length, _) = note
        .split_once(" bytes")
        .with_context(|| format!("body note {note}"))?;
    Ok(vec![0; length.parse()?])
}

/// The name of a brick: the base58 form of its SHA-256.
pub(crate) fn brick_name(bytes: &[u8]) -> String {
    bs58::encode(Sha256::digest(bytes)).into_string()
}
