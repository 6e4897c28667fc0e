//! The file of a log's private key, and how one key follows another.

use std::path::Path;

use anyhow::Context;
use translog::{LogKey, Origin};

/// Reads a log's key.
///
/// # Errors
/// When the text is none; the error holds nothing of it.
pub(crate) fn parse(path: &Path, text: &str) -> anyhow::Result<LogKey> {
    LogKey::parse(text).with_context(|| format!("{} is not a log's key", path.display()))
}

/// Whether there is a key in this file, and it is of this log.
fn is_of(path: &Path, origin: &Origin) -> anyhow::Result<bool> {
    if !path.try_exists()? {
        return Ok(false);
    }
    let key = parse(path, &node::load_key_file(path)?)?;
    Ok(key.verifier().name().as_str() == origin.as_str())
}

/// A key is made at the first start, but the name is fixed with the first checkpoint only. One that
/// was made under another name, and has signed nothing in this store, makes room. It is kept: it may
/// have signed in a store that is lost. A crash here leaves it under one of the two names.
///
/// # Errors
/// When it is no key, or cannot be moved.
pub fn put_unused_aside(path: &Path, origin: &Origin) -> anyhow::Result<()> {
    if !path.try_exists()? || is_of(path, origin)? {
        return Ok(());
    }
    let key = parse(path, &node::load_key_file(path)?)?;
    let name = key.verifier().name();
    let mut aside = path.as_os_str().to_owned();
    let id = u32::from_be_bytes(key.verifier().id());
    aside.push(format!(".unused-{id:08x}"));
    std::fs::rename(path, &aside)
        .and_then(|()| std::fs::File::open(path.parent().unwrap_or(path))?.sync_all())
        .with_context(|| format!("{} cannot be put aside", path.display()))?;
    tracing::warn!(
        aside = %Path::new(&aside).display(),
        "the key that was made for the log {name} has signed nothing here and was put aside; a new \
         one is made for {origin}"
    );
    Ok(())
}

/// Brings the key of a log that was renewed to its place, if it still waits beside it; the former
/// log's key stays, as `….ended-<key id>`. Only for a store that is the log `origin` already: what
/// ended it may have been cut off before this.
///
/// # Errors
/// When a file is no key, or cannot be moved.
pub fn put_renewed_in_place(path: &Path, origin: &Origin) -> anyhow::Result<()> {
    if is_of(path, origin)? || !is_of(&node::next_key_file(path), origin)? {
        return Ok(());
    }
    let mut aside = "ended".to_owned();
    if path.try_exists()? {
        let key = parse(path, &node::load_key_file(path)?)?;
        let id = u32::from_be_bytes(key.verifier().id());
        aside = format!("ended-{id:08x}");
    }
    node::put_next_key_in_place(path, &aside)?;
    tracing::warn!(
        key = %path.display(),
        "the key of the log {origin} is in its place; the former one was put aside ({aside})"
    );
    Ok(())
}
