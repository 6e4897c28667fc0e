//! `kiln demo`: a small invented hospital on a node, and what to try with it.
//!
//! Each patient has a DSU, the first one a CT study mounted in it; the hospital's DSU mounts them
//! all, and a leaflet, by read-only keys. The records come from a seed, the keys are random.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::Args;
use client::dsus::{At, Draft, Snapshot};
use dsu::DsuPath;
use keyssi::{Domain, KeySsi};
use samples::SampleFile;
use serde_json::json;
use zeroize::Zeroizing;

use crate::common::Common;
use crate::context::{self, Context, now};
use crate::exit::{Exit, Failure, Outcome};
use crate::local_file::{create_folder_of, create_private};
use crate::output::{self, Form};
use crate::push::new_seed;

pub(crate) const HELP: &str = "\
Examples:
  kiln demo                                    a hospital with three patients, keys in ./kiln-demo
  kiln demo --patients 20 --seed 7             more of them, others

Nobody in the records exists. The same seed gives the same records; the keys are new each time.";

/// Bytes of a patient's FHIR bundle.
const RECORD_BYTES: usize = 200_000;
/// Slices of the CT study, half a megabyte each.
const SLICES: u32 = 6;
const KEYS_NAME: &str = "keys.ndjson";

/// Options of `kiln demo`.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// What the records are made from
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..1_000_000_000))]
    seed: u64,
    /// How many patients
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    patients: u16,
    /// The new folder for the keys
    #[arg(long, value_name = "DIR", default_value = "kiln-demo")]
    folder: PathBuf,
    /// The domain of the DSUs
    #[arg(long, value_name = "DOMAIN", default_value = "default")]
    domain: Domain,
}

/// A hospital being made.
struct Hospital<'a> {
    context: &'a Context<'a>,
    folder: &'a Path,
    domain: Domain,
    /// Names and keys, in the order in which they were made.
    made: Vec<(String, KeySsi)>,
}

/// Carries out `kiln demo`.
pub(crate) fn run(args: &DemoArgs, common: &Common) -> Outcome {
    let domain = args.domain.clone();
    if args.folder.exists() {
        let message = format!("{} exists already", args.folder.display());
        return Err(Failure::new(Exit::Conflict, message)
            .next("name a new folder with --folder; its keys would be lost otherwise"));
    }
    context::run(common, async |context| {
        // Before the folder is made: a node that is not there leaves nothing behind.
        context.client.services(&domain).await?;
        let mut hospital = Hospital {
            context,
            folder: &args.folder,
            domain,
            made: Vec::new(),
        };
        hospital.make(args.seed, args.patients).await?;
        hospital.write_key_file()?;
        context.progress.end();
        hospital.tell(args, common)
    })
}

impl Hospital<'_> {
    async fn make(&mut self, seed: u64, patients: u16) -> Result<(), Failure> {
        self.context.progress.begin("making a hospital", None);
        let mut mounts = Vec::new();
        for number in 0..u64::from(patients) {
            let seed = seed + number;
            let name = samples::patient_folder(seed);
            let study = if number == 0 {
                let slices = samples::imaging_study(seed, SLICES);
                let key = self.dsu("ct-study", slices, &[]).await?;
                vec![(path("/imaging/ct")?, readable(&key)?)]
            } else {
                Vec::new()
            };
            let files = [
                samples::patient_summary(seed),
                samples::fhir_bundle_of(seed, RECORD_BYTES),
                samples::device_readings(seed, 1),
            ];
            let key = self.dsu(&name, files.into_iter(), &study).await?;
            mounts.push((path(&format!("/patients/{name}"))?, readable(&key)?));
            if number == 0 {
                self.visit(&key, seed).await?;
            }
        }
        let key = self
            .dsu("leaflet", samples::leaflet(seed).into_iter(), &[])
            .await?;
        mounts.push((path("/leaflets/product")?, readable(&key)?));
        let welcome = SampleFile {
            path: "hospital/README.txt".to_owned(),
            content: WELCOME.as_bytes().to_vec(),
        };
        self.dsu("hospital", std::iter::once(welcome), &mounts)
            .await?;
        Ok(())
    }

    /// A second version of a patient: two days of readings, and a note.
    async fn visit(&self, key: &KeySsi, seed: u64) -> Result<(), Failure> {
        let snapshot = Snapshot::open(&self.context.client, key, At::Latest).await?;
        let mut draft = Draft::edit(&snapshot)?;
        let readings = samples::device_readings(seed, 2);
        draft
            .write(&inner(&readings.path)?, readings.content.as_slice(), now())
            .await?;
        draft
            .write(&path("/notes/visit.txt")?, NOTE.as_bytes(), now())
            .await?;
        draft.commit(now()).await?;
        Ok(())
    }

    /// Makes one DSU. Its key is on disk before anything is sent.
    async fn dsu(
        &mut self,
        name: &str,
        files: impl Iterator<Item = SampleFile>,
        mounts: &[(DsuPath, KeySsi)],
    ) -> Result<KeySsi, Failure> {
        let key = new_seed(&self.domain)?;
        let text: Zeroizing<String> = key.wrapped();
        let file = self.key_file(name);
        create_folder_of(&file).map_err(|error| {
            Failure::io(
                format!("the folder {} cannot be made", self.folder.display()),
                error,
            )
        })?;
        create_private(&file, text.as_bytes())?;
        let mut draft = Draft::create(&self.context.client, &key, now()).await?;
        for file in files {
            draft
                .write(&inner(&file.path)?, file.content.as_slice(), now())
                .await?;
        }
        for (point, key) in mounts {
            draft.mount(point, key, now()).await?;
        }
        draft.commit(now()).await?;
        self.made.push((name.to_owned(), key.clone()));
        Ok(key)
    }

    fn key_file(&self, name: &str) -> PathBuf {
        self.folder.join("keys").join(name)
    }

    /// All keys in one file, as `kiln push` writes them.
    fn write_key_file(&self) -> Result<(), Failure> {
        let mut lines = Zeroizing::new(String::with_capacity(1024 * self.made.len()));
        for (name, key) in &self.made {
            let line = json!({ "name": name, "keyssi": key.wrapped().as_str() }).to_string();
            lines.push_str(&Zeroizing::new(line));
            lines.push('\n');
        }
        create_private(&self.folder.join(KEYS_NAME), lines.as_bytes())
    }

    fn tell(&self, args: &DemoArgs, common: &Common) -> Outcome {
        let commands = self.commands(args, common)?;
        if common.output().form == Form::Json {
            let dsus = self.made.iter().map(|(name, key)| {
                let anchor = keyssi::AnchorId::of(key)
                    .ok()
                    .map(|id| id.as_str().to_owned());
                json!({ "name": name, "anchor_id": anchor, "key_file": self.key_file(name) })
            });
            output::json(&json!({
                "folder": self.folder,
                "dsus": dsus.collect::<Vec<_>>(),
                "try": commands,
            }))?;
            return Ok(Exit::Done);
        }
        let folder = self.folder.display();
        let dsus = output::count(self.made.len() as u64, "DSU");
        common
            .output()
            .say(&format!("{dsus} made; the keys are in {folder}. Try next:"));
        for command in commands {
            output::line(&command)?;
        }
        Ok(Exit::Done)
    }

    /// Commands that work when pasted.
    fn commands(&self, args: &DemoArgs, common: &Common) -> Result<Vec<String>, Failure> {
        let node = common.node()?;
        let is_default = node.as_str() == "http://127.0.0.1:8080/";
        let has_password = !node.username().is_empty() || node.password().is_some();
        // An address with a password is not repeated; KILN_NODE or --node has to say it again.
        let kiln = if is_default || has_password {
            "kiln".to_owned()
        } else {
            format!("kiln --node {}", quoted(node.as_str()))
        };
        let key =
            |name: &str| quoted(&format!("file:{}", self.key_file(name).display())).into_owned();
        let keys = quoted(&self.folder.join(KEYS_NAME).display().to_string()).into_owned();
        let copies = quoted(&self.folder.join("copies").display().to_string()).into_owned();
        let first = samples::patient_folder(args.seed);
        let (hospital, patient) = (key("hospital"), key(&first));
        Ok(vec![
            format!("{kiln} dsu ls {hospital} /patients/{first}"),
            format!("{kiln} dsu cat {patient} /notes/visit.txt"),
            format!("{kiln} dsu history {patient}"),
            format!("{kiln} dsu verify {patient}"),
            format!("{kiln} share {patient}"),
            format!("{kiln} pull --keys {keys} {copies}"),
            format!("{kiln} watch {patient} --once"),
        ])
    }
}

const WELCOME: &str = "This hospital is invented, and so is everybody in it.\n";
const NOTE: &str = "Seen in the outpatient clinic; readings of two days were brought along.\n";

/// The key with which somebody else can read a DSU and not change it.
fn readable(key: &KeySsi) -> Result<KeySsi, Failure> {
    let derived = key.derive().ok().flatten();
    derived.ok_or_else(|| {
        Failure::new(Exit::WrongKey, "no read-only key can be derived")
            .next("report this as a fault of kiln")
    })
}

/// The path of a generated file inside its own DSU: without the folder of the patient.
fn inner(sample: &str) -> Result<DsuPath, Failure> {
    let inner = sample.split_once('/').map_or(sample, |(_, inner)| inner);
    path(inner.strip_prefix("imaging/").unwrap_or(inner))
}

fn path(text: &str) -> Result<DsuPath, Failure> {
    DsuPath::parse(text).map_err(|error| {
        Failure::new(Exit::Local, format!("{text} is no path"))
            .because(error)
            .next("report this as a fault of kiln")
    })
}

/// A text for a shell.
fn quoted(text: &str) -> Cow<'_, str> {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "/._-:=@%+,".contains(it);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_for_a_shell_where_they_need_it() {
        for (text, expected) in [
            ("file:kiln-demo/keys/a", "file:kiln-demo/keys/a"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
