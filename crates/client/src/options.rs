//! How a client behaves: where its node is, and the limits of everything that it does.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;
use zeroize::Zeroizing;

use crate::endpoint::public_url;

/// Where a node listens when nothing else is said.
const NODE_DEFAULT: &str = "http://127.0.0.1:8080";

/// The settings of a [`Client`](crate::Client). Start from [`ClientOptions::new`] and change fields.
///
/// `Debug` shows the node's URL without user name and password, and no API key.
#[derive(Clone)]
pub struct ClientOptions {
    /// The node that is asked for BDNS, and that serves what BDNS does not place elsewhere. A user
    /// name and password in it are sent as `Authorization: Basic`, to this node only.
    pub node: Url,
    /// An API key, sent as `x-api-key` to this node only: not to services that BDNS names elsewhere.
    pub api_key: Option<Zeroizing<String>>,
    /// Bricks (or batches of them) in flight at a time; at least 1 is used. Memory is bounded by
    /// this times the size of a brick.
    pub parallel: usize,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest time in which a request or an answer may make no progress. There is no limit on the
    /// whole, so that a transfer of any size gets through.
    pub idle_timeout: Duration,
    /// Attempts of one call, the first included; at least 1 is made. Only calls that are safe to
    /// repeat are repeated.
    pub attempts_max: u32,
    /// The wait before the first repetition is at most this; it doubles with each one.
    pub retry_wait: Duration,
    /// No wait before a repetition is longer, whatever a node asks for in `Retry-After`.
    pub retry_wait_max: Duration,
    /// How long a brick storage that failed is passed over while others can do its work.
    pub rest_after_failure: Duration,
    /// Whether the batch routes are used.
    pub batch: BatchUse,
    /// The folder in which the last head seen of each anchor is remembered; `None` remembers
    /// nothing, and then a node that shows an older history is not caught.
    pub heads: Option<PathBuf>,
    /// Authorities that are believed besides those of this machine, as certificates in PEM; may be
    /// empty.
    pub authorities: Vec<u8>,
    /// Bounds on what nodes answer.
    pub limits: AnswerLimits,
}

/// Whether bricks travel in batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchUse {
    /// Where a storage offers the batch routes; single calls elsewhere.
    WhereOffered,
    /// Single calls only.
    Never,
}

/// The longest body that is taken from a node, by kind of answer, in bytes. A longer one is a
/// protocol violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerLimits {
    /// One brick.
    pub brick_bytes_max: usize,
    /// All versions of one anchor. A version takes about 400 bytes.
    pub history_bytes_max: usize,
    /// A versionless document.
    pub document_bytes_max: usize,
    /// BDNS, and every other answer in JSON.
    pub json_bytes_max: usize,
}

impl ClientOptions {
    /// The default settings for the node at `node`.
    #[must_use]
    pub fn new(node: Url) -> Self {
        Self {
            node,
            api_key: None,
            parallel: 8,
            connect_timeout: Duration::from_secs(10),
            // An ApiHub that holds a stale lock answers an append after 10 seconds.
            idle_timeout: Duration::from_secs(30),
            attempts_max: 4,
            retry_wait: Duration::from_millis(200),
            retry_wait_max: Duration::from_secs(20),
            rest_after_failure: Duration::from_secs(30),
            batch: BatchUse::WhereOffered,
            heads: None,
            authorities: Vec::new(),
            limits: AnswerLimits::default(),
        }
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "a constant, which a test parses")]
        Self::new(NODE_DEFAULT.parse().expect("the default URL is one"))
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("node", &public_url(&self.node).as_str())
            .field("api_key", &self.api_key.as_ref().map(|_| "secret"))
            .field("parallel", &self.parallel)
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("attempts_max", &self.attempts_max)
            .field("retry_wait", &self.retry_wait)
            .field("retry_wait_max", &self.retry_wait_max)
            .field("rest_after_failure", &self.rest_after_failure)
            .field("batch", &self.batch)
            .field("heads", &self.heads)
            .field("authorities", &self.authorities.len())
            .field("limits", &self.limits)
            .finish()
    }
}

impl Default for AnswerLimits {
    fn default() -> Self {
        Self {
            brick_bytes_max: 64 << 20,
            history_bytes_max: 64 << 20,
            document_bytes_max: 64 << 20,
            json_bytes_max: 1 << 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_node_is_the_local_one() {
        assert_eq!(
            ClientOptions::default().node.as_str(),
            "http://127.0.0.1:8080/"
        );
    }

    #[test]
    fn debug_hides_credentials() {
        let mut options =
            ClientOptions::new("https://me:hidden@node.example/base".parse().unwrap());
        options.api_key = Some("hidden".to_owned().into());
        let text = format!("{options:?}");
        assert!(text.contains("https://node.example/base"), "{text}");
        assert!(!text.contains("hidden") && !text.contains("me:"), "{text}");
    }
}
