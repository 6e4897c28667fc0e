//! `kiln dsu diff`: two DSUs, two versions of one, or one on two nodes.

use clap::Args;
use client::dsus::{At, Difference, Snapshot, compare};
use serde_json::{Value, json};
use url::Url;

use super::arguments::{AtOption, parse_at, refuse_two_from_stdin};
use crate::common::Common;
use crate::context::{self, key};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form, count};
use crate::secret_input::KEY_FORMS;

pub(super) const HELP: &str = "\
Examples:
  kiln dsu diff @one @two
  kiln dsu diff @record --at 3                 what changed from version 3 to the newest
  kiln dsu diff @record --at 3 --to 5
  kiln dsu diff @record --other-node http://127.0.0.1:9090

Prints + for what only the second has, - for what only the first has, ~ for a file that differs,
! for a file on one side and a folder on the other. Exit codes: 0 identical, 1 different.";

/// Options of `kiln dsu diff`.
#[derive(Args)]
pub(crate) struct DiffArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The key of the second DSU [default: the same]
    #[arg(value_name = "OTHER")]
    other: Option<String>,
    #[command(flatten)]
    at: AtOption,
    /// The version of the second one, as for --at
    #[arg(long, value_name = "VERSION|TIME", value_parser = parse_at)]
    to: Option<At>,
    /// The node of the second one
    #[arg(long, value_name = "URL")]
    other_node: Option<Url>,
}

pub(super) fn run(args: &DiffArgs, common: &Common) -> Outcome {
    refuse_two_from_stdin(
        [Some(args.key.as_str()), args.other.as_deref()]
            .into_iter()
            .flatten(),
    )?;
    let (at, to) = (args.at.version(), args.to.unwrap_or_default());
    if args.other.is_none() && args.other_node.is_none() && at == to {
        return Err(Failure::new(Exit::Usage, "a DSU is compared with itself")
            .next("name another KEY, two versions with --at and --to, or --other-node"));
    }
    let one = key(&args.key, common)?;
    let other = match &args.other {
        Some(given) => key(given, common)?,
        None => one.clone(),
    };
    context::run(common, async |context| {
        let client = match &args.other_node {
            Some(node) => context.client_of(node)?,
            None => context.client.clone(),
        };
        let one = Snapshot::open(&context.client, &one, at).await?;
        let other = Snapshot::open(&client, &other, to).await?;
        context.progress.begin("comparing", None);
        let differences = compare(&one, &other).await?;
        context.progress.end();
        let is_identical = differences.is_empty();
        if context.output().form == Form::Json {
            let listed: Vec<Value> = differences.iter().map(to_json).collect();
            output::json(&json!({ "identical": is_identical, "differences": listed }))?;
        } else {
            for difference in &differences {
                output::foreign_line(&format!("{} {}", sign(difference), difference.path()))?;
            }
        }
        context.output().say(&match differences.len() {
            0 => "identical".to_owned(),
            number => count(number as u64, "difference"),
        });
        Ok(if is_identical {
            Exit::Done
        } else {
            Exit::Negative
        })
    })
}

fn to_json(difference: &Difference) -> Value {
    json!({ "path": difference.path().as_str(), "change": word(difference) })
}

const fn word(difference: &Difference) -> &'static str {
    match difference {
        Difference::Added(_) => "added",
        Difference::Removed(_) => "removed",
        Difference::Changed(_) => "changed",
        _ => "kind-changed",
    }
}

const fn sign(difference: &Difference) -> char {
    match difference {
        Difference::Added(_) => '+',
        Difference::Removed(_) => '-',
        Difference::Changed(_) => '~',
        _ => '!',
    }
}
