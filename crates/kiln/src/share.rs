//! `kiln share`: a read-only key for somebody else.

use clap::{Args, ValueEnum};
use client::dsus::{At, Snapshot};
use dsu::DsuPath;
use keyssi::{AnchorId, KeySsi, SsiKind};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use crate::common::Common;
use crate::context::{self, key};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form};
use crate::secret_input::KEY_FORMS;

pub(crate) const HELP: &str = "\
Examples:
  kiln share @record                           the read-only key
  kiln share @record --path /images            of the DSU that is mounted there
  kiln share @record --as link --base https://viewer.example/
  kiln share @record --as qr

The key opens all versions, past and future, and cannot be called back. A link carries it after
the #, which browsers do not send to the server. With --base the QR code is that of the link.";

/// Options of `kiln share`.
#[derive(Args)]
pub(crate) struct ShareArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The mount point of the DSU to share alone [default: the whole DSU]
    #[arg(long, value_name = "PATH", value_parser = DsuPath::parse)]
    path: Option<DsuPath>,
    /// The form
    #[arg(long = "as", id = "form", value_enum, default_value = "text")]
    form: ShareForm,
    /// Where the link leads to [default: the node]
    #[arg(long, value_name = "URL")]
    base: Option<Url>,
    /// With --json: show the key although it is secret
    #[arg(long)]
    reveal: bool,
}

/// How the key is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ShareForm {
    /// The key itself
    Text,
    /// An address with the key after the #
    Link,
    /// A QR code for the terminal
    Qr,
}

/// Carries out the command.
pub(crate) fn run(args: &ShareArgs, common: &Common) -> Outcome {
    if common.output().form == Form::Json && !args.reveal {
        return Err(Failure::new(
            Exit::Usage,
            "--json hides secret keys, also the one to share",
        )
        .next("add --reveal"));
    }
    let base = base(args, common)?;
    let given = key(&args.key, common)?;
    let Some(path) = &args.path else {
        return tell(&read_only(&given)?, args, base.as_ref(), common);
    };
    context::run(common, async |context| {
        let snapshot = Snapshot::open(&context.client, &given, At::Latest).await?;
        let found = snapshot.locate(path).await?;
        if !found.path.is_root() {
            // Says it if nothing is there at all.
            snapshot.stat(path).await?;
            let message =
                format!("{path} is part of a DSU: only a mounted DSU can be shared alone");
            return Err(Failure::new(Exit::Usage, message).next(format!(
                "make one of it: get it, `kiln dsu create FOLDER/. --save NAME`, `kiln dsu rm -r` \
                 it here, and `kiln dsu mount KEY {path} @NAME`"
            )));
        }
        tell(
            &read_only(found.snapshot.ssi())?,
            args,
            base.as_ref(),
            common,
        )
    })
}

/// The weakest key that still reads the DSU.
///
/// # Errors
/// [`Exit::WrongKey`] if the key opens no DSU.
pub(crate) fn read_only(ssi: &KeySsi) -> Result<KeySsi, Failure> {
    let refused = || {
        Failure::new(
            Exit::WrongKey,
            format!("a key of type {} cannot be shared", ssi.kind()),
        )
        .next("give the key of a DSU: seed, sread, const or array")
    };
    match ssi.kind() {
        SsiKind::Seed => match ssi.derive() {
            Ok(derived) => derived.ok_or_else(refused),
            Err(error) => Err(refused().because(error)),
        },
        SsiKind::SRead | SsiKind::Const | SsiKind::Array => Ok(ssi.clone()),
        _ => Err(refused()),
    }
}

fn tell(ssi: &KeySsi, args: &ShareArgs, base: Option<&Url>, common: &Common) -> Outcome {
    warn(ssi);
    let text = ssi.wrapped();
    let link = base.map(|base| Zeroizing::new(format!("{base}#{}", text.as_str())));
    if common.output().form == Form::Json {
        output::json(&json!({
            "type": ssi.kind().name(),
            "domain": ssi.domain(),
            "anchor_id": AnchorId::of(ssi).ok().map(|id| id.as_str().to_owned()),
            "keyssi": text.as_str(),
            "link": link.as_ref().map(|it| it.as_str()),
        }))?;
        return Ok(Exit::Done);
    }
    let shared = link.as_ref().unwrap_or(&text);
    match args.form {
        ShareForm::Text | ShareForm::Link => output::line(shared)?,
        ShareForm::Qr => output::line(&qr_code(shared)?)?,
    }
    Ok(Exit::Done)
}

/// What whoever gives the key away should know.
fn warn(ssi: &KeySsi) {
    let what = match ssi.kind() {
        SsiKind::SRead => {
            "this key opens all versions of the DSU, past and future, and what is mounted in it \
             (for writing too, where that is mounted writable); it cannot be called back"
        }
        // A constant DSU has no weaker key that reads it.
        _ => {
            "this is the one key of a constant DSU: it opens all of it and what is mounted in it, \
             and cannot be called back"
        }
    };
    output::warn(what);
}

/// The address before the `#`; `None` if the key goes alone.
fn base(args: &ShareArgs, common: &Common) -> Result<Option<Url>, Failure> {
    let base = match (&args.base, args.form) {
        (Some(base), _) => base.clone(),
        (None, ShareForm::Link) => common.node()?,
        (None, _) => return Ok(None),
    };
    let refused = |message: &str| {
        Failure::new(Exit::Usage, message).next("give --base as in https://viewer.example/")
    };
    if !matches!(base.scheme(), "http" | "https") || base.fragment().is_some() {
        return Err(refused(
            "the link must begin with an http or https address without #",
        ));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(refused(
            "the address of the link holds a password, which would be given away",
        ));
    }
    if args.form == ShareForm::Text {
        return Err(refused("--base is for links").next("add --as link or --as qr"));
    }
    Ok(Some(base))
}

fn qr_code(text: &str) -> Result<String, Failure> {
    let code = QrCode::new(text).map_err(|error| {
        Failure::new(Exit::Usage, "the key does not fit into a QR code")
            .because(error)
            .next("share it as text or link")
    })?;
    // Terminals are dark: light modules are drawn.
    let mut image = code.render::<Dense1x2>();
    image
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark);
    Ok(image.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weakest_reading_key_is_shared() {
        let constant = KeySsi::constant("default", "text").unwrap();
        assert_eq!(read_only(&constant).unwrap().kind(), SsiKind::Const);
        let public = constant.derive().unwrap().unwrap();
        assert!(read_only(&public).is_err());
    }
}
