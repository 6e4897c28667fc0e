//! A copy of the file, for backups.

use std::path::Path;

use super::{ControlError, FILE, connect, full};

/// Writes a copy of the data folder's `control.db` to `to`, which must not exist, as it was at one
/// moment, whether a node has it open or not. `false` when the folder has none.
///
/// # Errors
/// [`ControlError`].
pub fn copy_control(data: &Path, to: &Path) -> Result<bool, ControlError> {
    let path = data.join(FILE);
    if !path.exists() {
        return Ok(false);
    }
    let name = to.to_str().ok_or_else(|| {
        ControlError::Invalid(format!("the path {} is not UTF-8 text", to.display()))
    })?;
    let connection = connect(&path)?;
    let copied = connection.execute("VACUUM INTO ?1", [name]);
    copied.map_err(|error| full(error.into()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Control, Event};

    #[test]
    fn a_copy_holds_what_was_acknowledged_while_the_file_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("copies");
        std::fs::create_dir(&to).unwrap();
        let copy = to.join(FILE);
        assert!(!copy_control(&folder.path().join("none"), &copy).unwrap());
        let control = Control::open(folder.path()).unwrap();
        let event = Event::new("test.done", "somebody", 1);
        control.set_setting("name", Some("value"), &event).unwrap();
        assert!(copy_control(folder.path(), &copy).unwrap());
        control.set_setting("name", Some("other"), &event).unwrap();
        let copied = Control::open(&to).unwrap();
        assert_eq!(copied.setting("name").unwrap().as_deref(), Some("value"));
    }
}
