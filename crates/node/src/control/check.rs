//! Looking at the file without a node, for `kiln store check`.

use std::path::Path;

use rusqlite::ErrorCode;

use super::{ControlError, FILE, connect, schema};

/// The most findings of one file: a damaged one has thousands.
const FINDINGS_MAX: u32 = 20;

/// What is wrong with the data folder's `control.db`; nothing when the folder has none. Reads all of
/// it and changes nothing.
///
/// # Errors
/// [`ControlError`] when it cannot be looked at; damage, a newer format and a file of another program
/// are findings.
pub fn check_control(data: &Path) -> Result<Vec<String>, ControlError> {
    let path = data.join(FILE);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let found = look(&path);
    found.or_else(|error| finding(&error).map_or(Err(error), |finding| Ok(vec![finding])))
}

fn look(path: &Path) -> Result<Vec<String>, ControlError> {
    let connection = connect(path)?;
    schema::format_of(&connection)?;
    let mut check = connection.prepare(&format!("PRAGMA integrity_check({FINDINGS_MAX})"))?;
    let mut rows = check.query([])?;
    let mut findings = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        if text != "ok" {
            findings.push(text.replace('\n', "; "));
        }
    }
    Ok(findings)
}

/// The error in words, if it says that the file is damaged or not ours.
fn finding(error: &ControlError) -> Option<String> {
    match error {
        ControlError::Database(source) => {
            let code = source.sqlite_error_code();
            let is_damage = matches!(
                code,
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            );
            is_damage.then(|| source.to_string())
        }
        ControlError::Newer { .. } | ControlError::Foreign | ControlError::Corrupt(_) => {
            Some(error.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::control::{Control, Event};

    /// Bytes of a page, as `SQLite` makes them.
    const PAGE_BYTES: u64 = 4096;

    #[test]
    fn damage_and_other_formats_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let path = data.join(FILE);
        assert!(check_control(data).unwrap().is_empty());
        assert!(!path.exists(), "it was made by looking for it");
        let control = Control::open(data).unwrap();
        let event = Event::new("test.done", "somebody", 1);
        control.set_setting("name", Some("value"), &event).unwrap();
        assert!(check_control(data).unwrap().is_empty());
        drop(control);

        let check = |words: &str| {
            let findings = check_control(data).unwrap();
            let is_found = findings.iter().any(|finding| finding.contains(words));
            assert!(is_found, "{words}: {findings:?}");
        };
        let connection = connect(&path).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        check("format 99");
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
            .pragma_update(None, "application_id", 99)
            .unwrap();
        check("not a control database");
        drop(connection);

        let write = |bytes: &[u8], at: u64| {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(bytes, at).unwrap();
        };
        write(b"no database at all", 0);
        check("not a database");
        std::fs::remove_file(&path).unwrap();
        drop(Control::open(data).unwrap());
        // The first page after the one with the header is the root of a table.
        write(&[0; 100], PAGE_BYTES);
        check("");
    }
}
