//! `kiln completions` and `kiln man`: made from the same description as the help.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::common::Common;
use crate::exit::{Exit, Failure, Outcome};

pub(crate) const COMPLETIONS_HELP: &str = "\
Examples:
  kiln completions bash > ~/.local/share/bash-completion/completions/kiln
  kiln completions zsh > \"${fpath[1]}/_kiln\"
  kiln completions fish > ~/.config/fish/completions/kiln.fish";

pub(crate) const MAN_HELP: &str = "\
Example:
  kiln man ~/.local/share/man/man1             then: man kiln-keyring-add";

/// Options of `kiln completions`.
#[derive(Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Options of `kiln man`.
#[derive(Args)]
pub(crate) struct ManArgs {
    /// The folder for the pages; made if there is none
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Prints the completions of a shell.
pub(crate) fn completions(args: &CompletionsArgs, mut command: Command) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "kiln", &mut script);
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(&script)
        .and_then(|()| stdout.flush())
        .map_err(Failure::stdout)?;
    Ok(Exit::Done)
}

/// Writes one page for each command.
pub(crate) fn man(args: &ManArgs, command: Command, common: &Common) -> Outcome {
    let folder = &args.folder;
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command, folder))
        .map_err(|error| {
            Failure::io(
                format!("the pages cannot be written to {}", folder.display()),
                error,
            )
        })?;
    common
        .output()
        .say(&format!("wrote the pages to {}", folder.display()));
    Ok(Exit::Done)
}
