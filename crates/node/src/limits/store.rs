//! What is kept of limits in `control.db`: quotas that were set, and what was used today.

use std::collections::HashMap;

use keyssi::Domain;

use super::quotas::Quotas;
use super::tally::{Day, Subject};
use crate::control::{Control, ControlError, Event};

/// How the names of accounts and domains begin.
const ACCOUNT: &str = "account:";
const DOMAIN: &str = "domain:";

/// Quotas of domains, as they were set.
pub(super) fn quotas(control: &Control) -> Result<HashMap<Domain, Quotas>, ControlError> {
    control.read(|transaction| {
        let mut found = transaction.prepare("SELECT domain, quotas FROM domain_quotas")?;
        let rows = found.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut quotas = HashMap::new();
        for row in rows {
            let (domain, text): (String, String) = row?;
            let parsed = domain.parse().ok().zip(serde_json::from_str(&text).ok());
            let (domain, of_domain) = parsed
                .ok_or_else(|| ControlError::Corrupt(format!("the quotas of domain {domain}")))?;
            quotas.insert(domain, of_domain);
        }
        Ok(quotas)
    })
}

/// Sets the quotas of a domain, or forgets them.
pub(super) fn set_quotas(
    control: &Control,
    domain: &Domain,
    quotas: Option<Quotas>,
    event: &Event,
) -> Result<(), ControlError> {
    control.change(event, |transaction| {
        let name = domain.as_str();
        match quotas {
            Some(quotas) => {
                let text = serde_json::to_string(&quotas)
                    .map_err(|error| ControlError::Invalid(error.to_string()))?;
                transaction.execute(
                    "INSERT OR REPLACE INTO domain_quotas (domain, quotas) VALUES (?1, ?2)",
                    [name, text.as_str()],
                )?;
            }
            None => {
                transaction.execute("DELETE FROM domain_quotas WHERE domain = ?1", [name])?;
            }
        }
        Ok(())
    })
}

/// What accounts and domains had used when it was written down last.
pub(super) fn used(control: &Control) -> Result<Vec<(Subject, Day)>, ControlError> {
    control.read(|transaction| {
        let mut found = transaction.prepare(
            "SELECT subject, day, bytes_up, bytes_down, bricks, anchors FROM used_today",
        )?;
        let rows = found.query_map([], |row| {
            let number = |column| {
                row.get::<_, i64>(column)
                    .map(|it| u64::try_from(it).unwrap_or(0))
            };
            let day = Day {
                number: number(1)?,
                bytes_up: number(2)?,
                bytes_down: number(3)?,
                bricks: number(4)?,
                anchors: number(5)?,
            };
            Ok((row.get::<_, String>(0)?, day))
        })?;
        let mut used = Vec::new();
        for row in rows {
            let (name, day) = row?;
            // What is none of ours counts for nobody.
            used.extend(subject(&name).map(|subject| (subject, day)));
        }
        Ok(used)
    })
}

/// Writes down what was used on a day, and forgets the days before.
pub(super) fn write_used(
    control: &Control,
    today: Day,
    changed: &[(Subject, Day)],
) -> Result<(), ControlError> {
    if changed.is_empty() {
        return Ok(());
    }
    let number = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
    control.write(|transaction| {
        transaction.execute(
            "DELETE FROM used_today WHERE day <> ?1",
            [number(today.number)],
        )?;
        let mut put = transaction.prepare(
            "INSERT OR REPLACE INTO used_today
             (subject, day, bytes_up, bytes_down, bricks, anchors)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for (subject, day) in changed {
            let Some(name) = name(subject) else { continue };
            let numbers = [
                day.number,
                day.bytes_up,
                day.bytes_down,
                day.bricks,
                day.anchors,
            ];
            let [day, up, down, bricks, anchors] = numbers.map(number);
            put.execute((name, day, up, down, bricks, anchors))?;
        }
        Ok(())
    })
}

fn name(subject: &Subject) -> Option<String> {
    match subject {
        Subject::Address(_) => None,
        Subject::Account(account) => Some(format!("{ACCOUNT}{account}")),
        Subject::Domain(domain) => Some(format!("{DOMAIN}{domain}")),
    }
}

fn subject(name: &str) -> Option<Subject> {
    if let Some(account) = name.strip_prefix(ACCOUNT) {
        return Some(Subject::Account(account.into()));
    }
    let domain = name.strip_prefix(DOMAIN)?;
    domain.parse().ok().map(Subject::Domain)
}
