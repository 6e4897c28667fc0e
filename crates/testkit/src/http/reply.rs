//! What a server sent back, and how it is read from the wire.

use super::HttpError;

/// Header lines that a reply may have; ours send about a dozen.
const HEADERS_MAX: usize = 100;

/// A complete reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Header lines in order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body, with its transfer encoding removed.
    pub body: Vec<u8>,
    /// The codes of the interim replies (1xx) that came before.
    pub interim: Vec<u16>,
    /// Whether the server closes the connection after this reply.
    pub closes: bool,
}

impl Reply {
    /// The first value of a header, by name without regard to case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(it, _)| it.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// The head of a reply: everything before the body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: Framing,
    pub(super) closes: bool,
    /// How many bytes of the input the head took.
    pub(super) length: usize,
}

impl Head {
    /// Reads a head from the start of `bytes`; `None` while it is incomplete.
    pub(super) fn parse(bytes: &[u8], method: &str) -> Result<Option<Self>, HttpError> {
        let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut lines);
        let malformed = |error: &str| HttpError::Malformed(error.to_owned());
        let status = parsed.parse(bytes);
        let httparse::Status::Complete(length) = status.map_err(|it| malformed(&it.to_string()))?
        else {
            return Ok(None);
        };
        let status = parsed.code.ok_or_else(|| malformed("no status code"))?;
        let headers: Vec<(String, String)> = parsed
            .headers
            .iter()
            .map(|it| {
                (
                    it.name.to_owned(),
                    String::from_utf8_lossy(it.value).into_owned(),
                )
            })
            .collect();
        let framing = framing(status, &headers, method)?;
        let old = parsed.version == Some(0);
        let closes = framing == Framing::UntilClose
            || has_token(&headers, "connection", "close")
            || (old && !has_token(&headers, "connection", "keep-alive"));
        Ok(Some(Self {
            status,
            headers,
            framing,
            closes,
            length,
        }))
    }

    /// Whether this is an interim reply, after which the real one comes.
    pub(super) fn is_interim(&self) -> bool {
        (100..200).contains(&self.status)
    }
}

/// RFC 9112 §6.3, the client's part.
fn framing(status: u16, headers: &[(String, String)], method: &str) -> Result<Framing, HttpError> {
    if method == "HEAD" || status < 200 || status == 204 || status == 304 {
        return Ok(Framing::Length(0));
    }
    if has_token(headers, "transfer-encoding", "chunked") {
        return Ok(Framing::Chunked);
    }
    let length = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let Some((_, length)) = length else {
        return Ok(Framing::UntilClose);
    };
    let malformed = |_| HttpError::Malformed(format!("content length {length:?}"));
    length
        .trim()
        .parse()
        .map(Framing::Length)
        .map_err(malformed)
}

fn has_token(headers: &[(String, String)], name: &str, token: &str) -> bool {
    let mut values = headers
        .iter()
        .filter(|(it, _)| it.eq_ignore_ascii_case(name));
    values.any(|(_, value)| {
        let mut tokens = value.split(',');
        tokens.any(|it| it.trim().eq_ignore_ascii_case(token))
    })
}
