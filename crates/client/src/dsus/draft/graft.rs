//! What stands in one brick map, taken over into another.

use dsu::{BrickMap, ContentError, Depth, DsuPath, FileNode, Moment, Node};

use crate::dsus::DsuError;

/// Copies what stands at a path of one map to a path of another; the bricks are shared.
pub(super) fn graft(
    target: &mut BrickMap,
    source: &BrickMap,
    (from, to): (&DsuPath, &DsuPath),
    now: Moment,
) -> Result<(), DsuError> {
    let not_there = || DsuError::NotFound(from.clone());
    match source.lookup(from).ok_or_else(not_there)? {
        Node::File(file) => graft_file(target, to, file, now)?,
        Node::Folder(_) => {
            match target.lookup(to) {
                Some(Node::Folder(_)) => {
                    let listed = target.list(to, Depth::Here).unwrap_or_default();
                    if !listed.is_empty() {
                        return Err(DsuError::NotEmpty(to.clone()));
                    }
                }
                _ => target.create_folder(to, now)?,
            }
            for listed in source
                .list(from, Depth::Recursive)
                .map_err(|_| not_there())?
            {
                let below = listed.path.strip(from).ok_or_else(not_there)?;
                let place = below.under(to);
                match source.lookup(&listed.path) {
                    Some(Node::File(file)) => graft_file(target, &place, file, now)?,
                    Some(Node::Folder(_)) if target.lookup(&place).is_none() => {
                        target.create_folder(&place, now)?;
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn graft_file(
    target: &mut BrickMap,
    to: &DsuPath,
    file: FileNode<'_>,
    now: Moment,
) -> Result<(), DsuError> {
    match file.embedded() {
        Some(Ok(content)) => target.embed(to, &content, now)?,
        Some(Err(unreadable)) => {
            let source = ContentError::Embedded(unreadable);
            return Err(DsuError::Content {
                path: to.clone(),
                version: 0,
                source: Box::new(source),
            });
        }
        None => target.write(to, file.entries(), now)?,
    }
    Ok(())
}
