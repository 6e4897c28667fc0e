//! Versionless DSUs: one document that is read and replaced as a whole.

use bytes::Bytes;
use dsu::VersionlessDocument;
use getrandom::SysRng;
use keyssi::{EncryptionKey, KeySsi, SsiKind};
use rand_core::UnwrapErr;

use super::DsuError;
use crate::Client;

/// A versionless DSU (`vs`). It has no history and no proof: whoever may write the document may
/// also forget what was in it, and of two writers at once the last one wins.
pub struct Versionless {
    client: Client,
    name: String,
    key: Option<EncryptionKey>,
    document: VersionlessDocument,
}

impl Versionless {
    /// Fetches the document that `ssi` names.
    ///
    /// # Errors
    /// [`DsuError::NoDocument`] if there is none, [`DsuError::Document`] if it cannot be opened.
    ///
    /// **Source:** DSU specification §13.
    pub async fn open(client: &Client, ssi: &KeySsi) -> Result<Self, DsuError> {
        let mut this = Self::create(client, ssi)?;
        let body = client.documents().read(&this.name).await?;
        let body = body.ok_or_else(|| DsuError::NoDocument(this.name.clone()))?;
        let parsed = VersionlessDocument::parse(&body, this.key.as_ref());
        this.document = parsed.map_err(DsuError::Document)?;
        Ok(this)
    }

    /// A new document under the name that `ssi` gives it. It comes into being with
    /// [`Versionless::save`].
    ///
    /// # Errors
    /// [`DsuError::NotReadable`] for other kinds of identifiers.
    pub fn create(client: &Client, ssi: &KeySsi) -> Result<Self, DsuError> {
        if ssi.kind() != SsiKind::Versionless {
            return Err(DsuError::NotReadable(ssi.kind()));
        }
        Ok(Self {
            client: client.clone(),
            name: ssi.specific().to_owned(),
            key: ssi.encryption_key().map_err(DsuError::Key)?,
            document: VersionlessDocument::new(),
        })
    }

    /// The document.
    #[must_use]
    pub const fn document(&self) -> &VersionlessDocument {
        &self.document
    }

    /// The document, to be changed and then saved.
    pub const fn document_mut(&mut self) -> &mut VersionlessDocument {
        &mut self.document
    }

    /// Stores the document in place of what is there.
    ///
    /// # Errors
    /// [`DsuError::Node`] if the node does not take it.
    pub async fn save(&self) -> Result<(), DsuError> {
        let body = self
            .document
            .to_body(self.key.as_ref(), &mut UnwrapErr(SysRng));
        let body = body.map_err(DsuError::Envelope)?;
        Ok(self
            .client
            .documents()
            .write(&self.name, Bytes::from(body))
            .await?)
    }
}
