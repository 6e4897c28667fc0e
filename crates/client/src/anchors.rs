//! Anchors: reading their versions, creating them, appending to them.
//!
//! A write is never sent again without looking first: when its answer is lost, the versions tell
//! whether it was done. The looking also unmasks a late success, when the first of two attempts
//! wins after the second was sent and the second is refused because of the first.
//!
//! Nothing is checked here but shapes: whether a history holds together is for `dsu::History`.
//!
//! **Source:** `http-api.md` §3.

use std::fmt;

use keyssi::{AnchorId, AnchorValue};
use reqwest::{Method, StatusCode};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::{AnchorRefusal, ClientError};
use crate::transport::{Answer, Call, Payload};

/// What a Kiln node answers, with 400, for a domain that it does not serve.
pub(crate) const NOT_SERVED: &str = "this node does not serve the domain";

/// No value is shorter: it holds a hash in base58. A list of many short texts would take many times
/// the memory that its limit in bytes allows.
const VALUE_CHARS_MIN: usize = 32;

/// The anchoring services of one client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Anchors {
    client: Client,
}

/// The two writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    Create,
    Append,
}

impl Anchors {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// All versions of an anchor, oldest first, as the service shows them; empty when there is no
    /// such anchor.
    ///
    /// # Errors
    /// [`ClientError`] of the service asked last, when none answers.
    pub async fn versions(&self, id: &AnchorId) -> Result<Vec<String>, ClientError> {
        let services = &self.client.services(id.domain()).await?.anchoring_services;
        let mut failure = None;
        for service in services {
            match self.versions_at(service, id).await {
                Ok(versions) => return Ok(versions),
                Err(error) => failure = Some(self.reported(service, error)),
            }
        }
        Err(failure.unwrap_or_else(|| nobody(id, &self.client)))
    }

    /// The last version of an anchor, as the service shows it; `None` when there is no such anchor.
    ///
    /// # Errors
    /// [`ClientError`] of the service asked last, when none answers.
    pub async fn last(&self, id: &AnchorId) -> Result<Option<String>, ClientError> {
        let services = &self.client.services(id.domain()).await?.anchoring_services;
        let mut failure = None;
        for service in services {
            match self.last_at(service, id).await {
                Ok(last) => return Ok(last),
                Err(error) => failure = Some(self.reported(service, error)),
            }
        }
        Err(failure.unwrap_or_else(|| nobody(id, &self.client)))
    }

    /// Creates an anchor with its first value.
    ///
    /// Cancellation: the value may be stored all the same; the versions tell.
    ///
    /// # Errors
    /// [`ClientError::Anchor`] with the service's reason; [`ClientError::OutcomeUnknown`] when the
    /// answer was lost and nothing more can be learnt; any other error means that the value was
    /// not stored.
    pub async fn create(&self, id: &AnchorId, value: &AnchorValue) -> Result<(), ClientError> {
        self.write(Write::Create, id, value).await
    }

    /// Appends a value to an anchor.
    ///
    /// Cancellation: the value may be stored all the same; the versions tell.
    ///
    /// # Errors
    /// As [`Anchors::create`]; [`AnchorRefusal::OutOfSync`] asks for a merge.
    pub async fn append(&self, id: &AnchorId, value: &AnchorValue) -> Result<(), ClientError> {
        self.write(Write::Append, id, value).await
    }

    async fn versions_at(
        &self,
        service: &Endpoint,
        id: &AnchorId,
    ) -> Result<Vec<String>, ClientError> {
        let path = format!("anchor/{}/get-all-versions/{id}", id.domain());
        let bytes_max = self.client.options().limits.history_bytes_max;
        let call = Call::get(service, &path, bytes_max);
        let answer = self.client.transport().repeat(&call).await?;
        if !found(&answer, id)? {
            return Ok(Vec::new());
        }
        let Versions(versions) = answer.json("a list of versions")?;
        Ok(versions)
    }

    async fn last_at(
        &self,
        service: &Endpoint,
        id: &AnchorId,
    ) -> Result<Option<String>, ClientError> {
        let path = format!("anchor/{}/get-last-version/{id}", id.domain());
        let bytes_max = self.client.options().limits.json_bytes_max;
        let call = Call::get(service, &path, bytes_max);
        let answer = self.client.transport().repeat(&call).await?;
        if !found(&answer, id)? {
            return Ok(None);
        }
        let message = answer.message();
        message
            .map(Some)
            .ok_or_else(|| ClientError::nonsense(&answer.url, "the body is not a version"))
    }

    /// Writes at the first service that can be reached: only a service to which nothing was sent
    /// is passed over.
    async fn write(
        &self,
        write: Write,
        id: &AnchorId,
        value: &AnchorValue,
    ) -> Result<(), ClientError> {
        let services = &self.client.services(id.domain()).await?.anchoring_services;
        let mut failure = None;
        for service in services {
            match self.write_at(service, write, id, value).await {
                Err(error) if was_not_sent(&error) => {
                    failure = Some(self.reported(service, error));
                }
                done => return done,
            }
        }
        Err(failure.unwrap_or_else(|| nobody(id, &self.client)))
    }

    async fn write_at(
        &self,
        service: &Endpoint,
        write: Write,
        id: &AnchorId,
        value: &AnchorValue,
    ) -> Result<(), ClientError> {
        let action = match write {
            Write::Create => "create-anchor",
            Write::Append => "append-to-anchor",
        };
        let path = format!("anchor/{}/{action}/{id}/{}", id.domain(), value.as_str());
        let call = Call::get(service, &path, self.client.options().limits.json_bytes_max)
            .with(Method::PUT, Payload::default());
        let mut attempt = 1;
        loop {
            let lost = match self.client.transport().send(&call).await {
                Ok(answer) if answer.status.is_success() => return Ok(()),
                Ok(answer) => match refusal(&answer, id) {
                    Refusal::Final(error) => {
                        // An earlier attempt may have come through after it was given up.
                        let late = attempt > 1 && is_conflict(&error);
                        if late && self.holds(service, id, value).await? {
                            return Ok(());
                        }
                        return Err(error);
                    }
                    Refusal::Unclear(error) => error,
                },
                Err(error) => error,
            };
            if !was_not_sent(&lost) {
                match self.holds(service, id, value).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    Err(_) => {
                        let source = Box::new(lost);
                        return Err(ClientError::OutcomeUnknown { source });
                    }
                }
            }
            if !self.client.transport().pause(attempt, &lost).await {
                return Err(lost);
            }
            attempt += 1;
        }
    }

    /// Whether the value is in the anchor's history. Values are signed with their time and over
    /// what they follow: none is ever there twice.
    async fn holds(
        &self,
        service: &Endpoint,
        id: &AnchorId,
        value: &AnchorValue,
    ) -> Result<bool, ClientError> {
        let versions = self.versions_at(service, id).await?;
        Ok(versions.iter().any(|version| version == value.as_str()))
    }

    fn reported(&self, service: &Endpoint, error: ClientError) -> ClientError {
        let url = service.url().into();
        self.client.transport().events.bad_node(&url, &error);
        error
    }
}

/// The versions of an anchor, as a node lists them.
struct Versions(Vec<String>);

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(VersionsVisitor).map(Self)
    }
}

struct VersionsVisitor;

impl<'de> Visitor<'de> for VersionsVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of anchor values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut versions: Vec<String> = Vec::new();
        while let Some(version) = entries.next_element::<String>()? {
            if version.len() < VALUE_CHARS_MIN {
                return Err(de::Error::invalid_length(version.len(), &self));
            }
            versions.push(version);
        }
        Ok(versions)
    }
}

/// What a refused write means.
enum Refusal {
    /// The service has judged the value.
    Final(ClientError),
    /// It may be stored or not.
    Unclear(ClientError),
}

/// True for a good answer, false for one that says that there is nothing.
fn found(answer: &Answer, id: &AnchorId) -> Result<bool, ClientError> {
    match (answer.status, answer.message()) {
        (status, _) if status.is_success() => Ok(true),
        (StatusCode::NOT_FOUND, None) => Ok(false),
        (StatusCode::NOT_FOUND, Some(_)) => Err(unknown_domain(answer, id)),
        (_, Some(text)) if text == NOT_SERVED => Err(unknown_domain(answer, id)),
        _ => Err(answer.refusal()),
    }
}

/// Statuses and texts of Kiln and of `ApiHub`, which answers 500 to most of them.
fn refusal(answer: &Answer, id: &AnchorId) -> Refusal {
    let text = answer.message().unwrap_or_default();
    let status = answer.status.as_u16();
    let judged = match status {
        428 => AnchorRefusal::OutOfSync,
        _ if text == NOT_SERVED => return Refusal::Final(unknown_domain(answer, id)),
        _ if text.ends_with(" already exist") => AnchorRefusal::Exists,
        _ if text == "Versions out of sync" => AnchorRefusal::OutOfSync,
        _ if text.starts_with("Anchor value timestamp is older") => AnchorRefusal::OlderTimestamp,
        _ if text.starts_with("Cannot update non existing anchor") => AnchorRefusal::Absent,
        _ if text == "Failed to verify signature" || status == 400 => AnchorRefusal::Rejected {
            message: answer.words(),
        },
        404 => return Refusal::Final(unknown_domain(answer, id)),
        // Before anything was done: a limit, a missing right, a read-only node.
        401..=499 if answer.transient().is_none() => return Refusal::Final(answer.refusal()),
        _ => return Refusal::Unclear(answer.refusal()),
    };
    Refusal::Final(judged.into())
}

/// Refusals that a late success of the same value explains.
fn is_conflict(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Anchor(
            AnchorRefusal::Exists | AnchorRefusal::OutOfSync | AnchorRefusal::OlderTimestamp
        )
    )
}

/// No connection was made, so the service knows nothing of the write.
fn was_not_sent(error: &ClientError) -> bool {
    matches!(error, ClientError::Unreachable { source, .. } if source.is_connect())
}

pub(crate) fn unknown_domain(answer: &Answer, id: &AnchorId) -> ClientError {
    ClientError::UnknownDomain {
        domain: id.domain().clone(),
        url: answer.url.clone(),
    }
}

/// For an empty list of services, which BDNS never gives.
pub(crate) fn nobody(id: &AnchorId, client: &Client) -> ClientError {
    ClientError::UnknownDomain {
        domain: id.domain().clone(),
        url: client.node().url().into(),
    }
}
