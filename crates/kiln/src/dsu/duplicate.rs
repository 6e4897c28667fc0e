//! `kiln dsu clone`: a new DSU with the same content.

use clap::Args;
use client::dsus::{Draft, Snapshot};
use keyssi::{Domain, KeySsi};
use serde_json::json;

use super::arguments::AtOption;
use super::create::new_key;
use crate::common::Common;
use crate::context::{self, key, now};
use crate::exit::{Exit, Failure, Outcome};
use crate::key_output::KeyOutput;
use crate::secret_input::KEY_FORMS;

pub(super) const HELP: &str = "\
Examples:
  kiln dsu clone @record --save copy
  kiln dsu clone @record --at 3 --save older   the content of version 3

The new DSU has a key and a history of its own and shares the bricks, which are not sent again.
What is mounted in the DSU is mounted in the new one too.";

/// Options of `kiln dsu clone`.
#[derive(Args)]
pub(crate) struct CloneArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    #[command(flatten)]
    at: AtOption,
    /// The domain that the new DSU belongs to [default: that of the old one]
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<Domain>,
    #[command(flatten)]
    output: KeyOutput,
}

pub(super) fn run(args: &CloneArgs, common: &Common) -> Outcome {
    args.output.check(common)?;
    let old = key(&args.key, common)?;
    let domain = args.domain.as_ref().map_or(old.domain(), Domain::as_str);
    let ssi = KeySsi::seed(domain, &new_key()?).map_err(|error| {
        Failure::new(Exit::Usage, "no key can be made")
            .because(error)
            .next("choose another domain with --domain")
    })?;
    let ssi = ssi.with_hint(old.hint().cloned());
    args.output.unlock(common)?;
    context::run(common, async |context| {
        let snapshot = Snapshot::open(&context.client, &old, args.at.version()).await?;
        args.output.keep(&ssi, common)?;
        let mut draft = Draft::create(&context.client, &ssi, now()).await?;
        draft.take_over(&snapshot, now())?;
        draft.commit(now()).await?;
        let of = snapshot.version();
        context
            .output()
            .say(&format!("made a DSU with the content of version {of}"));
        args.output
            .tell(&ssi, common, false, &[("of_version", json!(of))])
    })
}
