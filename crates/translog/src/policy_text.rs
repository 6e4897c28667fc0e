//! The text of trust policies.
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
use crate::policy::{Group, Member, Quorum};
use crate::{KeyError, KeyKind, KeySetError, Policy, PolicyLog, PolicyWitness, VerifierKey, text};

/// The longest policy, in bytes.
pub const POLICY_BYTES_MAX: usize = 64 * 1024;

/// The most logs, the most witnesses and the most groups. C2SP recommends 32 at least.
pub const POLICY_ITEMS_MAX: usize = 128;

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

/// What [`Policy::parse`] does.
pub(crate) fn parse(text: &str) -> Result<Policy, PolicyError> {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{KeyName, LogKey, NameError, Origin, WitnessKey};

    pub(crate) fn log_key(seed: u8) -> LogKey {
        LogKey::from_seed(&Origin::parse("log.example/a").unwrap(), &[seed; 32])
    }

    pub(crate) fn witness_key(seed: u8) -> WitnessKey {
        let name = KeyName::parse(&format!("witness.example/{seed}")).unwrap();
        WitnessKey::from_seed(&name, &[seed; 32])
    }

    /// Puts vkeys for `<L1>`, a log's key, and `<W1>`, a witness's, and so on.
    pub(crate) fn policy(text: &str) -> Result<Policy, PolicyError> {
        let mut text = text.to_owned();
        for seed in 1..=6 {
            let log = log_key(seed).verifier().to_string();
            let witness = witness_key(seed).verifier().to_string();
            text = text.replace(&format!("<L{seed}>"), &log);
            text = text.replace(&format!("<W{seed}>"), &witness);
        }
        Policy::parse(&text)
    }

    #[test]
    fn what_the_lines_say_can_be_read() {
        let text = "log <L1> https://log.example/\nlog <L2>\n\
            witness a <W3>\nwitness \u{212a} <W4> http://127.0.0.1:7001\nwitness K <W5>\n\
            quorum \u{212a}\n";
        let policy = policy(text).unwrap();
        let [one, two] = policy.logs() else {
            panic!("two logs")
        };
        assert_eq!(one.url.as_deref(), Some("https://log.example/"));
        assert_eq!((&two.key, &two.url), (log_key(2).verifier(), &None));
        let [a, kelvin, k] = policy.witnesses() else {
            panic!("three witnesses")
        };
        assert_eq!((a.name.as_str(), &a.url), ("a", &None));
        assert_eq!(kelvin.url.as_deref(), Some("http://127.0.0.1:7001"));
        assert_eq!(kelvin.key, *witness_key(4).verifier());
        assert_eq!(k.name, "K");
    }

    #[test]
    fn each_wrong_line_is_named() {
        use PolicyLineError as Wrong;
        let start = "log <L1>\nwitness a <W1>\nwitness b <W2>\ngroup g any a\n";
        let check = |line: &str, expected: Wrong| {
            let refused = policy(&format!("{start}{line}\nquorum none\n")).unwrap_err();
            let problem = expected;
            assert_eq!(refused, PolicyError::Line { line: 5, problem });
        };
        for line in ["log <L3>\r", "# \0", "\u{7f}", "log\u{b}<L3>"] {
            check(line, Wrong::ControlCharacter);
        }
        for line in [
            "Log <L3>",
            "logs <L3>",
            "quorum: a",
            "\u{a0}log <L3>",
            "log\u{a0}<L3>",
        ] {
            check(line, Wrong::Keyword);
        }
        for line in [
            "log",
            "log <L3> url more",
            "log <L3> # comment",
            "witness c",
            "witness c <W3> url more",
            "group",
            "group h",
            "group h any",
            "quorum",
            "quorum a b",
        ] {
            check(line, Wrong::Words);
        }
        check("log x", Wrong::Key(KeyError::Malformed));
        check("witness <W3> c", Wrong::Key(KeyError::Malformed));
        check("log +x+y", Wrong::Key(KeyError::Name(NameError::Empty)));
        check("log <W3>", Wrong::KeyType);
        check("witness c <L3>", Wrong::KeyType);
        check("log <L1>", Wrong::KeyTwice);
        check("witness c <W2>", Wrong::KeyTwice);
        for name in ["a", "g", "none"] {
            check(&format!("witness {name} <W3>"), Wrong::NameTaken);
            check(&format!("group {name} any b"), Wrong::NameTaken);
        }
        for name in ["c", "none", "h", "B"] {
            check(
                &format!("group h any b {name}"),
                Wrong::NameUnknown(name.to_owned()),
            );
        }
        check("quorum c", Wrong::NameUnknown("c".to_owned()));
        check("group h any a", Wrong::MemberTwice("a".to_owned()));
        check("group h any b b", Wrong::MemberTwice("b".to_owned()));
        for threshold in [
            "0",
            "3",
            "02",
            "-1",
            "Any",
            "ALL",
            "1.",
            "18446744073709551616",
        ] {
            check(&format!("group h {threshold} b g"), Wrong::Threshold);
        }
    }

    #[test]
    fn a_policy_as_a_whole_has_to_make_sense() {
        let check = |text: &str, expected: PolicyError| {
            assert_eq!(policy(text), Err(expected), "{text}");
        };
        check("log <L1>\nwitness a <W1>\n", PolicyError::QuorumMissing);
        let line = |line, problem| PolicyError::Line { line, problem };
        let twice = "quorum none\n\nquorum none\n";
        check(twice, line(3, PolicyLineError::QuorumTwice));
        // A quorum names what stands above it.
        let below = "quorum a\nwitness a <W1>\n";
        let unknown = PolicyLineError::NameUnknown("a".to_owned());
        check(below, line(1, unknown));
        // The seeds of log 3 and witness 3 are the same.
        let name = |key: &VerifierKey| key.name().clone();
        let names = (name(log_key(3).verifier()), name(witness_key(3).verifier()));
        let shared = PolicyError::Keys(KeySetError::Shared(names.0, names.1));
        check("log <L3>\nwitness a <W3>\nquorum a\n", shared);
        let long = "#".repeat(POLICY_BYTES_MAX + 1);
        check(&long, PolicyError::TooLong);
    }

    #[test]
    fn many_items_are_taken_and_not_more() {
        let key = |seed: u8, group: u8| {
            let name = KeyName::parse("w").unwrap();
            let mut bytes = [seed; 32];
            bytes[0] = group;
            WitnessKey::from_seed(&name, &bytes).verifier().to_string()
        };
        let mut text = String::new();
        for seed in 0..128 {
            let witness = key(seed, 1);
            let member = match seed {
                0 => "w0".to_owned(),
                _ => format!("g{}", seed - 1),
            };
            let group = format!("group g{seed} all {member}\n");
            text += &[format!("witness w{seed} {witness}\n"), group].concat();
        }
        let quorum = |text: &str| Policy::parse(&format!("{text}quorum g127\n"));
        assert_eq!(quorum(&text).unwrap().witnesses().len(), POLICY_ITEMS_MAX);
        let one_more = |line: &str| {
            let problem = PolicyLineError::TooMany;
            let refused = Err(PolicyError::Line { line: 257, problem });
            assert_eq!(quorum(&format!("{text}{line}\n")), refused);
        };
        one_more(&format!("witness more {}", key(1, 2)));
        one_more("group more any w1");
    }
}
