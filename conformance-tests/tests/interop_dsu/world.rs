//! A node, our client, and the SDK in two processes.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use client::dsus::{At, Draft, Snapshot, verify};
use client::{Client, ClientOptions};
use dsu::Moment;
use keyssi::{KeySsi, PrivateKey};
use serde_json::{Value, json};
use testkit::server::Server;

use crate::operation::{Operation, to_json};
use crate::peer::Peer;
use crate::tree::Tree;

/// The domain of every DSU here.
pub(crate) const DOMAIN: &str = "default";

/// Everything that takes part.
pub(crate) struct World {
    /// Writes with the SDK.
    pub(crate) writer: Peer,
    /// Reads with the SDK.
    pub(crate) reader: Peer,
    node: Server,
}

impl World {
    /// Starts the node and the SDK of a checkout.
    pub(crate) fn start(sdk: &Path) -> Result<Self> {
        let node = Server::start("")?;
        let base_url = format!("http://{}", node.address());
        Ok(Self {
            writer: Peer::start(sdk, &base_url)?,
            reader: Peer::start(sdk, &base_url)?,
            node,
        })
    }

    /// A client of the node.
    pub(crate) fn client(&self) -> Result<Client> {
        let url = format!("http://{}", self.node.address());
        Ok(Client::new(ClientOptions::new(url.parse()?))?)
    }

    /// Makes a DSU with the SDK. `given` names the kind and what belongs to it.
    pub(crate) fn sdk_create(&mut self, given: &Value, operations: &[Operation]) -> Result<Value> {
        let mut request = json!({"call": "create", "domain": DOMAIN, "ops": to_json(operations)});
        for (name, value) in given.as_object().into_iter().flatten() {
            request[name] = value.clone();
        }
        self.writer.call(&request)
    }

    /// Makes a seed DSU with the SDK.
    pub(crate) fn sdk_seed(&mut self, operations: &[Operation]) -> Result<KeySsi> {
        let made = self.sdk_create(&json!({"kind": "seed"}), operations)?;
        identifier(&made["ssi"])
    }

    /// One more version by the SDK.
    pub(crate) fn sdk_change(&mut self, ssi: &KeySsi, operations: &[Operation]) -> Result<()> {
        let request =
            json!({"call": "change", "ssi": ssi.wrapped().as_str(), "ops": to_json(operations)});
        self.writer.call(&request).map(drop)
    }

    /// What the SDK reads in a version; the newest if none is named.
    pub(crate) fn sdk_tree(&mut self, ssi: &KeySsi, version: Option<usize>) -> Result<Tree> {
        let request = json!({"call": "read", "ssi": ssi.wrapped().as_str(), "version": version});
        Tree::of_json(&self.reader.call(&request)?)
    }

    /// Fails unless the SDK, with every signature checked, lists the versions that we list.
    pub(crate) fn sdk_same_history(&mut self, snapshot: &Snapshot) -> Result<()> {
        let request = json!({"call": "versions", "anchor": snapshot.id().as_str()});
        let listed = self.reader.call(&request)?;
        let ours = snapshot.history().values().iter();
        let ours: Vec<&str> = ours.map(keyssi::AnchorValue::as_str).collect();
        ensure!(listed == json!(ours), "versions: {listed}, ours {ours:?}");
        Ok(())
    }
}

/// A new DSU by us.
pub(crate) async fn create(client: &Client, ssi: &KeySsi, operations: &[Operation]) -> Result<()> {
    let draft = Draft::create(client, ssi, now()?).await?;
    finish(draft, operations).await
}

/// One more version by us.
pub(crate) async fn change(client: &Client, ssi: &KeySsi, operations: &[Operation]) -> Result<()> {
    let draft = Draft::edit(&Snapshot::open(client, ssi, At::Latest).await?)?;
    finish(draft, operations).await
}

async fn finish(mut draft: Draft, operations: &[Operation]) -> Result<()> {
    for operation in operations {
        let applied = operation.apply(draft, now()?).await;
        draft = applied.with_context(|| format!("{operation:?}"))?;
    }
    let committed = draft.commit(now()?).await?;
    ensure!(!committed.is_empty(), "nothing was anchored");
    Ok(())
}

/// Checks every signature, brick map and brick of a DSU.
pub(crate) async fn verified(client: &Client, ssi: &KeySsi) -> Result<()> {
    let verified = verify(client, ssi).await?;
    let faults = &verified.faults;
    ensure!(faults.is_empty(), "verification: {faults:?}");
    Ok(())
}

/// A new seed.
pub(crate) fn seed() -> Result<KeySsi> {
    let key = PrivateKey::generate(&mut rand_core::UnwrapErr(getrandom::SysRng));
    Ok(KeySsi::seed(DOMAIN, &key)?)
}

/// The key that only reads what `ssi` writes, where there is one.
pub(crate) fn read_only(ssi: &KeySsi) -> Result<KeySsi> {
    ssi.derive()?.context("nothing can be derived")
}

/// An identifier in an answer of the SDK.
pub(crate) fn identifier(value: &Value) -> Result<KeySsi> {
    Ok(KeySsi::parse(value.as_str().context("no identifier")?)?)
}

/// The time: the SDK signs by the clock too, and the times of one history must not go back.
#[expect(
    clippy::disallowed_methods,
    reason = "a test beside a program that reads the clock"
)]
pub(crate) fn now() -> Result<Moment> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(Moment::from_millis(u64::try_from(since.as_millis())?))
}
