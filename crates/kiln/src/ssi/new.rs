//! `kiln ssi new`.

use clap::{Args, ValueEnum};
use keyssi::{ArrayElements, Domain, EncryptionKey, Hint, KeySsi, PrivateKey, SsiKind, mnemonic};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use zeroize::Zeroizing;

use crate::common::Common;
use crate::exit::{Exit, Failure, Outcome};
use crate::key_output::KeyOutput;
use crate::output;
use crate::secret_input::read_text;

pub(super) const HELP: &str = "\
Examples:
  kiln ssi new --save record                   a new DSU's key into the keyring
  kiln ssi new --domain hospital.a --out key.txt
  kiln ssi new --type const --from file:passphrase.txt
  kiln ssi new --type wallet --from env:WALLET_WORDS

Without --out or --save the key goes to stdout. It is the only copy: nothing else can open what
it writes. What --from takes: for const a text; for array and wallet a JSON list of texts; for
seed the words of its phrase; for vs the path. Seeds and se without it are random.";

/// Options of `kiln ssi new`.
#[derive(Args)]
pub(crate) struct NewArgs {
    /// The type
    #[arg(long = "type", value_enum, default_value = "seed")]
    kind: NewKind,
    /// The domain that the DSU belongs to
    #[arg(long, value_name = "DOMAIN", default_value = "default")]
    domain: String,
    /// The domain that holds the bricks, if it is another one
    #[arg(long, value_name = "DOMAIN")]
    bricks_domain: Option<String>,
    /// A hint: a JSON object that everyone may read
    #[arg(long, value_name = "JSON")]
    hint: Option<String>,
    #[arg(
        long,
        value_name = "SOURCE",
        help = "What the key is made from: file:PATH, env:NAME, - (stdin), or the text, which warns"
    )]
    from: Option<String>,
    #[command(flatten)]
    output: KeyOutput,
}

/// The types that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NewKind {
    /// The owner's key of a DSU, random
    Seed,
    /// The key of a constant DSU, from a text
    Const,
    /// The key of a constant DSU, from a list of texts
    Array,
    /// The key of a wallet, from a list of texts
    Wallet,
    /// The key of one brick, random
    Se,
    /// A DSU without versions, its key random
    Vs,
}

pub(super) fn new(args: &NewArgs, common: &Common) -> Outcome {
    args.output.check(common)?;
    let domain = domain(&args.domain)?;
    let hint = hint(args)?;
    let from = match &args.from {
        Some(given) => Some(read_text(given, "secret")?),
        None => None,
    };
    let ssi = make(args.kind, &domain, from.as_ref().map(|it| it.as_str()))?;
    args.output.put(&ssi.with_hint(hint), common)
}

fn make(kind: NewKind, domain: &Domain, from: Option<&str>) -> Result<KeySsi, Failure> {
    let domain = domain.as_str();
    let needed = |what: &str| {
        from.filter(|it| !it.is_empty()).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("this type is made from {what}"))
                .next("give it with --from file:PATH, env:NAME or -")
        })
    };
    let elements = || {
        ArrayElements::from_json(needed("a JSON list of texts")?).map_err(|error| {
            Failure::new(Exit::Usage, "--from does not hold a JSON list")
                .because(error)
                .next("write it as [\"one\",\"two\"]")
        })
    };
    let made = match (kind, from) {
        (NewKind::Seed, Some(phrase)) => return from_phrase(domain, phrase),
        (NewKind::Se, Some(_)) => {
            return Err(
                Failure::new(Exit::Usage, "an se is random and made from nothing")
                    .next("leave out --from"),
            );
        }
        (NewKind::Seed, None) => {
            let mut random = ChaCha20Rng::from_seed(*random_bytes()?);
            KeySsi::seed(domain, &PrivateKey::generate(&mut random))
        }
        (NewKind::Const, _) => KeySsi::constant(domain, needed("a text")?),
        (NewKind::Array, _) => KeySsi::array(domain, &elements()?),
        (NewKind::Wallet, _) => KeySsi::wallet(domain, &elements()?),
        (NewKind::Se, None) => KeySsi::symmetric_key(domain, &random_key()?),
        (NewKind::Vs, _) => KeySsi::versionless(domain, needed("a path")?, Some(&random_key()?)),
    };
    made.map_err(|error| {
        Failure::new(Exit::Usage, "the identifier cannot be made")
            .because(error)
            .next("choose another domain or path")
    })
}

fn from_phrase(domain: &str, phrase: &str) -> Result<KeySsi, Failure> {
    let refused = |failure: Failure| failure.next("check the words and their order");
    let decoded = mnemonic::decode(phrase).map_err(|error| {
        refused(Failure::new(Exit::Usage, "--from holds no phrase").because(error))
    })?;
    if !decoded.checksum_matches {
        output::warn("the last word of the phrase does not fit the others: one may be wrong");
    }
    PrivateKey::from_bytes(&decoded.key).map_err(|error| {
        refused(Failure::new(Exit::Usage, "the phrase names no private key").because(error))
    })?;
    KeySsi::from_phrase(SsiKind::Seed, domain, phrase).map_err(|error| {
        refused(Failure::new(Exit::Usage, "--from holds no phrase").because(error))
    })
}

/// The hint of `--hint` with the domain of `--bricks-domain`.
fn hint(args: &NewArgs) -> Result<Option<Hint>, Failure> {
    let malformed = || {
        Failure::new(Exit::Usage, "the hint is no JSON object")
            .next("write it as {\"key\":\"value\"}")
    };
    let normal = match &args.hint {
        Some(text) => Hint::parse(text)
            .map_err(|error| malformed().because(error))?
            .normal_text(),
        None => "{}".to_owned(),
    };
    let members = normal
        .strip_prefix('{')
        .and_then(|it| it.strip_suffix('}'))
        .ok_or_else(malformed)?;
    let mut members = members.to_owned();
    if let Some(name) = &args.bricks_domain {
        // A domain's characters need no escapes.
        let name = domain(name)?;
        let comma = if members.is_empty() { "" } else { "," };
        members = format!("{members}{comma}\"bricksDomain\":\"{name}\"");
    }
    if members.is_empty() {
        return Ok(None);
    }
    Hint::parse(&format!("{{{members}}}"))
        .map(Some)
        .map_err(|error| malformed().because(error))
}

fn domain(name: &str) -> Result<Domain, Failure> {
    name.parse().map_err(|error| {
        let failure: keyssi::DomainError = error;
        Failure::new(Exit::Usage, "the domain is malformed")
            .because(failure)
            .next("choose another domain")
    })
}

fn random_key() -> Result<EncryptionKey, Failure> {
    Ok(EncryptionKey::from_bytes(*random_bytes()?))
}

fn random_bytes() -> Result<Zeroizing<[u8; 32]>, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| {
        Failure::new(Exit::Local, "the system gives no random bytes")
            .because(error)
            .next("check that this process may use getrandom(2), then run it again")
    })?;
    Ok(bytes)
}
