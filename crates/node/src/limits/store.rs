//! What is kept of limits in `control.db`: what was used today. Quotas that were set are kept by
//! [`Control`] itself.

use super::tally::{Day, Subject};
use crate::control::{Control, ControlError};

/// How the names of accounts and domains begin.
const ACCOUNT: &str = "account:";
const DOMAIN: &str = "domain:";

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
