//! What the node under test has accepted so far, and, for anchors, what the
//! recorded server had: the state that an answer follows from.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde::Deserialize;
use testkit::http::Reply;

use crate::call::{Call, Route};
use crate::exchange::{Exchange, brick_name};
use crate::ssi::Ssi;

/// The versions of one anchor, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// As the recorded server had them.
    pub(crate) recorded: Vec<String>,
    /// As the node under test has them.
    pub(crate) ours: Vec<String>,
}

/// The state after the exchanges so far.
#[derive(Debug)]
pub(crate) struct World {
    domains: BTreeSet<String>,
    bricks: BTreeMap<(String, String), Vec<u8>>,
    anchors: BTreeMap<(String, String), History>,
}

/// One item of a request that writes several anchors.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManyItem {
    anchor_id: String,
    anchor_values: Vec<String>,
}

impl World {
    /// A node that serves `domains` and holds nothing.
    pub(crate) fn new(domains: BTreeSet<String>) -> Self {
        Self {
            domains,
            bricks: BTreeMap::new(),
            anchors: BTreeMap::new(),
        }
    }

    /// Whether the node was told to serve this domain.
    pub(crate) fn serves(&self, domain: &str) -> bool {
        self.domains.contains(domain)
    }

    /// The bytes of a brick that the node accepted.
    pub(crate) fn brick(&self, domain: &str, name: &str) -> Option<&[u8]> {
        let key = (domain.to_owned(), name.to_owned());
        self.bricks.get(&key).map(Vec::as_slice)
    }

    /// The history of the anchor that `id` (of any type that leads to one)
    /// stands for; empty when there is none.
    pub(crate) fn history(&self, domain: &str, id: &str) -> History {
        let stored = Ssi::unwrap(id).and_then(|it| stored_id(&it));
        let key = (domain.to_owned(), stored.unwrap_or_else(|| id.to_owned()));
        self.anchors.get(&key).cloned().unwrap_or_default()
    }

    /// How many anchors of a domain the node accepted.
    pub(crate) fn anchor_count(&self, domain: &str) -> usize {
        let ours = self.anchors.iter().filter(|((it, _), _)| it == domain);
        ours.filter(|(_, history)| !history.ours.is_empty()).count()
    }

    /// Takes in what an exchange changed, here and in the recorded server.
    pub(crate) fn observe(
        &mut self,
        exchange: &Exchange,
        call: &Call,
        reply: &Reply,
    ) -> Result<()> {
        if exchange.request.method != "PUT" {
            return Ok(());
        }
        let recorded = exchange.response.status == 201;
        let ours = reply.status == 201;
        match call.route {
            Route::PutBrick if ours => {
                let body = exchange.body()?.unwrap_or_default();
                let key = (call.domain.clone(), brick_name(&body));
                self.bricks.insert(key, body);
            }
            Route::CreateAnchor | Route::AppendAnchor => {
                self.write(&call.domain, &call.subject, &call.value, recorded, ours)?;
            }
            Route::ManyAnchors | Route::ManyAnchorsAnywhere => {
                for (id, value) in many_writes(exchange)? {
                    let domain = domain_of(call, &id);
                    self.write(&domain, &id, &value, recorded, ours)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn write(
        &mut self,
        domain: &str,
        id: &str,
        value: &str,
        recorded: bool,
        ours: bool,
    ) -> Result<()> {
        let stored = Ssi::unwrap(id).and_then(|it| stored_id(&it));
        let Some(stored) = stored else {
            ensure!(
                !ours,
                "the node accepted the anchor id {id}, which leads to no anchor"
            );
            return Ok(());
        };
        let history = self.anchors.entry((domain.to_owned(), stored)).or_default();
        if recorded {
            history.recorded.push(value.to_owned());
        }
        if ours {
            history.ours.push(value.to_owned());
        }
        Ok(())
    }
}

/// The ids and values in the body of a request that writes several anchors, in
/// order; none when the body is not of that kind.
pub(crate) fn many_writes(exchange: &Exchange) -> Result<Vec<(String, String)>> {
    let body = exchange.body()?.unwrap_or_default();
    let items: Vec<ManyItem> = serde_json::from_slice(&body).unwrap_or_default();
    let writes = items.into_iter().flat_map(|it| {
        let id = it.anchor_id;
        it.anchor_values
            .into_iter()
            .map(move |value| (id.clone(), value))
    });
    Ok(writes.collect())
}

/// The domain in the path, or else in the id.
pub(crate) fn domain_of(call: &Call, id: &str) -> String {
    if call.domain.is_empty() {
        Ssi::unwrap(id).map_or_else(String::new, |it| it.domain)
    } else {
        call.domain.clone()
    }
}

/// The wrapped id that the recorded server stored an anchor under when it was
/// given this one: `sread` derives to `sza`, hints are dropped. (It derived from
/// seeds too, but the recordings only read by one.)
fn stored_id(id: &Ssi) -> Option<String> {
    let Ssi {
        domain,
        specific,
        control,
        version,
        ..
    } = id;
    let plain = match id.kind.as_str() {
        "sza" | "sread" => format!("ssi:sza:{domain}::{control}:{version}"),
        "cza" => format!("ssi:cza:{domain}:{specific}:{control}:{version}"),
        _ => return None,
    };
    Some(bs58::encode(plain).into_string())
}
