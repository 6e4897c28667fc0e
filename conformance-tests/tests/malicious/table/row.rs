//! One row: the lie, what the client does, what must come of it.

use std::time::Duration;

use client::dsus::{DsuError, verify};
use client::{BatchUse, ClientError};
use futures_util::StreamExt as _;
use keyssi::BrickHash;
use tempfile::TempDir;
use testkit::liar::{Liar, Lie, Route, Rule};
use tokio::time::timeout;

use crate::shape::{of_client, shape, text};
use crate::stage::{Habits, IMPATIENCE, Record, Stage, Watched, bricks_of, domain};

/// No row takes longer, whatever the node does.
const HANGS: Duration = Duration::from_mins(1);

/// What the client does while it is lied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Reads all of the newest version, for the first time: `read 2`.
    Read,
    /// The same without the batch routes.
    ReadSingly,
    /// Reads it honestly, then a second time with the same memory of heads.
    ReadAgain,
    /// As `Read` and `ReadAgain`, of a constant DSU.
    ReadConstant,
    ReadConstantAgain,
    /// Fetches the bricks of a file: `fetched 5`.
    Fetch,
    /// Walks all versions: `3 versions`, and the faults.
    Verify,
    /// Writes a version 1 with a file of three bricks: `committed 1`.
    Edit,
    /// The same without the batch routes.
    EditSingly,
    /// Makes a DSU with such a file: `committed 0`.
    Make,
}

/// A row of the table.
pub(super) struct Row {
    pub(super) lie: Lie,
    route: Route,
    about: String,
    times: Option<usize>,
    also: Option<(Route, Lie)>,
    act: Act,
    expected: &'static str,
    event: &'static str,
    then: &'static str,
}

impl Row {
    /// What comes of an act while this is lied about these requests.
    pub(super) fn new(act: Act, route: Route, lie: Lie, expected: &'static str) -> Self {
        Self {
            lie,
            route,
            about: String::new(),
            times: None,
            also: None,
            act,
            expected,
            event: "",
            then: "",
        }
    }

    /// The lie is told of this brick alone.
    pub(super) fn about(mut self, hash: &BrickHash) -> Self {
        self.about = hash.to_string();
        self
    }

    /// The lie is told so often.
    pub(super) fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// A second lie goes with it.
    pub(super) fn also(mut self, route: Route, lie: Lie) -> Self {
        self.also = Some((route, lie));
        self
    }

    /// The node is reported with these words.
    pub(super) fn event(mut self, words: &'static str) -> Self {
        self.event = words;
        self
    }

    /// What reading gives afterwards, with the same memory and an honest node.
    pub(super) fn then(mut self, expected: &'static str) -> Self {
        self.then = expected;
        self
    }

    fn habits(&self) -> Habits {
        let slow = self.expected.contains("TooSlow") || self.event.contains("too slow");
        let single = matches!(self.act, Act::ReadSingly | Act::EditSingly);
        let mut habits = Habits::default();
        if slow {
            habits.idle = IMPATIENCE;
        }
        if single {
            habits.batch = BatchUse::Never;
        }
        habits
    }

    fn lie_to(&self, liar: &Liar) {
        let mut rule = Rule::new(self.route, self.lie.clone()).about(&self.about);
        if let Some(times) = self.times {
            rule = rule.times(times);
        }
        liar.tell(rule);
        if let Some((route, lie)) = &self.also {
            liar.tell(Rule::new(*route, lie.clone()));
        }
    }
}

/// Plays a row; says what went otherwise.
pub(super) async fn check(stage: &Stage, row: Row) -> Result<(), String> {
    let liar = Liar::before(stage.node.address()).unwrap();
    let name = format!(
        "{:?} while {:?} is told {} ({:?})",
        row.act,
        row.route,
        super::kind(&row.lie),
        brief(&row.lie),
    );
    match timeout(HANGS, play(stage, &row, &liar)).await {
        Err(_) => Err(format!("{name}: it hangs")),
        Ok(Err(what)) => Err(format!("{name}: {what}")),
        Ok(Ok(())) if liar.told().is_empty() => Err(format!("{name}: it was not told")),
        Ok(Ok(())) => Ok(()),
    }
}

async fn play(stage: &Stage, row: &Row, liar: &Liar) -> Result<(), String> {
    let heads = tempfile::tempdir().unwrap();
    let watched = Watched::new(&liar.url(), Some(heads.path()), row.habits());
    let (record, outcome) = act(stage, row, liar, &watched, &heads).await;
    let found = match &outcome {
        Ok(text) => text.clone(),
        Err(error) => shape(error),
    };
    if found != row.expected {
        let text = outcome.as_ref().err().map(|error| text(error));
        return Err(format!("{found} in place of {} ({text:?})", row.expected));
    }
    if let Err(error) = &outcome {
        names_the_node(error, &liar.url())?;
    }
    let bad = watched.bad_nodes();
    if !bad.iter().any(|it| it.contains(row.event)) && !row.event.is_empty() {
        return Err(format!("{:?} is not among the reports {bad:?}", row.event));
    }
    if row.then.is_empty() {
        return Ok(());
    }
    liar.be_honest();
    let later = Watched::new(&liar.url(), Some(heads.path()), Habits::default());
    let found = said(record.read(&later.client).await);
    let found = found.unwrap_or_else(|error| shape(&error));
    if found == row.then {
        Ok(())
    } else {
        Err(format!("afterwards {found} in place of {}", row.then))
    }
}

async fn act(
    stage: &Stage,
    row: &Row,
    liar: &Liar,
    watched: &Watched,
    heads: &TempDir,
) -> (Record, Result<String, DsuError>) {
    let client = &watched.client;
    let mut record = match row.act {
        Act::ReadConstant | Act::ReadConstantAgain => stage.constant.clone(),
        Act::Edit | Act::EditSingly => stage.fresh().await,
        Act::Make => stage.unmade(),
        _ => stage.record.clone(),
    };
    if matches!(row.act, Act::ReadAgain | Act::ReadConstantAgain) {
        let before = Watched::new(&liar.url(), Some(heads.path()), Habits::default());
        record.read(&before.client).await.unwrap();
    }
    let outcome = match row.act {
        Act::Edit | Act::EditSingly | Act::Make => {
            let draft = record.draft(client).await.unwrap();
            row.lie_to(liar);
            let file = [(
                "/new",
                (0..10_000_u32).map(|it| it.to_be_bytes()[3]).collect(),
            )];
            let committed = record.commit(draft, &file, &[]).await;
            committed.map(|version| format!("committed {version}"))
        }
        Act::Fetch => {
            let truth = stage.truth(&record).await;
            let hashes = bricks_of(&truth, "/large").await;
            row.lie_to(liar);
            fetch(watched, hashes).await.map_err(DsuError::Node)
        }
        Act::Verify => {
            row.lie_to(liar);
            verify(client, &record.reader()).await.map(|verified| {
                let faults = verified.faults.iter().map(|fault| shape(&fault.error));
                let mut said = vec![format!("{} versions", verified.versions)];
                said.extend(faults);
                said.join("; ")
            })
        }
        _ => {
            row.lie_to(liar);
            said(record.read(client).await)
        }
    };
    (record, outcome)
}

/// Fetches to the end of the stream, which waits for the end of every archive.
async fn fetch(watched: &Watched, hashes: Vec<BrickHash>) -> Result<String, ClientError> {
    let bricks = watched.client.bricks();
    let mut stream = bricks.fetch_many(&domain(), hashes);
    let mut count = 0;
    while let Some((hash, bytes)) = stream.next().await {
        assert_eq!(BrickHash::of(&bytes?), hash, "wrong bytes");
        count += 1;
    }
    Ok(format!("fetched {count}"))
}

fn said(read: Result<usize, DsuError>) -> Result<String, DsuError> {
    read.map(|version| format!("read {version}"))
}

/// Whoever reads the error learns which node it was.
fn names_the_node(error: &DsuError, url: &str) -> Result<(), String> {
    let client_error = match error {
        DsuError::Node(error) => error,
        DsuError::FetchMap { source, .. } | DsuError::FetchBrick { source, .. } => source,
        _ => return Ok(()),
    };
    // A missing brick is named with its domain, an anchor that is refused with the reason.
    if matches!(
        client_error,
        ClientError::MissingBrick { .. } | ClientError::Anchor(_)
    ) {
        return Ok(());
    }
    let text = text(error);
    if text.contains(url) {
        Ok(())
    } else {
        Err(format!(
            "{text:?} ({}) does not name the node",
            of_client(client_error)
        ))
    }
}

fn brief(lie: &Lie) -> String {
    format!("{lie:?}").chars().take(60).collect()
}
