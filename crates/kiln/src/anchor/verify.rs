//! `kiln anchor verify`: what a proof proves, from the file and from what the user says.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use translog::{PROOF_FILE_BYTES_MAX, ProofFile};

use super::anchor_id;
use super::chain::{self, ChainOptions, OnChainEvidence, Place};
use super::evidence::{Evidence, Expected, judge};
use super::report;
use super::trust::{self, Trust, TrustOptions};
use crate::common::Common;
use crate::context;
use crate::dsu::arguments::refuse_two_from_stdin;
use crate::exit::{Exit, Failure, Outcome};
use crate::local_file::read_bounded;
use crate::output::{self, Form};
use crate::secret_input::KEY_FORMS;

pub(super) const HELP: &str = "\
Examples:
  kiln anchor verify record.tlog-proof --policy trust.txt --max-age 3600
  kiln anchor verify record.tlog-proof --log anchors.example/default+2b1a01bb+AU0M… --anchor @record
  kiln anchor show @record --json >history.json
  kiln anchor verify record.tlog-proof --policy trust.txt --history history.json
  kiln anchor verify record.tlog-proof --policy trust.txt --rpc https://chain.example/ --contract 0x…

Without --rpc nothing is asked of any network. Checked are: the signatures of the checkpoint under
the keys that you name, that the entry is in its tree, that the entry commits to the anchor id and
the value, and the value's own signature as far as the proof alone can tell: that of a first version.
A later one is signed over the version before it: give the whole history to check it.

With --rpc the chain is read: which one it is, that the contract has the code of our AnchorRegistry, and
that the transaction published the root of this checkpoint under SHA-256 of the log's name. What the
proof says of the chain only says where to look. The contract must be named by you, or by the policy in
a comment line `# contract CHAIN-ID ADDRESS`; else it is the proof's own claim, and that is said.

The output says what is proven and what is not. Exit codes: 0 proven, 1 not proven, 2 nobody is named
to be trusted, 3 a file cannot be read, 4 the RPC cannot be reached, 10 the owner of the anchor did not
sign the value.";

/// The longest history that is read.
const HISTORY_BYTES_MAX: u64 = 64 << 20;

/// Options of `kiln anchor verify`.
#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// The proof (`kiln anchor prove`), - for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    trust: TrustOptions,
    #[arg(long, value_name = "KEY", help = format!("The anchor that the proof must be about. {KEY_FORMS}"))]
    anchor: Option<String>,
    /// All values of the anchor, to check the signatures of all: what `kiln anchor show --json` prints,
    /// a JSON list of values, or one value a line
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Refuse a proof whose newest cosignature is older
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u64>,
    #[command(flatten)]
    chain: ChainOptions,
}

/// What was found, and what the chain says if it was asked.
type Found = (Evidence, Option<OnChainEvidence>);

pub(super) fn run(args: &VerifyArgs, common: &Common) -> Outcome {
    let files = [
        Some(&args.file),
        args.trust.policy.as_ref(),
        args.history.as_ref(),
    ];
    let files = files.into_iter().flatten().filter_map(|path| path.to_str());
    refuse_two_from_stdin(files.chain(args.anchor.as_deref()))?;
    let trust = trust::of(&args.trust)?;
    let place = args.chain.place()?;
    let anchor = args.anchor.as_deref();
    let expected = Expected {
        anchor: anchor.map(|key| anchor_id(key, common)).transpose()?,
        history: args.history.as_deref().map(read_history).transpose()?,
        max_age_s: args.max_age,
        now_s: context::now().millis() / 1000,
    };
    let judged = read_proof(&args.file).and_then(|file| judge(&file, &trust.policy, &expected));
    let found = match (judged, place) {
        (Ok(evidence), Some(place)) => with_chain(evidence, &place, &trust, common),
        (judged, _) => judged.map(|evidence| (evidence, None)),
    };
    tell(&found, common)?;
    found.map(|_| Exit::Done)
}

/// Asks the chain, the one thing here that needs a network.
fn with_chain(
    evidence: Evidence,
    place: &Place,
    trust: &Trust,
    common: &Common,
) -> Result<Found, Failure> {
    let mut seen = None;
    context::run(common, async |_| {
        seen = Some(chain::look(place, &evidence, &trust.contracts).await?);
        Ok(Exit::Done)
    })?;
    Ok((evidence, seen))
}

/// Prints what was found; a failure is told by whoever gets it, except in JSON.
fn tell(found: &Result<Found, Failure>, common: &Common) -> Result<(), Failure> {
    match (common.output().form, found) {
        (Form::Text, Ok((evidence, chain))) => report::print(evidence, chain.as_ref()),
        (Form::Json, Ok((evidence, chain))) => {
            output::json(&report::json(evidence, chain.as_ref()))
        }
        (Form::Json, Err(failure)) if matches!(failure.exit(), Exit::Negative | Exit::Forged) => {
            output::json(&json!({ "proven": false, "because": failure.words() }))
        }
        (_, Err(_)) => Ok(()),
    }
}

/// Reads a proof. What is none is not proven, like an altered one: it may be just that.
fn read_proof(path: &Path) -> Result<ProofFile, Failure> {
    let refused = || {
        Failure::new(Exit::Negative, format!("{} is no proof", path.display()))
            .next("give a file that `kiln anchor prove` wrote; this one is another, or was altered")
    };
    let bytes = read_bounded(path, PROOF_FILE_BYTES_MAX as u64);
    let bytes = bytes.map_err(|failure| match failure.exit() {
        Exit::Usage => refused().because(format!("it has more than {PROOF_FILE_BYTES_MAX} bytes")),
        _ => failure,
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|error| refused().because(error))?;
    ProofFile::parse(text).map_err(|error| refused().because(error))
}

fn read_history(path: &Path) -> Result<Vec<String>, Failure> {
    let bytes = read_bounded(path, HISTORY_BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes).ok();
    text.and_then(values).ok_or_else(|| {
        let message = format!("{} holds no history", path.display());
        Failure::new(Exit::Usage, message).next(
            "give what `kiln anchor show --json` printed, a JSON list of values, or one value a line",
        )
    })
}

/// The values in a file, in any of its forms.
fn values(text: &str) -> Option<Vec<String>> {
    let begin = text.trim_start();
    let values: Option<Vec<String>> = if begin.starts_with(['{', '[']) {
        let json: Value = serde_json::from_str(text).ok()?;
        let list = json.get("versions").unwrap_or(&json).as_array()?;
        let text = |it: &Value| {
            let text = it.as_str().or_else(|| it.get("value")?.as_str());
            text.map(str::to_owned)
        };
        list.iter().map(text).collect()
    } else {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        Some(lines.map(str::to_owned).collect())
    };
    values.filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_are_read_in_every_form() {
        let expected = Some(vec!["a".to_owned(), "b".to_owned()]);
        for text in [
            "a\nb\n",
            "a\r\n\r\n b",
            r#"["a","b"]"#,
            r#"{"anchor_id":"x","versions":[{"value":"a"},{"value":"b","version":1}]}"#,
            r#" [{"value":"a"},{"value":"b"}]"#,
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
        for text in ["", "\n", "[]", "{}", "[1]", r#"[{"v":"a"}]"#, "[\"a\""] {
            assert_eq!(values(text), None, "{text}");
        }
    }
}
