//! What can be said about a request and the state it meets. Rules are written
//! in these words, so that they hold for other keys, bodies and names as well.

use anyhow::Result;
use serde::Deserialize;

use crate::call::{Call, Route};
use crate::exchange::Exchange;
use crate::oracle::is_odd_creation_time;
use crate::ssi::Ssi;
use crate::world::World;

/// The largest body that a brick may have (specification http-api §6: not
/// below 10,000,064 bytes, with room for large brick maps).
const BRICK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A statement that holds or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fact {
    /// The domain in the path is not one that the node serves.
    DomainUnknown,
    /// The body is longer than a brick may be.
    BodyOverLimit,
    /// The body is not JSON.
    BodyNotJson,
    /// The hash in the path is not the base58 form of 32 bytes.
    NotABrickName,
    /// The hash in the path is `.` or `..`.
    DotSegment,
    /// The node holds no brick of that name in that domain.
    BrickAbsent,
    /// The node holds the brick.
    BrickStored,
    /// The request asks for a part of the brick that there is.
    RangeAsked,
    /// The query names no hash.
    NoHashes,
    /// The node lacks one of the bricks in the query.
    SomeBrickAbsent,
    /// One of the bricks in the query is not UTF-8 text.
    SomeBrickNotText,
    /// The anchor id is not a wrapped, hint-free `sza` or `cza`.
    IdNotCanonical,
    /// The anchor id names another domain than the path.
    IdOfOtherDomain,
    /// The anchor takes no second value.
    IdConstant,
    /// The anchor value is not a wrapped identifier.
    ValueUnreadable,
    /// The anchor value is of a type that this anchor does not take.
    ValueOfOtherType,
    /// The time in the anchor value is not 13 decimal digits.
    #[serde(rename = "time-not-13-digits")]
    TimeNot13Digits,
    /// The node holds versions of the anchor.
    AnchorExists,
    /// The node holds no version of the anchor.
    AnchorAbsent,
    /// The owner signed the value on top of what the node holds.
    SignedOnHead,
    /// The owner did not sign the value on top of what the node holds.
    NotSignedOnHead,
    /// The recorded server held other versions of the anchor than the node.
    HistoryDiffers,
}

impl Fact {
    /// Whether it holds for this request in this state.
    pub(crate) fn holds(self, exchange: &Exchange, call: &Call, world: &World) -> Result<bool> {
        Ok(match self {
            Self::DomainUnknown => !call.domain.is_empty() && !world.serves(&call.domain),
            Self::BodyOverLimit => exchange
                .body()?
                .is_some_and(|it| it.len() > BRICK_BYTES_MAX),
            Self::BodyNotJson => {
                let body = exchange.body()?.unwrap_or_default();
                serde_json::from_slice::<serde_json::Value>(&body).is_err()
            }
            Self::RangeAsked => {
                let brick = world.brick(&call.domain, &call.subject);
                brick.is_some_and(|it| exchange.range(it.len()).is_some())
            }
            Self::NotABrickName
            | Self::DotSegment
            | Self::BrickAbsent
            | Self::BrickStored
            | Self::NoHashes
            | Self::SomeBrickAbsent
            | Self::SomeBrickNotText => self.holds_for_bricks(call, world),
            _ => self.holds_for_anchor(call, world),
        })
    }

    fn holds_for_bricks(self, call: &Call, world: &World) -> bool {
        let brick = |name: &String| world.brick(&call.domain, name);
        let asks_for_one = matches!(call.route, Route::GetBrick | Route::BrickExists);
        match self {
            Self::NotABrickName => asks_for_one && !is_brick_name(&call.subject),
            Self::DotSegment => matches!(call.subject.as_str(), "." | ".."),
            Self::BrickAbsent => asks_for_one && brick(&call.subject).is_none(),
            Self::BrickStored => asks_for_one && brick(&call.subject).is_some(),
            Self::NoHashes => call.hashes.is_empty(),
            Self::SomeBrickAbsent => call.hashes.iter().any(|it| brick(it).is_none()),
            Self::SomeBrickNotText => {
                let mut bricks = call.hashes.iter().filter_map(brick);
                bricks.any(|it| std::str::from_utf8(it).is_err())
            }
            _ => false,
        }
    }

    fn holds_for_anchor(self, call: &Call, world: &World) -> bool {
        let has_id = matches!(
            call.route,
            Route::CreateAnchor
                | Route::AppendAnchor
                | Route::ValuelessAnchor
                | Route::AllVersions
                | Route::LastVersion
        );
        if !has_id {
            return false;
        }
        let id = Ssi::unwrap(&call.subject);
        let value = Ssi::unwrap(&call.value);
        let history = world.history(&call.domain, &call.subject);
        let signed = || match (&id, &value) {
            (Some(id), Some(value)) => id.signed(&history.ours, value),
            _ => false,
        };
        match self {
            Self::IdNotCanonical => !id.is_some_and(|it| it.is_anchor_id()),
            Self::IdOfOtherDomain => id.is_some_and(|it| it.domain != call.domain),
            Self::IdConstant => id.is_some_and(|it| it.is_constant()),
            Self::ValueUnreadable => value.is_none(),
            Self::ValueOfOtherType => match (&id, &value) {
                (Some(id), Some(value)) => !id.takes(value),
                _ => false,
            },
            Self::TimeNot13Digits => {
                value.is_some_and(|it| it.time().is_some_and(is_odd_creation_time))
            }
            Self::AnchorExists => !history.ours.is_empty(),
            Self::AnchorAbsent => history.ours.is_empty(),
            Self::SignedOnHead => signed(),
            Self::NotSignedOnHead => !signed(),
            Self::HistoryDiffers => history.ours != history.recorded,
            _ => false,
        }
    }
}

fn is_brick_name(text: &str) -> bool {
    bs58::decode(text).into_vec().is_ok_and(|it| it.len() == 32)
}
