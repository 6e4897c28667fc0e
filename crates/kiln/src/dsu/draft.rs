//! Changes to a DSU from the command line: opened, made, anchored, told.

use client::dsus::{At, Committed, Draft, DsuError, Listing, Snapshot};
use dsu::DsuPath;
use keyssi::{KeySsi, SsiKind};
use serde_json::{Map, Value, json};

use crate::context::{Context, now};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form};

/// Changes to one DSU.
pub(crate) struct Changes {
    pub(crate) draft: Draft,
    /// What is changed; none for a new DSU.
    snapshot: Option<Snapshot>,
    /// Where the DSU that is changed is mounted, seen from the key that was given.
    point: DsuPath,
}

impl Changes {
    /// Changes to the newest version of the DSU that `key` opens. A constant DSU cannot change, but
    /// one mounted in it can: then that one is changed, in which `path` lies.
    ///
    /// # Errors
    /// Those of opening, and if the key cannot change it.
    pub(crate) async fn open(
        context: &Context<'_>,
        key: &KeySsi,
        path: &DsuPath,
    ) -> Result<Self, Failure> {
        let snapshot = Snapshot::open(&context.client, key, At::Latest).await?;
        if !is_constant(key.kind()) {
            return Ok(Self {
                draft: Draft::edit(&snapshot)?,
                snapshot: Some(snapshot),
                point: DsuPath::root(),
            });
        }
        let found = snapshot.locate(path).await?;
        if found.point.is_root() {
            return Err(constant(&snapshot));
        }
        Ok(Self {
            draft: Draft::edit(&found.snapshot)?,
            snapshot: Some(found.snapshot),
            point: found.point,
        })
    }

    /// Changes to a draft that is there already.
    pub(crate) fn of(draft: Draft) -> Self {
        Self {
            draft,
            snapshot: None,
            point: DsuPath::root(),
        }
    }

    /// Changes to the DSU in which something is mounted at `path`.
    ///
    /// # Errors
    /// As [`Changes::open`].
    pub(crate) async fn open_holder(
        context: &Context<'_>,
        key: &KeySsi,
        path: &DsuPath,
    ) -> Result<Self, Failure> {
        // The mount point itself leads into the mounted DSU, which may not even open.
        let parent = path.parent().unwrap_or_else(DsuPath::root);
        Self::open(context, key, &parent).await
    }

    /// What stands at a path of the DSU that is changed, before the changes.
    ///
    /// # Errors
    /// [`Exit::NotFound`] if nothing does.
    pub(crate) async fn stat(&self, inner: &DsuPath) -> Result<Listing, Failure> {
        match &self.snapshot {
            Some(snapshot) => Ok(snapshot.stat(inner).await?),
            None => Err(DsuError::NotFound(inner.clone()).into()),
        }
    }

    /// A path as the DSU that is changed has it.
    ///
    /// # Errors
    /// [`Exit::Usage`] if it lies in another one.
    pub(crate) fn inner(&self, path: &DsuPath) -> Result<DsuPath, Failure> {
        path.strip(&self.point).ok_or_else(|| {
            let message = format!("{path} lies outside of {}, which is changed", self.point);
            Failure::new(Exit::Usage, message).next("change the two in two commands")
        })
    }

    /// Anchors the changes and tells of the new versions. `facts` are for people, `members` for
    /// JSON.
    ///
    /// # Errors
    /// Those of the client.
    pub(crate) async fn commit(
        self,
        context: &Context<'_>,
        facts: &str,
        mut members: Map<String, Value>,
    ) -> Outcome {
        let committed = self.draft.commit(now()).await?;
        context.progress.end();
        let output = context.output();
        if !facts.is_empty() {
            output.say(facts);
        }
        if committed.is_empty() {
            output.say("nothing changed; there is no new version");
        }
        match output.form {
            Form::Json => {
                let versions = committed
                    .iter()
                    .map(|it| version(it, &self.point))
                    .collect();
                members.insert("versions".to_owned(), Value::Array(versions));
                output::json(&Value::Object(members))?;
            }
            Form::Text => {
                for it in &committed {
                    output::foreign_line(&match it.point.under(&self.point) {
                        point if point.is_root() => format!("version {}", it.version),
                        point => format!("version {} of the DSU mounted at {point}", it.version),
                    })?;
                }
            }
        }
        Ok(Exit::Done)
    }
}

/// Whether a DSU of this type of key never changes.
pub(crate) fn is_constant(kind: SsiKind) -> bool {
    matches!(kind, SsiKind::Const | SsiKind::Array | SsiKind::Wallet)
}

/// What to say of a constant DSU that was to be changed.
fn constant(snapshot: &Snapshot) -> Failure {
    let failure = Failure::from(DsuError::Constant);
    match snapshot.manifest().mounts().first() {
        Some(mount) => failure.next(format!(
            "write to the DSU mounted in it: its paths begin with {}/",
            mount.point()
        )),
        None => failure,
    }
}

fn version(committed: &Committed, point: &DsuPath) -> Value {
    json!({
        "mounted_at": committed.point.under(point).as_str(),
        "anchor_id": committed.id.as_str(),
        "version": committed.version,
        "brick_map": committed.brick_map.to_string(),
    })
}
