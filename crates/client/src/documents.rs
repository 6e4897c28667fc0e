//! Versionless DSUs: one mutable document per path, kept by the node itself.
//!
//! **Source:** `http-api.md` §5. The last writer wins; nothing tells a writer that it was not the
//! last one.

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use url::Url;

use crate::client::Client;
use crate::error::ClientError;
use crate::transport::{Call, Payload};

/// The route, below the node's base URL.
const ROUTE: &str = "versionlessdsu/";

/// The versionless documents of one node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Documents {
    client: Client,
}

impl Documents {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The document at a path, as it was stored; `None` when there is none. The path is the text
    /// after `/versionlessdsu/`, query string included.
    ///
    /// # Errors
    /// [`ClientError::BadDocumentPath`] for a path that would arrive as another one, else what the
    /// call met.
    pub async fn read(&self, path: &str) -> Result<Option<Bytes>, ClientError> {
        let call = self.call(path)?;
        let answer = self.client.transport().repeat(&call).await?;
        match answer.status {
            StatusCode::OK => Ok(Some(answer.body)),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(answer.refusal()),
        }
    }

    /// Stores a document, over whatever is there. Not repeated: another writer's document that came
    /// between would be lost.
    ///
    /// Cancellation: the document may be stored all the same.
    ///
    /// # Errors
    /// As [`Documents::read`]. After [`ClientError::Unreachable`], [`ClientError::TooSlow`] and a
    /// cut answer the document may be stored or not.
    pub async fn write(&self, path: &str, document: Bytes) -> Result<(), ClientError> {
        let call = self.call(path)?;
        let call = call.with(Method::PUT, Payload::octets(document));
        let answer = self.client.transport().send(&call).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(answer.refusal())
    }

    fn call(&self, path: &str) -> Result<Call<'_>, ClientError> {
        let node = self.client.node();
        let bytes_max = self.client.options().limits.document_bytes_max;
        let mut call = Call::get(node, ROUTE, bytes_max);
        call.url = document_url(&call.url, path)?;
        Ok(call)
    }
}

/// The URL of a document. The key is the raw text of the request, so text that a URL would carry in
/// another form names another document.
fn document_url(route: &Url, path: &str) -> Result<Url, ClientError> {
    let text = format!("{route}{path}");
    match text.parse::<Url>() {
        Ok(url) if url.as_str() == text && url.fragment().is_none() => Ok(url),
        _ => Err(ClientError::BadDocumentPath {
            what: "it holds '#', '..', spaces or other characters that a URL cannot carry",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_arrive_as_they_are_are_sent() {
        let route: Url = "http://h/versionlessdsu/".parse().unwrap();
        let check = |path: &str, taken: bool| {
            let url = document_url(&route, path);
            assert_eq!(url.is_ok(), taken, "{path}");
        };
        for path in ["", "a", "a/b.json", "a?x=1&y=2", "a%2Fb", "a//b"] {
            check(path, true);
        }
        for path in ["a b", "../a", "a/./b", "a#b", "é", "a\nb", "%2e%2e/a"] {
            check(path, false);
        }
    }
}
