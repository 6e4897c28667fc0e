//! The table of stated deviations: where the node is meant to answer otherwise
//! than the recorded server did, and what it is meant to answer.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use testkit::http::Reply;

use crate::call::{Call, Route};
use crate::exchange::Exchange;
use crate::fact::Fact;
use crate::oracle::write_status;
use crate::world::{World, domain_of, many_writes};
use crate::write::Write;

/// Stands in a JSON pattern for any text that is not empty.
const ANY_TEXT: &str = "<text>";

/// The reasons for which a request that the recorded server granted may be
/// answered otherwise.
const DEFECT_KINDS: [&str; 7] = [
    "absent bricks answered 200",
    "traversal",
    "damaged multi-downloads",
    "ids or values now refused",
    "bodies over the limit",
    "CORS credentials",
    "ranges ignored",
];

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// Headers that the node does not send.
    pub(crate) headers: Vec<HeaderRule>,
    /// Answers that differ; the first row that matches an exchange decides.
    pub(crate) answers: Vec<AnswerRule>,
}

/// What every row says about itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Reason {
    /// A short name.
    pub(crate) id: String,
    /// The section of the specification that states it.
    source: String,
    /// Why the node differs.
    why: String,
    /// Whether the recorded behaviour is a defect.
    #[serde(default)]
    defect: bool,
    /// Which defect; one of [`DEFECT_KINDS`].
    defect_kind: Option<String>,
    /// The exchanges of the checked-in set that the row covers.
    pub(crate) occurs: Vec<u32>,
}

/// A header that the recorded server sent and the node does not.
#[derive(Debug, Deserialize)]
pub(crate) struct HeaderRule {
    /// What the row says about itself.
    #[serde(flatten)]
    pub(crate) reason: Reason,
    /// The header's name in lower case.
    pub(crate) absent: String,
}

/// An answer that differs from the recorded one.
#[derive(Debug, Deserialize)]
pub(crate) struct AnswerRule {
    /// What the row says about itself.
    #[serde(flatten)]
    pub(crate) reason: Reason,
    when: When,
    expect: Expect,
}

/// The exchanges that a row covers; what is left out does not matter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    route: Vec<Route>,
    method: Vec<String>,
    /// 0 stands for no answer at all.
    recorded_status: Vec<u16>,
    recorded_body: Option<Pattern>,
    #[serde(default)]
    facts: Vec<Fact>,
}

/// The answer that a row demands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
enum Expect {
    /// A fixed answer.
    #[serde(rename = "answer")]
    Answer {
        status: u16,
        body: Pattern,
        /// `null`: there must be none.
        content_type: Option<String>,
    },
    /// What the node's own versions of the anchor demand.
    #[serde(rename = "by-own-history")]
    ByOwnHistory,
}

/// A body, or a pattern for one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Pattern {
    /// No bytes.
    Empty,
    /// These characters.
    Text(String),
    /// This JSON; a string `<text>` stands for any text that is not empty.
    Json(Value),
    /// The recorded JSON.
    Recorded,
    /// The part of the brick in the path that the request asks for.
    BrickRange,
}

impl Table {
    /// Reads the table and checks that each row says what it must.
    pub(crate) fn load() -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deviations/transcripts.json");
        let table: Self = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        let answers = table.answers.iter().map(|it| &it.reason);
        let reasons: Vec<&Reason> = table
            .headers
            .iter()
            .map(|it| &it.reason)
            .chain(answers)
            .collect();
        for reason in &reasons {
            let Reason {
                id, source, why, ..
            } = reason;
            ensure!(
                !source.is_empty() && !why.is_empty(),
                "{id} gives no reason"
            );
            ensure!(
                reasons.iter().filter(|it| it.id == *id).count() == 1,
                "{id} stands twice"
            );
            let kind = reason.defect_kind.as_deref();
            let known = kind.is_none_or(|it| DEFECT_KINDS.contains(&it));
            ensure!(
                known && reason.defect == kind.is_some(),
                "{id}: defect kind {kind:?}"
            );
        }
        Ok(table)
    }

    /// The first row that covers an exchange in this state.
    pub(crate) fn rule_for(
        &self,
        exchange: &Exchange,
        call: &Call,
        world: &World,
    ) -> Result<Option<&AnswerRule>> {
        for rule in &self.answers {
            if rule.when.matches(exchange, call, world)? {
                return Ok(Some(rule));
            }
        }
        Ok(None)
    }
}

impl Reason {
    /// Whether the row may cover an exchange with this recorded status.
    pub(crate) fn may_cover(&self, recorded_status: u16) -> bool {
        self.defect || !(200..300).contains(&recorded_status)
    }
}

impl When {
    fn matches(&self, exchange: &Exchange, call: &Call, world: &World) -> Result<bool> {
        let recorded = &exchange.response;
        let applies = self.route.contains(&call.route)
            && self.method.contains(&exchange.request.method)
            && self.recorded_status.contains(&recorded.status);
        if !applies {
            return Ok(false);
        }
        if let Some(pattern) = &self.recorded_body
            && pattern
                .mismatch(&recorded.body()?, exchange, call, world)?
                .is_some()
        {
            return Ok(false);
        }
        for fact in &self.facts {
            if !fact.holds(exchange, call, world)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl AnswerRule {
    /// What is wrong with a reply to an exchange that this row covers.
    pub(crate) fn problems(
        &self,
        exchange: &Exchange,
        call: &Call,
        world: &World,
        reply: &Reply,
    ) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        let (status, body, content_type) = match &self.expect {
            Expect::Answer {
                status,
                body,
                content_type,
            } => (*status, body, content_type.as_deref()),
            Expect::ByOwnHistory => match own_history_status(exchange, call, world)? {
                201 => (201, &Pattern::Empty, None),
                status => (
                    status,
                    &Pattern::Json(serde_json::json!({ "message": ANY_TEXT })),
                    None,
                ),
            },
        };
        if reply.status != status {
            problems.push(format!("status {} instead of {status}", reply.status));
        }
        let sent = reply.header("content-type");
        if sent != content_type {
            problems.push(format!("content type {sent:?} instead of {content_type:?}"));
        }
        if exchange.request.method != "HEAD" {
            problems.extend(body.mismatch(&reply.body, exchange, call, world)?);
        }
        Ok(problems)
    }
}

/// What the rules of anchoring (keyssi §6.4 and §6.5) demand of a write, given
/// the versions that the node holds.
fn own_history_status(exchange: &Exchange, call: &Call, world: &World) -> Result<u16> {
    if !matches!(call.route, Route::ManyAnchors | Route::ManyAnchorsAnywhere) {
        let history = world.history(&call.domain, &call.subject).ours;
        let write = if call.route == Route::CreateAnchor {
            Write::Create
        } else {
            Write::Append
        };
        return Ok(write_status(write, &call.subject, &call.value, &history));
    }
    let mut histories: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, value) in many_writes(exchange)? {
        let stored = || world.history(&domain_of(call, &id), &id).ours;
        let history = histories.entry(id.clone()).or_insert_with(stored);
        let write = Write::after(history.len());
        match write_status(write, &id, &value, history) {
            201 => history.push(value),
            refused => return Ok(refused),
        }
    }
    Ok(201)
}

impl Pattern {
    /// How a body differs from the pattern; `None` when it does not.
    fn mismatch(
        &self,
        body: &[u8],
        exchange: &Exchange,
        call: &Call,
        world: &World,
    ) -> Result<Option<String>> {
        let matches = match self {
            Self::Empty => body.is_empty(),
            Self::Text(text) => body == text.as_bytes(),
            Self::Json(pattern) => {
                serde_json::from_slice(body).is_ok_and(|it| matches_json(pattern, &it))
            }
            Self::Recorded => {
                let due = serde_json::from_slice::<Value>(&exchange.response.body()?);
                let sent = serde_json::from_slice::<Value>(body);
                matches!((due, sent), (Ok(due), Ok(sent)) if due == sent)
            }
            Self::BrickRange => {
                let brick = world.brick(&call.domain, &call.subject).unwrap_or_default();
                let range = exchange.range(brick.len());
                range.and_then(|it| brick.get(it)) == Some(body)
            }
        };
        let shown = || {
            String::from_utf8_lossy(body)
                .chars()
                .take(200)
                .collect::<String>()
        };
        Ok((!matches).then(|| format!("body `{}` instead of {self:?}", shown())))
    }
}

fn matches_json(pattern: &Value, value: &Value) -> bool {
    match (pattern, value) {
        (Value::String(any), Value::String(text)) if any == ANY_TEXT => !text.is_empty(),
        (Value::Array(pattern), Value::Array(value)) => {
            let mut pairs = pattern.iter().zip(value);
            pattern.len() == value.len()
                && pairs.all(|(pattern, value)| matches_json(pattern, value))
        }
        (Value::Object(pattern), Value::Object(value)) => {
            let mut pairs = pattern.iter();
            let same = |(key, pattern): (&String, &Value)| {
                value.get(key).is_some_and(|it| matches_json(pattern, it))
            };
            pattern.len() == value.len() && pairs.all(same)
        }
        _ => pattern == value,
    }
}

/// The table's file name, for messages.
pub(crate) fn table_name() -> Result<String> {
    let path = Path::new("deviations").join("transcripts.json");
    Ok(path.to_str().context("not text")?.to_owned())
}

#[test]
fn the_table_is_in_order() -> Result<()> {
    let table = Table::load()?;
    ensure!(!table.answers.is_empty(), "{} is empty", table_name()?);
    Ok(())
}

#[test]
fn json_patterns_tell_bodies_apart() {
    let check = |pattern: &str, value: &str| {
        matches_json(
            &serde_json::from_str(pattern).unwrap(),
            &serde_json::from_str(value).unwrap(),
        )
    };
    assert!(check(r#"{"message":"<text>"}"#, r#"{"message":"why"}"#));
    assert!(!check(r#"{"message":"<text>"}"#, r#"{"message":""}"#));
    assert!(!check(
        r#"{"message":"<text>"}"#,
        r#"{"message":"why","more":1}"#
    ));
    assert!(!check(r#"{"message":"<text>"}"#, "{}"));
    assert!(check(r#"["a","<text>"]"#, r#"["a","b"]"#));
    assert!(!check(r#"["a"]"#, r#"["a","b"]"#));
}
