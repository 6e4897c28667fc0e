//! An answer: its status, and its body in bounded time and size.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::send::within;
use crate::endpoint::NodeUrl;
use crate::error::{ClientError, Violation};

/// What must come within the idle time limit, unless the body ends: a line that carries less is of
/// no use, and a node that sends a byte now and then would hold its caller for ever.
const MOVING_BYTES: usize = 4 << 10;
/// What is read of the body of a refusal.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// Characters of a node's words that are repeated in errors.
const MESSAGE_CHARS_MAX: usize = 300;

/// An answer whose body has yet to come. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) url: NodeUrl,
    pub(crate) status: StatusCode,
    retry_after: Option<Duration>,
    response: Response,
    idle: Duration,
    /// Waited since the body last moved.
    waited: Duration,
    /// Came since the body last moved.
    moving_bytes: usize,
    bytes: u64,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) url: NodeUrl,
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Opened {
    pub(super) fn new(
        url: NodeUrl,
        response: Response,
        idle: Duration,
    ) -> Result<Self, ClientError> {
        let status = response.status();
        if status.is_redirection() {
            let what = Violation::Redirect;
            return Err(ClientError::ProtocolViolation { url, what });
        }
        Ok(Self {
            url,
            status,
            retry_after: retry_after(response.headers()),
            response,
            idle,
            waited: Duration::ZERO,
            moving_bytes: 0,
            bytes: 0,
        })
    }

    /// The next piece of the body; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        let next = within(self.idle, &mut self.waited, self.response.chunk()).await;
        let Some(next) = next else {
            return Err(ClientError::TooSlow {
                url: self.url.clone(),
                what: "the body of its answer does not come",
            });
        };
        let Ok(next) = next else {
            let bytes = self.bytes;
            return Err(self.violates(Violation::CutBody { bytes }));
        };
        let came = next.as_ref().map_or(0, Bytes::len);
        self.bytes = self.bytes.saturating_add(came as u64);
        self.moving_bytes = self.moving_bytes.saturating_add(came);
        if self.moving_bytes >= MOVING_BYTES {
            self.moving_bytes = 0;
            self.waited = Duration::ZERO;
        }
        Ok(next)
    }

    /// The whole answer: at most `bytes_max` of a good one, the beginning of another one.
    pub(crate) async fn whole(mut self, bytes_max: usize) -> Result<Answer, ClientError> {
        let announced = self.response.content_length().unwrap_or(0);
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        if !self.status.is_success() {
            return self.refused_whole().await;
        }
        if announced > bytes_max {
            return Err(self.violates(Violation::EndlessBody { bytes_max }));
        }
        let mut body = Vec::with_capacity(announced);
        while let Some(piece) = self.chunk().await? {
            if body.len() + piece.len() > bytes_max {
                return Err(self.violates(Violation::EndlessBody { bytes_max }));
            }
            body.extend_from_slice(&piece);
        }
        Ok(self.with_body(body))
    }

    /// The answer with what came of its body: a refusal stays one, however its body ends.
    async fn refused_whole(mut self) -> Result<Answer, ClientError> {
        let mut body = Vec::new();
        while let Ok(Some(piece)) = self.chunk().await {
            let room = REFUSAL_BYTES_MAX - body.len();
            body.extend(piece.into_iter().take(room));
            if body.len() == REFUSAL_BYTES_MAX {
                break;
            }
        }
        Ok(self.with_body(body))
    }

    fn with_body(self, body: Vec<u8>) -> Answer {
        Answer {
            url: self.url,
            status: self.status,
            retry_after: self.retry_after,
            body: body.into(),
        }
    }

    fn violates(&self, what: Violation) -> ClientError {
        let url = self.url.clone();
        ClientError::ProtocolViolation { url, what }
    }
}

impl Answer {
    /// The text of a `{"message": …}` body.
    pub(crate) fn message(&self) -> Option<String> {
        let message: Message = serde_json::from_slice(&self.body).ok()?;
        Some(message.message)
    }

    /// The body as JSON of this type.
    pub(crate) fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|_| ClientError::nonsense(&self.url, format!("the body is not {what}")))
    }

    /// The failure that may pass by itself, if the answer is one.
    pub(crate) fn transient(&self) -> Option<ClientError> {
        let passes = matches!(self.status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504);
        passes.then(|| self.refusal())
    }

    /// What an answer means that is none of those that the call expects.
    pub(crate) fn refusal(&self) -> ClientError {
        let (url, status) = (self.url.clone(), self.status.as_u16());
        if self.status.is_success() || self.status.is_informational() {
            return ClientError::nonsense(&url, format!("status {status} makes no sense here"));
        }
        let message = self.words();
        if matches!(status, 429 | 503) {
            return ClientError::Busy {
                url,
                status,
                message,
                retry_after: self.retry_after,
            };
        }
        ClientError::Refused {
            url,
            status,
            message,
        }
    }

    /// What the node says, fit to be shown: short, and without what a terminal would obey.
    pub(crate) fn words(&self) -> String {
        let text = self
            .message()
            .unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned());
        let shown: String = text
            .chars()
            .map(|it| if it.is_control() { ' ' } else { it })
            .take(MESSAGE_CHARS_MAX)
            .collect();
        match shown.trim() {
            "" => self
                .status
                .canonical_reason()
                .unwrap_or("no reason")
                .to_owned(),
            words => words.to_owned(),
        }
    }
}

/// Seconds, or a date, which is taken relative to the date of the answer: clocks may differ.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let asked = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| -> Option<SystemTime> { httpdate::parse_http_date(text).ok() };
    date(asked)?.duration_since(date(text(DATE)?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let check = |asked: &'static str, expected: Option<u64>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, asked.parse().unwrap());
            headers.insert(DATE, "Wed, 21 Oct 2015 07:28:00 GMT".parse().unwrap());
            assert_eq!(
                retry_after(&headers),
                expected.map(Duration::from_secs),
                "{asked}"
            );
        };
        check("7", Some(7));
        check("Wed, 21 Oct 2015 07:28:30 GMT", Some(30));
        check("Wed, 21 Oct 2015 07:27:30 GMT", None);
        check("soon", None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn a_nodes_words_are_made_fit_to_be_shown() {
        let check = |status: StatusCode, body: String, expected: &str| {
            let answer = Answer {
                url: NodeUrl::from(&"http://h/".parse().unwrap()),
                status,
                retry_after: None,
                body: body.into(),
            };
            assert_eq!(answer.words(), expected);
        };
        let bad = StatusCode::BAD_REQUEST;
        check(bad, r#"{"message":"no\u001b[31m"}"#.to_owned(), "no [31m");
        check(bad, "plain".to_owned(), "plain");
        check(bad, String::new(), "Bad Request");
        check(bad, "x".repeat(1000), &"x".repeat(300));
    }
}
