//! `kiln dsu`: DSUs from the command line.

mod archive;
pub(crate) mod arguments;
mod create;
mod diff;
pub(crate) mod draft;
mod duplicate;
mod edit;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod list;
mod put;
mod read;
pub(crate) mod source;
pub(crate) mod target;
mod verify;

use clap::Subcommand;

use self::edit::Relocation;
use crate::common::Common;
use crate::exit::Outcome;

/// Commands on DSUs.
#[derive(Subcommand)]
pub(crate) enum DsuCommand {
    /// Make a new DSU, with files and folders if some are named
    #[command(after_help = create::HELP)]
    Create(create::CreateArgs),
    /// Store files and folders in a DSU
    #[command(after_help = put::HELP)]
    Put(put::PutArgs),
    /// Bring a file or folder of a DSU to the disk
    #[command(after_help = get::HELP)]
    Get(get::GetArgs),
    /// List a folder
    #[command(after_help = list::HELP)]
    Ls(list::ListArgs),
    /// Write a file to stdout
    #[command(after_help = read::CAT_HELP)]
    Cat(read::CatArgs),
    /// Draw what is in a folder
    #[command(after_help = read::TREE_HELP)]
    Tree(read::PathArgs),
    /// Say what stands at a path
    #[command(after_help = read::STAT_HELP)]
    Stat(read::PathArgs),
    /// Remove files and folders
    #[command(after_help = edit::REMOVE_HELP)]
    Rm(edit::RemoveArgs),
    /// Move a file or folder
    #[command(after_help = edit::MOVE_HELP)]
    Mv(edit::RelocateArgs),
    /// Copy a file or folder
    #[command(after_help = edit::COPY_HELP)]
    Cp(edit::RelocateArgs),
    /// Mount a DSU in another one
    #[command(after_help = edit::MOUNT_HELP)]
    Mount(edit::MountArgs),
    /// Take a mount away
    #[command(after_help = edit::UNMOUNT_HELP)]
    Unmount(edit::UnmountArgs),
    /// Say who signed what when
    #[command(after_help = history::HELP)]
    History(history::HistoryArgs),
    /// Compare two DSUs, two versions of one, or one on two nodes
    #[command(after_help = diff::HELP)]
    Diff(diff::DiffArgs),
    /// Check every version and every brick, and say what is missing or wrong
    #[command(after_help = verify::HELP)]
    Verify(verify::VerifyArgs),
    /// Make a new DSU with the same content
    #[command(after_help = duplicate::HELP)]
    Clone(duplicate::CloneArgs),
    /// Write a DSU with all its versions to one file
    #[command(after_help = archive::EXPORT_HELP)]
    Export(archive::ExportArgs),
    /// Store what an export holds on a node
    #[command(after_help = archive::IMPORT_HELP)]
    Import(archive::ImportArgs),
}

/// Carries out a command.
pub(crate) fn run(command: &DsuCommand, common: &Common) -> Outcome {
    match command {
        DsuCommand::Create(args) => create::run(args, common),
        DsuCommand::Put(args) => put::run(args, common),
        DsuCommand::Get(args) => get::run(args, common),
        DsuCommand::Ls(args) => list::run(args, common),
        DsuCommand::Cat(args) => read::cat(args, common),
        DsuCommand::Tree(args) => read::tree(args, common),
        DsuCommand::Stat(args) => read::stat(args, common),
        DsuCommand::Rm(args) => edit::remove(args, common),
        DsuCommand::Mv(args) => edit::relocate(args, Relocation::Move, common),
        DsuCommand::Cp(args) => edit::relocate(args, Relocation::Copy, common),
        DsuCommand::Mount(args) => edit::mount(args, common),
        DsuCommand::Unmount(args) => edit::unmount(args, common),
        DsuCommand::History(args) => history::run(args, common),
        DsuCommand::Diff(args) => diff::run(args, common),
        DsuCommand::Verify(args) => verify::run(args, common),
        DsuCommand::Clone(args) => duplicate::run(args, common),
        DsuCommand::Export(args) => archive::run_export(args, common),
        DsuCommand::Import(args) => archive::run_import(args, common),
    }
}
