//! `kiln dsu create`.

use clap::Args;
use client::dsus::{At, Draft, Snapshot, create_wallet};
use keyssi::{ArrayElements, Domain, Hint, KeySsi, PrivateKey, SsiKind};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::json;
use zeroize::Zeroizing;

use super::arguments::refuse_two_from_stdin;
use super::draft::Changes;
use super::source::{Sources, Written};
use crate::common::Common;
use crate::context::{self, Context, key, now};
use crate::exit::{Exit, Failure, Outcome};
use crate::key_output::KeyOutput;
use crate::output::count;
use crate::secret_input::{KEY_FORMS, read_text};

pub(super) const HELP: &str = "\
Examples:
  kiln dsu create --save record                a new, empty DSU, its key in the keyring
  kiln dsu create report.pdf --save record     with a file
  kiln dsu create patient/. --out key.txt      with what is in a folder
  kiln dsu create --key @record                under a key that is there already
  kiln dsu create --const file:text.txt leaflet/.
  kiln dsu create --wallet env:WORDS --save wallet

Files and folders keep their names: `patient` becomes /patient, `patient/.` is its contents.
The key is kept before anything is sent. Without --save or --out it goes to stdout.";

/// Options of `kiln dsu create`.
#[derive(Args)]
pub(crate) struct CreateArgs {
    /// Files and folders to store in it
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// The domain that the DSU belongs to
    #[arg(long, value_name = "DOMAIN", default_value = "default")]
    domain: Domain,
    /// The domain that holds the bricks, if it is another one
    #[arg(long, value_name = "DOMAIN")]
    bricks_domain: Option<Domain>,
    #[arg(
        long, value_name = "KEY", help = format!("Make the DSU of this key. {KEY_FORMS}"),
        conflicts_with_all = ["domain", "bricks_domain", "constant", "array", "wallet", "out", "save", "plain", "reveal"]
    )]
    key: Option<String>,
    #[arg(
        long = "const",
        id = "constant",
        value_name = "SOURCE",
        help = "Make a constant DSU from a text: file:PATH, env:NAME, - (stdin), or the text, which warns"
    )]
    constant: Option<String>,
    /// Make a constant DSU from a JSON list of texts, given as for --const
    #[arg(long, value_name = "SOURCE", conflicts_with = "constant")]
    array: Option<String>,
    /// Make a wallet from a JSON list of texts, given as for --const; files go into its writable
    /// part
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["constant", "array"])]
    wallet: Option<String>,
    /// The key of the application that the wallet mounts at /code
    #[arg(long, value_name = "KEY", requires = "wallet")]
    app: Option<String>,
    #[command(flatten)]
    output: KeyOutput,
}

pub(super) fn run(args: &CreateArgs, common: &Common) -> Outcome {
    let texts = [
        &args.key,
        &args.constant,
        &args.array,
        &args.wallet,
        &args.app,
    ];
    let texts = texts.into_iter().flatten().chain(&args.paths);
    refuse_two_from_stdin(texts.map(String::as_str))?;
    if args.key.is_none() {
        args.output.check(common)?;
    }
    let sources = Sources::find(&args.paths, "/")?;
    let application = args.app.as_deref().map(|it| key(it, common)).transpose()?;
    let ssi = identifier(args, common)?;
    if args.key.is_none() {
        args.output.keep(&ssi, common)?;
    }
    let outcome = context::run(common, async |context| {
        let written = make(context, &ssi, application.as_ref(), &sources).await?;
        context.progress.end();
        let words = format!("{}, {} bytes", count(written.files, "file"), written.bytes);
        context.output().say(&format!("made a DSU of {words}"));
        let members = [
            ("files", json!(written.files)),
            ("bytes", json!(written.bytes)),
        ];
        args.output.tell(&ssi, common, args.key.is_some(), &members)
    });
    if outcome.is_err() && args.key.is_none() && args.output.is_kept() {
        common.output().say(
            "the key is kept; give it with --key to make the DSU, or remove it if that failed for good",
        );
    }
    outcome
}

async fn make(
    context: &Context<'_>,
    ssi: &KeySsi,
    application: Option<&KeySsi>,
    sources: &Sources,
) -> Result<Written, Failure> {
    let draft = if ssi.kind() == SsiKind::Wallet {
        let writable = create_wallet(&context.client, ssi, application, now()).await?;
        Draft::edit(&Snapshot::open(&context.client, &writable, At::Latest).await?)?
    } else {
        Draft::create(&context.client, ssi, now()).await?
    };
    let mut changes = Changes::of(draft);
    let written = sources.write(&mut changes, now(), context).await?;
    changes.draft.commit(now()).await?;
    Ok(written)
}

fn identifier(args: &CreateArgs, common: &Common) -> Result<KeySsi, Failure> {
    if let Some(given) = &args.key {
        return key(given, common);
    }
    let domain = args.domain.as_str();
    let text = |given: &str| read_text(given, "text of the key");
    let made = match (&args.constant, &args.array, &args.wallet) {
        (Some(given), ..) => KeySsi::constant(domain, &text(given)?),
        (_, Some(given), _) => KeySsi::array(domain, &elements(&text(given)?)?),
        (.., Some(given)) => KeySsi::wallet(domain, &elements(&text(given)?)?),
        _ => KeySsi::seed(domain, &new_key()?),
    };
    let made = made.map_err(|error| {
        Failure::new(Exit::Usage, "no key can be made")
            .because(error)
            .next("choose another domain or text")
    })?;
    Ok(made.with_hint(hint(args.bricks_domain.as_ref())?))
}

/// A fresh private key.
///
/// # Errors
/// [`Exit::Local`] if the system gives no random bytes.
pub(crate) fn new_key() -> Result<PrivateKey, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(|error| {
        Failure::new(Exit::Local, "the system gives no random bytes")
            .because(error)
            .next("check that this process may use getrandom(2), then run it again")
    })?;
    Ok(PrivateKey::generate(&mut ChaCha20Rng::from_seed(*seed)))
}

fn elements(text: &str) -> Result<ArrayElements, Failure> {
    ArrayElements::from_json(text).map_err(|error| {
        Failure::new(Exit::Usage, "this is no JSON list of texts")
            .because(error)
            .next("write it as [\"one\",\"two\"]")
    })
}

/// The hint that names another domain for the bricks.
fn hint(bricks_domain: Option<&Domain>) -> Result<Option<Hint>, Failure> {
    // A domain's characters need no escapes.
    let text = bricks_domain.map(|domain| format!("{{\"bricksDomain\":\"{domain}\"}}"));
    let parsed = text.map(|text| Hint::parse(&text)).transpose();
    parsed.map_err(|error| {
        Failure::new(
            Exit::Usage,
            "the domain of the bricks cannot be noted in the key",
        )
        .because(error)
        .next("choose another domain")
    })
}
