//! Reading DSUs of the Diff strategy: each version holds only the operations of
//! its session; the state is what all of them leave.
//!
//! The SDK writes the second version of such a DSU as a whole map over what it
//! believes to be the first (it sees no files in it), with the log of the first
//! version left inside. Its own reader loses files then. Here a log that repeats
//! the version before is passed over, and the nodes of a map count as what was
//! written on top: nothing that any version wrote is lost.
//!
//! **Source:** dsu specification §6; the SDK's `DiffStrategy.js`, `BrickMap.js`
//! (`replayOperation`).

use keyssi::json::{Json, Object};
use thiserror::Error;

use crate::brick_map::{BrickMap, BrickPlace, EditError, Timing};
use crate::entry::Entry;
use crate::moment::Moment;
use crate::path::DsuPath;

/// Why the versions give no state. `version` counts from 0.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// There are no versions.
    #[error("there are no versions to replay")]
    NoVersions,
    /// An operation has no path, or not the data that it needs.
    #[error("operation {operation} of version {version} is malformed")]
    Malformed {
        /// The version.
        version: usize,
        /// The place in its log, from 0.
        operation: usize,
    },
    /// An operation that the SDK does not know either.
    #[error("version {version} holds the unknown operation {name:?}")]
    UnknownOperation {
        /// The version.
        version: usize,
        /// The operation.
        name: String,
    },
    /// An operation cannot be carried out on what the ones before it left.
    #[error("operation {operation} of version {version} cannot be carried out")]
    Impossible {
        /// The version.
        version: usize,
        /// The place in its log, from 0.
        operation: usize,
        /// Why not.
        #[source]
        source: EditError,
    },
}

/// The state after all `maps`, oldest first: the brick maps of every version of
/// a DSU. Times are those of the operations.
///
/// # Errors
/// [`ReplayError`] if there are none, or a log cannot be carried out.
pub fn replay(maps: &[BrickMap]) -> Result<BrickMap, ReplayError> {
    let (Some(first), Some(last)) = (maps.first(), maps.last()) else {
        return Err(ReplayError::NoVersions);
    };
    let start = first.metadata().created_at();
    let mut state = BrickMap::new(Timing::Stamped, start.unwrap_or(Moment::from_millis(0)));
    let mut before: Option<&BrickMap> = None;
    for (version, map) in maps.iter().enumerate() {
        let continued = before.filter(|before| before.log() == map.log());
        if continued.is_none() {
            replay_log(&mut state, map, version)?;
        }
        state.overlay(map, continued);
        before = Some(map);
    }
    state.finish_as(last);
    Ok(state)
}

/// True if `map` holds operations instead of, or beside, files.
#[must_use]
pub fn is_diff(map: &BrickMap) -> bool {
    !map.log().is_empty()
}

fn replay_log(state: &mut BrickMap, map: &BrickMap, version: usize) -> Result<(), ReplayError> {
    let start = map.metadata().created_at();
    for (place, logged) in map.log().iter().enumerate() {
        let malformed = ReplayError::Malformed {
            version,
            operation: place,
        };
        let Some(operation) = Operation::read(logged, start) else {
            return Err(malformed);
        };
        match operation.carry_out(state) {
            // The SDK passes these over, or its writer saw less than is there.
            Ok(()) | Err(Fault::Edit(EditError::NotFound(_) | EditError::Exists(_))) => {}
            Err(Fault::Malformed) => return Err(malformed),
            Err(Fault::Unknown) => {
                return Err(ReplayError::UnknownOperation {
                    version,
                    name: operation.name,
                });
            }
            Err(Fault::Edit(source)) => {
                return Err(ReplayError::Impossible {
                    version,
                    operation: place,
                    source,
                });
            }
        }
    }
    Ok(())
}

/// One line of a log: `{"op","path","timestamp","data"}`.
struct Operation<'a> {
    name: String,
    path: DsuPath,
    now: Moment,
    data: Option<&'a Json>,
}

enum Fault {
    Malformed,
    Unknown,
    Edit(EditError),
}

impl From<EditError> for Fault {
    fn from(error: EditError) -> Self {
        Self::Edit(error)
    }
}

impl<'a> Operation<'a> {
    fn read(logged: &'a Json, start: Option<Moment>) -> Option<Self> {
        let logged = logged.as_object()?;
        let text = |member: &str| logged.get(member).and_then(Json::as_text);
        let time = text("timestamp").and_then(|date| Moment::parse_http_date(&date));
        Some(Self {
            name: text("op")?,
            path: DsuPath::parse(&text("path")?).ok()?,
            now: time.or(start)?,
            data: logged.get("data"),
        })
    }

    fn carry_out(&self, state: &mut BrickMap) -> Result<(), Fault> {
        let (path, now) = (&self.path, self.now);
        match self.name.as_str() {
            "add" => state.write(path, self.entries()?, now)?,
            "append" => state.append(path, self.entries()?, now)?,
            "truncate" => {
                // The log has it before `add` too; only files that are there.
                if state.file(path).is_some() {
                    state.write(path, Vec::new(), now)?;
                }
            }
            "delete" => state.delete(path, now)?,
            "copy" => {
                let to = self.data.and_then(Json::as_text);
                let to = to.and_then(|to| DsuPath::parse(&to).ok());
                state.copy(path, &to.ok_or(Fault::Malformed)?, now)?;
            }
            "createFolder" => state.create_folder(path, now)?,
            "createFile" => state.create_file(path, now)?,
            "replaceFirstBrick" => {
                state.replace_brick(path, BrickPlace::First, self.entry()?, now)?;
            }
            "replaceLastBrick" => {
                state.replace_brick(path, BrickPlace::Last, self.entry()?, now)?;
            }
            "embed" => state.embed_json(path, self.data.ok_or(Fault::Malformed)?, now)?,
            "appendToEmbed" => {
                state.append_embedded_json(path, self.data.ok_or(Fault::Malformed)?, now)?;
            }
            _ => return Err(Fault::Unknown),
        }
        Ok(())
    }

    /// The bricks of the operation: a list, or one alone.
    fn entries(&self) -> Result<Vec<Entry>, Fault> {
        let bricks = match self.data {
            Some(Json::List(bricks)) => bricks.as_slice(),
            Some(brick) => std::slice::from_ref(brick),
            None => return Err(Fault::Malformed),
        };
        let objects: Option<Vec<&Object>> = bricks.iter().map(Json::as_object).collect();
        let objects = objects.ok_or(Fault::Malformed)?;
        Ok(objects.into_iter().map(Entry::from_logged).collect())
    }

    fn entry(&self) -> Result<Entry, Fault> {
        let brick = self.data.and_then(Json::as_object);
        brick.map(Entry::from_logged).ok_or(Fault::Malformed)
    }
}
