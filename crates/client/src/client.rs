//! One client of one node: what all calls share.

use std::sync::Arc;

use causes::with_causes;
use keyssi::Domain;
use tokio::sync::OnceCell;

use crate::anchors::Anchors;
use crate::bdns::{Bdns, Services};
use crate::bricks::{BrickStores, StorageStates};
use crate::documents::Documents;
use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::events::{Event, EventSink};
use crate::heads::HeadMemory;
use crate::options::ClientOptions;
use crate::proofs::Proofs;
use crate::transport::{Call, Transport};

/// A client of the node named in its options, and of the services that the node's BDNS names.
///
/// Cheap to clone; clones share connections, limits and what was learnt of the services. All calls
/// must run within a tokio runtime. Dropping the future of a call ends the call; what the node had
/// already taken stays taken.
#[derive(Debug, Clone)]
pub struct Client(Arc<Shared>);

/// What clones share.
/// The header that carries an API key.
pub(crate) const API_KEY: &str = "x-api-key";

#[derive(Debug)]
struct Shared {
    transport: Transport,
    node: Endpoint,
    bdns: OnceCell<Bdns>,
    storages: StorageStates,
    heads: Option<HeadMemory>,
}

impl Client {
    /// A client with these settings. Nothing is asked of the node yet.
    ///
    /// # Errors
    /// [`ClientError::Setup`] when the node's address is none, or HTTP cannot be set up.
    pub fn new(options: ClientOptions) -> Result<Self, ClientError> {
        let mut node = Endpoint::new(&options.node)?;
        if let Some(key) = &options.api_key {
            node = node.with_header(API_KEY, key)?;
        }
        let heads = options.heads.clone().map(HeadMemory::new);
        Ok(Self(Arc::new(Shared {
            transport: Transport::new(options)?,
            node,
            bdns: OnceCell::new(),
            storages: StorageStates::default(),
            heads,
        })))
    }

    /// Sends events to `sink` from now on, in place of where they went before; for all clones.
    pub fn on_event(&self, sink: EventSink) {
        self.0.transport.events.send_to(sink);
    }

    /// Tells the client's listener of an event.
    pub fn emit(&self, event: &Event) {
        self.0.transport.events.emit(event);
    }

    /// The settings.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        &self.0.transport.options
    }

    /// The node itself.
    #[must_use]
    pub fn node(&self) -> &Endpoint {
        &self.0.node
    }

    /// The memory of heads, if the settings name a folder for it.
    #[must_use]
    pub fn heads(&self) -> Option<&HeadMemory> {
        self.0.heads.as_ref()
    }

    /// The brick stores of all domains.
    #[must_use]
    pub fn bricks(&self) -> BrickStores {
        BrickStores::new(self.clone())
    }

    /// The anchoring services of all domains.
    #[must_use]
    pub fn anchors(&self) -> Anchors {
        Anchors::new(self.clone())
    }

    /// The proofs and the status of anchors of all domains.
    #[must_use]
    pub fn proofs(&self) -> Proofs {
        Proofs::new(self.clone())
    }

    /// The versionless documents of the node.
    #[must_use]
    pub fn documents(&self) -> Documents {
        Documents::new(self.clone())
    }

    /// What the node's BDNS says; asked for once in the life of a client.
    ///
    /// # Errors
    /// [`ClientError`]; the next call asks again.
    pub async fn bdns(&self) -> Result<&Bdns, ClientError> {
        self.0.bdns.get_or_try_init(|| self.fetch_bdns()).await
    }

    /// The services of a domain.
    ///
    /// # Errors
    /// [`ClientError::UnknownDomain`] when BDNS does not name it, and as [`Client::bdns`].
    pub async fn services(&self, domain: &Domain) -> Result<&Services, ClientError> {
        let found = self.bdns().await?.domain(domain);
        found.ok_or_else(|| ClientError::UnknownDomain {
            domain: domain.clone(),
            url: self.0.node.url().into(),
        })
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.0.transport
    }

    pub(crate) fn storages(&self) -> &StorageStates {
        &self.0.storages
    }

    async fn fetch_bdns(&self) -> Result<Bdns, ClientError> {
        let node = &self.0.node;
        let call = Call::get(node, "bdns", self.options().limits.json_bytes_max);
        let answer = self.transport().repeat(&call).await?;
        if !answer.status.is_success() {
            return Err(answer.refusal());
        }
        Bdns::parse(&answer.body, node).map_err(|error| {
            let what = format!("its BDNS is malformed: {}", with_causes(&error));
            ClientError::nonsense(&answer.url, what)
        })
    }
}
