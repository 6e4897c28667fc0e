//! Options that every client command shares, and what they name.

use std::path::PathBuf;
use std::sync::OnceLock;

use clap::Args;
use etcetera::BaseStrategy;
use reqwest::Certificate;
use url::Url;
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::keyring::Unlocked;
use crate::output::{Form, Output, Talk};
use crate::secret_input;

/// Names of the shared options that have no meaning for `kiln serve`.
pub(crate) const CLIENT_OPTIONS: [&str; 9] = [
    "state",
    "node",
    "api_key_file",
    "ca_file",
    "keyring",
    "identity",
    "passphrase_file",
    "json",
    "quiet",
];

/// Those of them that have no meaning for `kiln admin`, which talks to another listener.
pub(crate) const NODE_OPTIONS: [&str; 6] = [
    "state",
    "node",
    "api_key_file",
    "keyring",
    "identity",
    "passphrase_file",
];

/// Those that have no meaning for a command on the stores of a stopped node, which talks to nobody.
pub(crate) const LOCAL_OPTIONS: [&str; 7] = [
    "state",
    "node",
    "api_key_file",
    "ca_file",
    "keyring",
    "identity",
    "passphrase_file",
];

/// Those that have no meaning for a command that needs no key of a DSU.
pub(crate) const KEY_OPTIONS: [&str; 3] = ["keyring", "identity", "passphrase_file"];

/// The variable that names the node's data folder.
pub(crate) const DATA_VARIABLE: &str = "KILN_DATA";

/// The node's data folder where none is named, as for `kiln serve`.
pub(crate) const DATA_DEFAULT: &str = "kiln-data";

/// The variable that holds the API key for the node.
const API_KEY_VARIABLE: &str = "KILN_API_KEY";

const HEADING: &str = "Common options";

/// Which data folder. `kiln admin` has an option of its own for it, which may stand anywhere among
/// its subcommands.
#[derive(Args)]
pub(crate) struct DataArgs {
    /// The node's data folder
    #[arg(
        long,
        value_name = "DIR",
        env = DATA_VARIABLE,
        hide_env_values = true,
        default_value = DATA_DEFAULT
    )]
    pub(crate) data: PathBuf,
}

/// The shared options. Values are judged where they are used, so that a wrong one stops no
/// command that has no use for it.
#[derive(Args)]
pub(crate) struct Common {
    /// The node to talk to
    #[arg(
        long, global = true, value_name = "URL", env = "KILN_NODE", hide_env_values = true,
        default_value = "http://127.0.0.1:8080", help_heading = HEADING
    )]
    node: String,
    /// File with the API key for the node, instead of `KILN_API_KEY`
    #[arg(long, global = true, value_name = "FILE", help_heading = HEADING)]
    api_key_file: Option<PathBuf>,
    /// Certificates (PEM) of authorities to believe about nodes, besides those of this machine
    #[arg(
        long, global = true, value_name = "FILE", env = "KILN_CA_FILE", hide_env_values = true,
        help_heading = HEADING
    )]
    ca_file: Option<PathBuf>,
    /// The keyring [default: kiln/keyring in the user's data folder]
    #[arg(
        long, global = true, value_name = "FILE", env = "KILN_KEYRING", hide_env_values = true,
        help_heading = HEADING
    )]
    keyring: Option<PathBuf>,
    /// Private age keys that open a backup, or a keyring made for recipients; can be repeated
    #[arg(
        long, global = true, value_name = "FILE", env = "KILN_KEYRING_IDENTITY",
        hide_env_values = true, help_heading = HEADING
    )]
    pub(crate) identity: Vec<PathBuf>,
    /// File with the keyring's passphrase, instead of `KILN_KEYRING_PASSPHRASE` or a prompt
    #[arg(long, global = true, value_name = "FILE", help_heading = HEADING)]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Folder of what is remembered between commands [default: kiln in the user's state folder]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "KILN_STATE",
        hide_env_values = true,
        help_heading = HEADING
    )]
    state: Option<PathBuf>,
    /// JSON on stdout
    #[arg(long, global = true, help_heading = HEADING)]
    json: bool,
    /// No remarks on stderr, only warnings and errors
    #[arg(long, global = true, help_heading = HEADING)]
    quiet: bool,
    /// What opened the keyring, so that a command asks once.
    #[arg(skip)]
    pub(crate) unlocked: OnceLock<Unlocked>,
}

impl Common {
    /// How the command speaks.
    pub(crate) fn output(&self) -> Output {
        Output {
            form: if self.json { Form::Json } else { Form::Text },
            talk: if self.quiet { Talk::Quiet } else { Talk::All },
        }
    }

    /// The node's base address.
    ///
    /// # Errors
    /// [`Exit::Usage`] if it is no `http` or `https` address. It is not repeated: it may hold a
    /// password.
    pub(crate) fn node(&self) -> Result<Url, Failure> {
        let refused = |reason: &str| {
            Failure::new(Exit::Usage, format!("the address of the node {reason}"))
                .next("give --node or KILN_NODE as in http://127.0.0.1:8080")
        };
        let url = Url::parse(&self.node).map_err(|error| refused("is malformed").because(error))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(refused(
                "does not begin with http:// or https:// and a host",
            ));
        }
        Ok(url)
    }

    /// The API key for an address, if there is one. It is for the host of `--node` and for no other.
    ///
    /// # Errors
    /// Those of reading the place that it is in; [`Exit::Usage`] when it cannot be one.
    pub(crate) fn api_key_for(&self, url: &Url) -> Result<Option<Zeroizing<String>>, Failure> {
        let has_variable = std::env::var_os(API_KEY_VARIABLE).is_some();
        if self.api_key_file.is_none() && !has_variable {
            return Ok(None);
        }
        if self.node()?.origin() != url.origin() {
            return Ok(None);
        }
        let key = match &self.api_key_file {
            Some(path) => secret_input::read_secret_file(path)?,
            None => secret_input::read_variable(API_KEY_VARIABLE)?,
        };
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::new(Exit::Usage, "the API key is malformed").next(
                "give the key as `kiln admin keys create` printed it, in a file named by \
                 --api-key-file or in KILN_API_KEY",
            ));
        }
        Ok(Some(Zeroizing::new(key.to_owned())))
    }

    /// The certificates of `--ca-file`; empty without it.
    ///
    /// # Errors
    /// [`Exit::Local`] if the file cannot be read.
    pub(crate) fn authorities(&self) -> Result<Vec<u8>, Failure> {
        let Some(path) = &self.ca_file else {
            return Ok(Vec::new());
        };
        std::fs::read(path).map_err(|error| {
            let message = format!("--ca-file {} cannot be read", path.display());
            Failure::io(message, error)
        })
    }

    /// The same, each by itself, for a connection that is made here.
    ///
    /// # Errors
    /// As [`Self::authorities`]; [`Exit::Usage`] if the file holds something else.
    pub(crate) fn certificates(&self) -> Result<Vec<Certificate>, Failure> {
        let Some(path) = &self.ca_file else {
            return Ok(Vec::new());
        };
        let refused = |what: &str| {
            let message = format!("--ca-file {} {what}", path.display());
            Failure::new(Exit::Usage, message)
                .next("name a file with the certificates of authorities, as PEM")
        };
        let found = Certificate::from_pem_bundle(&self.authorities()?)
            .map_err(|error| refused("is malformed").because(error))?;
        if found.is_empty() {
            return Err(refused("holds no certificates"));
        }
        Ok(found)
    }

    /// The keyring's file, whether or not it exists.
    ///
    /// # Errors
    /// [`Exit::Local`] if none is named and the user has no home.
    pub(crate) fn keyring(&self) -> Result<PathBuf, Failure> {
        match &self.keyring {
            Some(path) => Ok(path.clone()),
            None => base_folders("--keyring").map(|it| it.data_dir().join("kiln/keyring")),
        }
    }

    /// The folder of what is remembered between commands: heads of anchors, journals.
    /// Without `--state`: `kiln` in the user's state folder.
    ///
    /// # Errors
    /// [`Exit::Local`] if none is named and the user has no home.
    pub(crate) fn state(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.state {
            return Ok(folder.clone());
        }
        let folders = base_folders("--state")?;
        // Systems without a state folder of their own keep it with the data.
        Ok(folders
            .state_dir()
            .unwrap_or_else(|| folders.data_dir())
            .join("kiln"))
    }
}

fn base_folders(instead: &str) -> Result<impl BaseStrategy, Failure> {
    etcetera::choose_base_strategy().map_err(|error| {
        Failure::new(Exit::Local, "the user's home folder is not known")
            .because(error)
            .next(format!("name the place with {instead}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_node(node: &str) -> Common {
        Common {
            ca_file: None,
            node: node.to_owned(),
            api_key_file: None,
            keyring: None,
            identity: Vec::new(),
            passphrase_file: None,
            state: None,
            json: false,
            quiet: false,
            unlocked: OnceLock::new(),
        }
    }

    #[test]
    fn only_web_addresses_are_nodes_and_a_wrong_one_is_not_repeated() {
        for good in ["http://127.0.0.1:8080", "https://node.example/base/"] {
            assert!(with_node(good).node().is_ok(), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:8080",
            "ftp://user:pass@host",
            "http://",
            "file:///x",
        ] {
            let message = with_node(bad).node().unwrap_err().to_string();
            assert!(message.contains("next: give --node"), "{message}");
            assert!(!message.contains("pass"), "{message}");
        }
    }

    #[test]
    fn the_api_key_is_for_the_host_of_the_node_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, b"kiln_key\n").unwrap();
        let mut common = with_node("https://node.example/base");
        common.api_key_file = Some(path);
        let sent = |url: &str| common.api_key_for(&url.parse().unwrap()).unwrap();
        assert_eq!(
            sent("https://node.example/log/x").unwrap().as_str(),
            "kiln_key"
        );
        for other in [
            "http://node.example/base",
            "https://node.example:8443/base",
            "https://other.example/base",
            "https://node.example.evil/base",
        ] {
            assert_eq!(sent(other), None, "{other}");
        }
    }

    #[test]
    fn the_state_folder_is_named_kiln_unless_it_is_given() {
        let mut common = with_node("");
        assert!(common.state().unwrap().ends_with("kiln"));
        common.state = Some("elsewhere".into());
        assert_eq!(common.state().unwrap(), PathBuf::from("elsewhere"));
    }
}
