//! Quotas of domains that were set while a node ran, in the place of the configured ones. They are
//! kept in memory, as each request asks for them.

use std::collections::HashMap;
use std::sync::PoisonError;

use keyssi::Domain;
use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

use super::{Control, ControlError, Event, audit};
use crate::limits::Quotas;

/// What was set, by domain.
pub(super) type SetQuotas = HashMap<Domain, Quotas>;

impl Control {
    /// The quotas of a domain that were set; `None` where the configured ones hold.
    pub(crate) fn quotas_of(&self, domain: &Domain) -> Option<Quotas> {
        let set = self.0.quotas.read().unwrap_or_else(PoisonError::into_inner);
        set.get(domain).copied()
    }

    /// Puts what `change` makes of the quotas that were set before in their place; `None` is that
    /// none are set. It is durable when this returns and holds in this process; others on the same
    /// file learn it within a second. `event` is recorded with the new quotas.
    ///
    /// # Errors
    /// [`ControlError`], also that of `change`; nothing is changed then.
    pub(crate) fn change_quotas(
        &self,
        domain: &Domain,
        event: Event,
        change: impl FnOnce(Option<Quotas>) -> Result<Option<Quotas>, ControlError>,
    ) -> Result<(), ControlError> {
        self.write(|transaction| {
            let name = domain.as_str();
            let found = "SELECT quotas FROM domain_quotas WHERE domain = ?1";
            let found = transaction.query_row(found, [name], |row| row.get::<_, String>(0));
            let before = found
                .optional()?
                .map(|text| parse(name, &text))
                .transpose()?;
            let quotas = change(before)?;
            match &quotas {
                Some(quotas) => transaction.execute(
                    "INSERT OR REPLACE INTO domain_quotas (domain, quotas) VALUES (?1, ?2)",
                    [name, &json!(quotas).to_string()],
                )?,
                None => {
                    transaction.execute("DELETE FROM domain_quotas WHERE domain = ?1", [name])?
                }
            };
            audit::append(transaction, &event.detail(json!({ "quotas": quotas })))
        })?;
        // `data_version` does not show changes of our own. Under the lock of the connection, so that
        // an older state never replaces a newer one.
        let connection = self.connection();
        self.take_up_quotas(read(&connection)?);
        Ok(())
    }

    pub(super) fn take_up_quotas(&self, quotas: SetQuotas) {
        let mut set = self
            .0
            .quotas
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *set = quotas;
    }
}

/// All that were set.
pub(super) fn read(connection: &Connection) -> Result<SetQuotas, ControlError> {
    let mut found = connection.prepare("SELECT domain, quotas FROM domain_quotas")?;
    let mut rows = found.query([])?;
    let mut quotas = SetQuotas::new();
    while let Some(row) = rows.next()? {
        let (name, text): (String, String) = (row.get(0)?, row.get(1)?);
        let domain = name.parse().map_err(|_| corrupt(&name))?;
        quotas.insert(domain, parse(&name, &text)?);
    }
    Ok(quotas)
}

fn parse(name: &str, text: &str) -> Result<Quotas, ControlError> {
    serde_json::from_str(text).map_err(|_| corrupt(name))
}

fn corrupt(name: &str) -> ControlError {
    ControlError::Corrupt(format!("the quotas of domain {name:?}"))
}
