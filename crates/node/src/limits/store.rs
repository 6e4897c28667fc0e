//! What is kept of limits in `control.db`: what was used today. Quotas that were set are kept by
//! [`Control`] itself.

use super::tally::{Day, Subject};
use crate::control::{Control, ControlError};

/// How the names of accounts and domains begin.
const ACCOUNT: &str = "account:";
const DOMAIN: &str = "domain:";

/// What accounts and domains had used in a process of these parts when it was written down last.
pub(super) fn used(control: &Control, parts: &str) -> Result<Vec<(Subject, Day)>, ControlError> {
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
            // What is none of ours does not count here.
            used.extend(subject(parts, &name).map(|subject| (subject, day)));
        }
        Ok(used)
    })
}

/// Writes down what was used on a day in a process of these parts, and forgets the days before.
pub(super) fn write_used(
    control: &Control,
    parts: &str,
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
            let Some(name) = name(parts, subject) else {
                continue;
            };
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

/// Services that run apart on one data folder each have a row for a subject.
fn name(parts: &str, subject: &Subject) -> Option<String> {
    match subject {
        Subject::Address(_) => None,
        Subject::Account(account) => Some(format!("{parts}/{ACCOUNT}{account}")),
        Subject::Domain(domain) => Some(format!("{parts}/{DOMAIN}{domain}")),
    }
}

fn subject(parts: &str, name: &str) -> Option<Subject> {
    let name = name.strip_prefix(parts)?.strip_prefix('/')?;
    if let Some(account) = name.strip_prefix(ACCOUNT) {
        return Some(Subject::Account(account.into()));
    }
    let domain = name.strip_prefix(DOMAIN)?;
    domain.parse().ok().map(Subject::Domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_that_run_apart_do_not_overwrite_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::open(folder.path()).unwrap();
        let day = |bricks, anchors| Day {
            number: 20_000,
            bricks,
            anchors,
            ..Day::default()
        };
        for subject in [
            Subject::Domain("default".parse().unwrap()),
            Subject::Account("key/0123456789ab".into()),
        ] {
            let write = |parts, day: Day| {
                let changed = [(subject.clone(), day)];
                write_used(
                    &control,
                    parts,
                    Day {
                        bricks: 0,
                        anchors: 0,
                        ..day
                    },
                    &changed,
                )
                .unwrap();
            };
            write("bricks", day(4, 0));
            write("anchors", day(0, 7));
            let used = |parts| {
                let found = used(&control, parts).unwrap();
                found
                    .into_iter()
                    .find(|(of, _)| *of == subject)
                    .map(|it| it.1)
            };
            assert_eq!(used("bricks"), Some(day(4, 0)));
            assert_eq!(used("anchors"), Some(day(0, 7)));
            assert_eq!(used("bricks+anchors"), None);
        }
    }
}
