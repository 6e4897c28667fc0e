//! Where a key that a command has made goes: stdout, a private file, or the keyring.

use std::path::PathBuf;

use clap::Args;
use keyssi::{AnchorId, KeySsi};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::common::Common;
use crate::exit::{Exit, Failure, Outcome};
use crate::keyring::{self, Keyring, Taken};
use crate::local_file;
use crate::meaning;
use crate::output::{self, Form};

/// Options of commands that make a key.
#[derive(Args)]
pub(crate) struct KeyOutput {
    /// Write the key to a new file that only you may read; stdout gets its anchor id
    #[arg(long, value_name = "FILE", conflicts_with = "save")]
    out: Option<PathBuf>,
    /// Put the key into the keyring under this name; stdout gets its anchor id
    #[arg(long, value_name = "NAME")]
    save: Option<String>,
    /// The colon-separated form instead of base58
    #[arg(long)]
    plain: bool,
    /// With --json: show the key although it is secret
    #[arg(long)]
    reveal: bool,
}

impl KeyOutput {
    /// Stops a command that would make a key and show it to nobody.
    ///
    /// # Errors
    /// [`Exit::Usage`] for `--json` without a place for the key.
    pub(crate) fn check(&self, common: &Common) -> Result<(), Failure> {
        let is_kept = self.out.is_some() || self.save.is_some() || self.reveal;
        if common.output().form == Form::Json && !is_kept {
            return Err(Failure::new(
                Exit::Usage,
                "--json hides secret keys, so this one would be lost",
            )
            .next("add --save NAME, --out FILE or --reveal"));
        }
        Ok(())
    }

    /// Puts the key where it was asked for.
    pub(crate) fn put(&self, ssi: &KeySsi, common: &Common) -> Outcome {
        self.keep(ssi, common)?;
        self.tell(ssi, common, false, &[])
    }

    /// Whether the key goes to a place where it stays.
    pub(crate) fn is_kept(&self) -> bool {
        self.out.is_some() || self.save.is_some()
    }

    /// Asks for what opens the keyring, for a key that is kept later: a prompt would not see Ctrl-C
    /// then.
    ///
    /// # Errors
    /// Those of unlocking.
    pub(crate) fn unlock(&self, common: &Common) -> Result<(), Failure> {
        let Some(_) = &self.save else {
            return Ok(());
        };
        let keyring = Keyring::open(common)?;
        if keyring.is_for_recipients() {
            return Ok(());
        }
        keyring.unlock()
    }

    /// Puts the key into the keyring or its file; durable when it returns.
    ///
    /// # Errors
    /// [`Exit::Conflict`] if the name is taken, else those of writing.
    pub(crate) fn keep(&self, ssi: &KeySsi, common: &Common) -> Result<(), Failure> {
        if let Some(name) = &self.save {
            let name = keyring::parse_name(name)?;
            Keyring::open(common)?.add(&name, ssi, "", Taken::Refuse)?;
            common.output().say(&format!("saved as @{}", name.as_str()));
        }
        if let Some(file) = &self.out {
            local_file::create_private(file, format!("{}\n", self.text(ssi).as_str()).as_bytes())?;
        }
        Ok(())
    }

    /// Says on stdout what was made, with more members for JSON. A key that is neither kept nor
    /// the user's own is shown.
    pub(crate) fn tell(
        &self,
        ssi: &KeySsi,
        common: &Common,
        is_known: bool,
        more: &[(&str, Value)],
    ) -> Outcome {
        let anchor = AnchorId::of(ssi).ok().map(|id| id.as_str().to_owned());
        match common.output().form {
            Form::Json => {
                let shown = !is_known && (self.reveal || !meaning::is_secret(ssi));
                let mut object = json!({
                    "type": ssi.kind().name(),
                    "domain": ssi.domain(),
                    "anchor_id": anchor,
                    "keyssi": shown.then(|| self.text(ssi).as_str().to_owned()),
                });
                if let Some(members) = object.as_object_mut() {
                    let more = more.iter().cloned();
                    members.extend(more.map(|(name, value)| (name.to_owned(), value)));
                }
                output::json(&object)?;
            }
            Form::Text if !is_known && !self.is_kept() => output::foreign_line(&self.text(ssi))?,
            Form::Text => {
                if let Some(anchor) = anchor {
                    output::line(&anchor)?;
                }
            }
        }
        Ok(Exit::Done)
    }

    fn text(&self, ssi: &KeySsi) -> Zeroizing<String> {
        if self.plain {
            ssi.plain()
        } else {
            ssi.wrapped()
        }
    }
}
