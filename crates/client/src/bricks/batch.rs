//! The batch routes at one storage: bricks travel as CAR archives.
//!
//! Whether a storage has them is asked once, with `have-bricks`: a 404 without a message is how
//! both an `ApiHub` and a proxy answer a route that they do not know, and then single calls are
//! used for the rest of the client's life.

use bytes::Bytes;
use car::Cid;
use keyssi::BrickHash;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::states::Batch;
use super::storage::Storage;
use crate::error::ClientError;
use crate::options::BatchUse;
use crate::transport::{Answer, Opened, Payload};

/// Bricks that one `have-bricks` asks for. A node takes 10,000; fewer make an answer that comes
/// soon.
pub(super) const HAVE_MAX: usize = 1_000;
const JSON: &str = "application/json";

/// What a storage says of one brick of a `put-bricks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BrickOutcome {
    Stored,
    Present,
    Refused(String),
}

#[derive(Deserialize)]
struct PutLine {
    hash: String,
    outcome: String,
    message: Option<String>,
}

impl Storage {
    /// Whether to use the batch routes at this storage; `probe` is any brick.
    pub(super) async fn takes_batches(&self, probe: BrickHash) -> Result<bool, ClientError> {
        if self.client.options().batch == BatchUse::Never {
            return Ok(false);
        }
        if let Some(known) = self.client.storages().batch(&self.endpoint) {
            return Ok(known == Batch::Offered);
        }
        Ok(self.have_batch(&[probe]).await?.is_some())
    }

    /// `have-bricks`; `None` if the storage does not offer it.
    pub(super) async fn have_batch(
        &self,
        hashes: &[BrickHash],
    ) -> Result<Option<Vec<bool>>, ClientError> {
        let known = self.client.storages().batch(&self.endpoint);
        if self.client.options().batch == BatchUse::Never || known == Some(Batch::NotOffered) {
            return Ok(None);
        }
        let limits = &self.client.options().limits;
        let call = self
            .route("have-bricks", limits.json_bytes_max)
            .with(Method::POST, names(hashes));
        let answer = self.call(&call).await?;
        if !self.is_offered(answer.status, answer.message().is_some()) {
            return Ok(None);
        }
        if answer.status != StatusCode::OK {
            return Err(self.refusal(&answer));
        }
        let have: Vec<bool> = answer.json("a list of true and false")?;
        if have.len() != hashes.len() {
            let what = format!("{} answers for {} bricks", have.len(), hashes.len());
            return Err(ClientError::nonsense(&answer.url, what));
        }
        Ok(Some(have))
    }

    /// `put-bricks`; `None` if the storage does not offer it, or not for as much as this.
    pub(super) async fn put_batch(
        &self,
        bricks: &[(BrickHash, Bytes)],
    ) -> Result<Option<Vec<BrickOutcome>>, ClientError> {
        let limits = &self.client.options().limits;
        let call = self
            .route("put-bricks", limits.json_bytes_max)
            .with(Method::POST, archive(bricks));
        let answer = self.call(&call).await?;
        let is_offered = self.is_offered(answer.status, answer.message().is_some());
        if !is_offered || answer.status == StatusCode::PAYLOAD_TOO_LARGE {
            return Ok(None);
        }
        if !answer.status.is_success() {
            return Err(self.refusal(&answer));
        }
        outcomes(&answer, bricks).map(Some)
    }

    /// `get-bricks`, once: the beginning of an archive; `None` if the storage does not offer it.
    pub(super) async fn get_batch(
        &self,
        hashes: &[BrickHash],
    ) -> Result<Option<Opened>, ClientError> {
        let limits = &self.client.options().limits;
        let call = self
            .route("get-bricks", limits.json_bytes_max)
            .with(Method::POST, names(hashes));
        let opened = self.client.transport().open(&call).await?;
        if opened.status == StatusCode::OK {
            return Ok(Some(opened));
        }
        let answer = opened.whole(call.answer_bytes_max).await?;
        if !self.is_offered(answer.status, answer.message().is_some()) {
            return Ok(None);
        }
        Err(self.refusal(&answer))
    }

    /// Learns from an answer whether the storage has the batch routes. A node that takes nothing
    /// but `GET` for the moment (405) has them, perhaps, but not now.
    fn is_offered(&self, status: StatusCode, has_message: bool) -> bool {
        let known = self.client.storages();
        match status {
            StatusCode::NOT_FOUND if !has_message => {
                known.learn_batch(&self.endpoint, Batch::NotOffered);
            }
            StatusCode::NOT_IMPLEMENTED => known.learn_batch(&self.endpoint, Batch::NotOffered),
            StatusCode::METHOD_NOT_ALLOWED => {}
            _ => {
                if status.is_success() {
                    known.learn_batch(&self.endpoint, Batch::Offered);
                }
                return true;
            }
        }
        false
    }
}

/// A JSON array of names.
fn names(hashes: &[BrickHash]) -> Payload {
    let names: Vec<String> = hashes.iter().map(|hash| format!("\"{hash}\"")).collect();
    let body = format!("[{}]", names.join(","));
    Payload::pieces(JSON, vec![body.into()])
}

/// The archive of bricks; their bytes are not copied.
fn archive(bricks: &[(BrickHash, Bytes)]) -> Payload {
    let cids: Vec<Cid> = bricks
        .iter()
        .map(|(hash, _)| car::brick_cid(hash))
        .collect();
    let mut pieces = vec![Bytes::from(car::header(&cids))];
    for (cid, (_, bytes)) in cids.iter().zip(bricks) {
        pieces.push(car::section_prefix(cid, bytes.len()).into());
        pieces.push(bytes.clone());
    }
    Payload::pieces(car::MEDIA_TYPE, pieces)
}

/// What the storage says of each brick, in order.
fn outcomes(
    answer: &Answer,
    bricks: &[(BrickHash, Bytes)],
) -> Result<Vec<BrickOutcome>, ClientError> {
    let lines: Vec<PutLine> = answer.json("a list of outcomes")?;
    let fits = lines.len() == bricks.len()
        && lines
            .iter()
            .zip(bricks)
            .all(|(line, (hash, _))| line.hash == hash.to_string());
    if !fits {
        let what = "its outcomes are not those of the bricks that were sent";
        return Err(ClientError::nonsense(&answer.url, what));
    }
    let outcome = |line: PutLine| match line.outcome.as_str() {
        "stored" => Ok(BrickOutcome::Stored),
        "present" => Ok(BrickOutcome::Present),
        "refused" => Ok(BrickOutcome::Refused(line.message.unwrap_or_default())),
        _ => Err(ClientError::nonsense(
            &answer.url,
            format!("brick {} has an outcome that is not known", line.hash),
        )),
    };
    lines.into_iter().map(outcome).collect()
}
