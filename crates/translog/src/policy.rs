//! Trust policies: which logs are known, which witnesses, and how many of those have to agree.
//!
//! ```text
//! # a comment
//! log <vkey> [<url>]
//! witness <name> <vkey> [<url>]
//! group <name> <k|any|all> <member>...
//! quorum <name|none>
//! ```
//!
//! A group and the quorum name what stands above them. Logs sign with keys of type 0x01, witnesses
//! with keys of type 0x04.
//!
//! **Source:** `translog.md` §8; C2SP tlog-policy. A policy without witnesses may leave out
//! `quorum none`, which C2SP demands always.

use thiserror::Error;

use crate::key::check_key_set;
use crate::{
    Checkpoint, Cosignature, KeyError, KeyKind, KeySetError, NoteError, Origin, SignedNote,
    VerifierKey, text, verify_note,
};

/// The longest policy, in bytes.
pub const POLICY_BYTES_MAX: usize = 64 * 1024;

/// The most logs, the most witnesses and the most groups. C2SP recommends 32 at least.
pub const POLICY_ITEMS_MAX: usize = 128;

/// Whom a reader believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Quorum,
}

/// A log that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its key; the name is the log's origin.
    pub key: VerifierKey,
    /// Where it may be found. Not checked in any way.
    pub url: Option<String>,
}

/// A witness that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Its name within the policy.
    pub name: String,
    /// Its key, whose name may be another.
    pub key: VerifierKey,
    /// Where it takes checkpoints. Not checked in any way.
    pub url: Option<String>,
}

/// What a note that satisfies a policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// POSIX seconds of the newest cosignature that counts towards the quorum: how fresh the
    /// checkpoint is known to be. None when the quorum asks for no cosignature.
    pub newest_cosignature_s: Option<u64>,
}

impl Policy {
    /// Reads a policy of at most [`POLICY_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`PolicyError`] names the line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong);
        }
        let mut draft = Draft::default();
        for (line, number) in text.split('\n').zip(1..) {
            draft.read(line).map_err(|problem| PolicyError::Line {
                line: number,
                problem,
            })?;
        }
        draft.finish()
    }

    /// The logs, in the order of the text.
    #[must_use]
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses, in the order of the text, also those that the quorum does not name.
    #[must_use]
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Accepts a note that a log of the policy signed, as a checkpoint of its own, and that the
    /// quorum cosigned.
    ///
    /// # Errors
    /// [`PolicyRefusal`] says what is missing, or which signature does not hold.
    pub fn check(&self, note: &SignedNote) -> Result<Accepted, PolicyRefusal> {
        let verified = verify_note(note, &self.keys()).map_err(PolicyRefusal::Note)?;
        if verified.log.is_empty() {
            return Err(PolicyRefusal::NoLogSignature(verified.checkpoint.origin));
        }
        let newest_cosignature_s = match self.quorum {
            Quorum::Nobody => None,
            Quorum::Member(member) => {
                let newest = self.newest_of(member, &verified.cosigned);
                Some(newest.ok_or(PolicyRefusal::NoQuorum)?)
            }
        };
        Ok(Accepted {
            checkpoint: verified.checkpoint,
            newest_cosignature_s,
        })
    }

    fn keys(&self) -> Vec<VerifierKey> {
        let logs = self.logs.iter().map(|log| &log.key);
        let witnesses = self.witnesses.iter().map(|witness| &witness.key);
        logs.chain(witnesses).cloned().collect()
    }

    /// The newest cosignature that counts for this member, if the member cosigned. Goes through the
    /// groups in their order, for each names only those above it: depth costs no stack.
    fn newest_of(&self, member: Member, cosigned: &[Cosignature]) -> Option<u64> {
        let witnesses: Vec<Option<u64>> = self
            .witnesses
            .iter()
            .map(|witness| {
                let by_it = cosigned.iter().find(|one| one.key == witness.key);
                by_it.map(|cosignature| cosignature.time_s)
            })
            .collect();
        let mut groups: Vec<Option<u64>> = Vec::with_capacity(self.groups.len());
        let newest = |member: &Member, groups: &[Option<u64>]| match *member {
            Member::Witness(index) => witnesses.get(index).copied().flatten(),
            Member::Group(index) => groups.get(index).copied().flatten(),
        };
        for group in &self.groups {
            let times = group.members.iter().filter_map(|one| newest(one, &groups));
            let enough = times.clone().count() >= group.threshold;
            let newest = times.max().filter(|_| enough);
            groups.push(newest);
        }
        newest(&member, &groups)
    }
}

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// More than [`POLICY_BYTES_MAX`] bytes.
    #[error("the policy is longer than {POLICY_BYTES_MAX} bytes")]
    TooLong,
    /// One line.
    #[error("line {line} of the policy is not valid")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        problem: PolicyLineError,
    },
    /// Witnesses, but no word on how many of them are needed.
    #[error("the policy has witnesses and no quorum line")]
    QuorumMissing,
    /// A key that serves twice.
    #[error("the keys of the policy cannot be used together")]
    Keys(#[source] KeySetError),
}

/// What is wrong with a line of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyLineError {
    /// A control character other than tab.
    #[error("the line has a control character")]
    ControlCharacter,
    /// The first word is none of log, witness, group and quorum.
    #[error("a line begins with log, witness, group, quorum or #")]
    Keyword,
    /// Words are missing or too many.
    #[error("the line has too few or too many words")]
    Words,
    /// The vkey.
    #[error("the key is not valid")]
    Key(#[source] KeyError),
    /// A witness's key for a log, or the other way round.
    #[error("the key is not of the type that such a line needs")]
    KeyType,
    /// The public key stands in an earlier line of the same sort.
    #[error("the key stands in the policy already")]
    KeyTwice,
    /// The name is defined already, or is `none`.
    #[error("the name is taken")]
    NameTaken,
    /// No line above defines the name.
    #[error("no line above defines {0}")]
    NameUnknown(String),
    /// The name is a member of a group already.
    #[error("{0} is a member of a group already")]
    MemberTwice(String),
    /// Not `any`, `all` or a number from 1 to the number of members.
    #[error("the threshold is not any, all or a number from 1 to that of the members")]
    Threshold,
    /// A second quorum line.
    #[error("the policy has a quorum already")]
    QuorumTwice,
    /// More than [`POLICY_ITEMS_MAX`] of a sort.
    #[error("the policy has more than {POLICY_ITEMS_MAX} lines of this sort")]
    TooMany,
}

/// Why a note does not satisfy a policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyRefusal {
    /// The note itself, or a signature in it.
    #[error("the checkpoint is not valid under the policy's keys")]
    Note(#[source] NoteError),
    /// No key of the policy signed for this origin.
    #[error("no log of the policy signed the checkpoint of {0}")]
    NoLogSignature(Origin),
    /// Too few cosignatures.
    #[error("the checkpoint lacks cosignatures that the policy's quorum needs")]
    NoQuorum,
}

/// A witness or a group, by its place in the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// Who has to cosign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quorum {
    Nobody,
    Member(Member),
}

/// Members of which so many have to agree.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    threshold: usize,
    members: Vec<Member>,
}

/// The reserved name of the quorum that asks for nothing.
const NONE: &str = "none";

/// What the lines so far define.
#[derive(Default)]
struct Draft {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Option<Quorum>,
}

impl Draft {
    fn read(&mut self, line: &str) -> Result<(), PolicyLineError> {
        if line.contains(|c: char| c != '\t' && c.is_ascii_control()) {
            return Err(PolicyLineError::ControlCharacter);
        }
        // Space and tab only: other white space may be part of a name.
        let words: Vec<&str> = line.split([' ', '\t']).filter(|w| !w.is_empty()).collect();
        match *words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", vkey] => self.log(vkey, None),
            ["log", vkey, url] => self.log(vkey, Some(url)),
            ["witness", name, vkey] => self.witness(name, vkey, None),
            ["witness", name, vkey, url] => self.witness(name, vkey, Some(url)),
            ["group", name, threshold, ref members @ ..] if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            ["quorum", name] => self.quorum(name),
            ["log" | "witness" | "group" | "quorum", ..] => Err(PolicyLineError::Words),
            _ => Err(PolicyLineError::Keyword),
        }
    }

    fn log(&mut self, vkey: &str, url: Option<&str>) -> Result<(), PolicyLineError> {
        let others = self.logs.iter().map(|log| &log.key);
        let key = new_key(vkey, KeyKind::Log, others)?;
        let url = url.map(str::to_owned);
        self.logs.push(PolicyLog { key, url });
        Ok(())
    }

    fn witness(
        &mut self,
        name: &str,
        vkey: &str,
        url: Option<&str>,
    ) -> Result<(), PolicyLineError> {
        let name = self.new_name(name)?;
        let others = self.witnesses.iter().map(|witness| &witness.key);
        let key = new_key(vkey, KeyKind::Witness, others)?;
        let url = url.map(str::to_owned);
        self.witnesses.push(PolicyWitness { name, key, url });
        Ok(())
    }

    fn group(
        &mut self,
        name: &str,
        threshold: &str,
        names: &[&str],
    ) -> Result<(), PolicyLineError> {
        let name = self.new_name(name)?;
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            let member = self.defined(name)?;
            let mut groups = self.groups.iter();
            let taken = groups.any(|group| group.members.contains(&member));
            if taken || members.contains(&member) {
                return Err(PolicyLineError::MemberTwice((*name).to_owned()));
            }
            members.push(member);
        }
        let threshold = match threshold {
            "any" => Some(1),
            "all" => Some(members.len()),
            number => text::decimal(number).and_then(|k| usize::try_from(k).ok()),
        };
        let threshold = threshold
            .filter(|k| (1..=members.len()).contains(k))
            .ok_or(PolicyLineError::Threshold)?;
        if self.groups.len() == POLICY_ITEMS_MAX {
            return Err(PolicyLineError::TooMany);
        }
        self.groups.push(Group {
            name,
            threshold,
            members,
        });
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Result<(), PolicyLineError> {
        if self.quorum.is_some() {
            return Err(PolicyLineError::QuorumTwice);
        }
        self.quorum = Some(match name {
            NONE => Quorum::Nobody,
            name => Quorum::Member(self.defined(name)?),
        });
        Ok(())
    }

    fn finish(self) -> Result<Policy, PolicyError> {
        // A forgotten line must not make witnesses worthless.
        if self.quorum.is_none() && !self.witnesses.is_empty() {
            return Err(PolicyError::QuorumMissing);
        }
        let policy = Policy {
            logs: self.logs,
            witnesses: self.witnesses,
            groups: self.groups,
            quorum: self.quorum.unwrap_or(Quorum::Nobody),
        };
        check_key_set(&policy.keys()).map_err(PolicyError::Keys)?;
        Ok(policy)
    }

    fn find(&self, name: &str) -> Option<Member> {
        let witness = self.witnesses.iter().position(|one| one.name == name);
        let group = || self.groups.iter().position(|one| one.name == name);
        witness
            .map(Member::Witness)
            .or_else(|| group().map(Member::Group))
    }

    fn defined(&self, name: &str) -> Result<Member, PolicyLineError> {
        self.find(name)
            .ok_or_else(|| PolicyLineError::NameUnknown(name.to_owned()))
    }

    fn new_name(&self, name: &str) -> Result<String, PolicyLineError> {
        if name == NONE || self.find(name).is_some() {
            return Err(PolicyLineError::NameTaken);
        }
        Ok(name.to_owned())
    }
}

/// A key of this kind that none of the others is.
fn new_key<'a>(
    vkey: &str,
    kind: KeyKind,
    mut others: impl ExactSizeIterator<Item = &'a VerifierKey>,
) -> Result<VerifierKey, PolicyLineError> {
    if others.len() >= POLICY_ITEMS_MAX {
        return Err(PolicyLineError::TooMany);
    }
    let key = VerifierKey::parse(vkey).map_err(PolicyLineError::Key)?;
    if key.kind() != kind {
        return Err(PolicyLineError::KeyType);
    }
    if others.any(|other| other.public_key() == key.public_key()) {
        return Err(PolicyLineError::KeyTwice);
    }
    Ok(key)
}
