//! Trust policies: which logs are known, which witnesses, and how many of those have to agree.
//!
//! **Source:** `translog.md` §8; C2SP tlog-policy.

use thiserror::Error;

use crate::policy_text::{self, PolicyError};
use crate::{Checkpoint, Cosignature, NoteError, Origin, SignedNote, VerifierKey, verify_note};

/// Whom a reader believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(crate) logs: Vec<PolicyLog>,
    pub(crate) witnesses: Vec<PolicyWitness>,
    pub(crate) groups: Vec<Group>,
    pub(crate) quorum: Quorum,
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

/// How far a note is from the quorum of a policy. Names are those of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumStanding {
    /// What the quorum asks for, for people: `2 of a, b, (any of c, d)`; `nothing` without a quorum.
    pub asked: String,
    /// The witnesses that cosigned.
    pub have: Vec<String>,
    /// The witnesses that did not.
    pub missing: Vec<String>,
}

impl Policy {
    /// Reads a policy of at most [`POLICY_BYTES_MAX`](crate::POLICY_BYTES_MAX) bytes.
    ///
    /// # Errors
    /// [`PolicyError`] names the line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        policy_text::parse(text)
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

    /// How far a note is from the quorum. A note with a signature that does not hold has nothing.
    #[must_use]
    pub fn standing(&self, note: &SignedNote) -> QuorumStanding {
        let cosigned = verify_note(note, &self.keys()).map_or(Vec::new(), |it| it.cosigned);
        let is_by = |witness: &&PolicyWitness| cosigned.iter().any(|one| one.key == witness.key);
        let (have, missing): (Vec<_>, Vec<_>) = self.witnesses.iter().partition(is_by);
        let names = |witnesses: Vec<&PolicyWitness>| {
            let names = witnesses.into_iter().map(|witness| witness.name.clone());
            names.collect()
        };
        QuorumStanding {
            asked: self.asked(),
            have: names(have),
            missing: names(missing),
        }
    }

    /// What the quorum asks for, in words. Each member is in one group at most, so it is not long.
    fn asked(&self) -> String {
        let Quorum::Member(quorum) = self.quorum else {
            return "nothing".to_owned();
        };
        let mut groups: Vec<String> = Vec::with_capacity(self.groups.len());
        let words = |member: &Member, groups: &[String]| match *member {
            Member::Witness(index) => self.witnesses.get(index).map(|it| it.name.clone()),
            Member::Group(index) => groups.get(index).map(|group| format!("({group})")),
        };
        for group in &self.groups {
            let members: Vec<_> = group
                .members
                .iter()
                .filter_map(|one| words(one, &groups))
                .collect();
            groups.push(format!("{} of {}", group.threshold, members.join(", ")));
        }
        let asked = words(&quorum, &groups).unwrap_or_default();
        let bare = asked.strip_prefix('(').and_then(|it| it.strip_suffix(')'));
        bare.unwrap_or(&asked).to_owned()
    }

    pub(crate) fn keys(&self) -> Vec<VerifierKey> {
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
pub(crate) enum Member {
    Witness(usize),
    Group(usize),
}

/// Who has to cosign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quorum {
    Nobody,
    Member(Member),
}

/// Members of which so many have to agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) threshold: usize,
    pub(crate) members: Vec<Member>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_text::tests::{log_key, policy, witness_key};

    /// Witnesses 1 to 3 of one operator, 4 and 5 of another.
    const TWO_LEVELS: &str = "# two operators\n\
        log <L6>\n\
        witness X1 <W1>\nwitness X2 <W2>\nwitness X3 <W3>\n\
        group X 2 X1 X2 X3\n\
        witness Y1 <W4>\nwitness Y2 <W5>\n\
        group Y any Y1 Y2\n\
        group X-and-Y all X Y\n\
        quorum X-and-Y\n";

    /// A checkpoint by log 6 with cosignatures by these witnesses at these times.
    fn note(cosigned: &[(u8, u64)]) -> SignedNote {
        let checkpoint = Checkpoint {
            origin: Origin::parse("log.example/a").unwrap(),
            size: 9,
            root: [9; 32],
            extensions: Vec::new(),
        };
        let mut note = SignedNote::new(&checkpoint, log_key(6).sign(&checkpoint));
        for &(seed, time_s) in cosigned {
            let line = witness_key(seed).cosign(&checkpoint, time_s);
            note.add(line).unwrap();
        }
        note
    }

    fn check(policy_text: &str, cosigned: &[(u8, u64)], expected: Option<u64>) {
        let checked = policy(policy_text).unwrap().check(&note(cosigned));
        let expected = expected.ok_or(PolicyRefusal::NoQuorum);
        let newest = checked.map(|accepted| accepted.newest_cosignature_s.unwrap());
        assert_eq!(newest, expected, "{policy_text} {cosigned:?}");
    }

    #[test]
    fn a_quorum_of_two_levels() {
        for (cosigned, expected) in [
            (&[(1, 10), (2, 20), (4, 15)][..], Some(20)),
            (&[(1, 10), (3, 20), (5, 25)], Some(25)),
            (&[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)], Some(1)),
            (&[(1, 10), (2, 20)], None),
            (&[(1, 10), (4, 20)], None),
            (&[(4, 10), (5, 20)], None),
            (&[(4, 10), (5, 20), (2, 3)], None),
            (&[(6, 10)], None),
            (&[], None),
        ] {
            check(TWO_LEVELS, cosigned, expected);
        }
    }

    #[test]
    fn how_far_a_note_is_from_the_quorum_is_told() {
        let standing = policy(TWO_LEVELS)
            .unwrap()
            .standing(&note(&[(1, 10), (5, 7)]));
        assert_eq!(standing.asked, "2 of (2 of X1, X2, X3), (1 of Y1, Y2)");
        assert_eq!(standing.have, ["X1", "Y2"]);
        assert_eq!(standing.missing, ["X2", "X3", "Y1"]);
        let one = policy("log <L6>\nwitness a <W1>\nwitness b <W2>\nquorum b\n").unwrap();
        let standing = one.standing(&note(&[]));
        assert_eq!((standing.asked.as_str(), standing.have.len()), ("b", 0));
        let none = policy("log <L6>\nquorum none\n").unwrap();
        assert_eq!(none.standing(&note(&[])).asked, "nothing");
    }

    #[test]
    fn a_quorum_of_one_group_or_one_witness() {
        let of = |quorum: &str| {
            let witnesses = "witness a <W1>\nwitness b <W2>\nwitness c <W3>\n";
            format!("log <L6>\n{witnesses}{quorum}\n")
        };
        check(&of("quorum b"), &[(2, 7), (1, 9)], Some(7));
        check(&of("quorum b"), &[(1, 9), (3, 9)], None);
        let any = of("group g any a b c\nquorum g");
        check(&any, &[(3, 7)], Some(7));
        check(&any, &[], None);
        let all = of("group g all a b c\nquorum g");
        check(&all, &[(1, 5), (2, 6), (3, 4)], Some(6));
        check(&all, &[(1, 5), (2, 6)], None);
        let two = of("group g 2 a b c\nquorum g");
        check(&two, &[(3, 5), (1, 6)], Some(6));
        check(&two, &[(3, 5)], None);
        // What does not count makes nothing fresh: b alone is not enough of its group.
        let nested = of("group g 2 a b\ngroup h any g c\nquorum h");
        check(&nested, &[(2, 99), (3, 5)], Some(5));
    }

    #[test]
    fn without_a_quorum_the_log_is_enough() {
        for text in [
            "log <L6>\n",
            "log <L6>",
            "log <L6>\nquorum none\n",
            "log <L5>\nlog <L6>\nwitness a <W1>\nquorum none\n",
            "\tlog\t <L6>  https://log.example/ \t\n\n  # \u{e9}\n \n",
        ] {
            let accepted = policy(text).unwrap().check(&note(&[(1, 7)])).unwrap();
            assert_eq!(accepted.checkpoint.size, 9);
            assert_eq!(accepted.newest_cosignature_s, None);
        }
    }

    #[test]
    fn a_log_that_the_policy_does_not_know_is_refused() {
        let check = |text: &str, expected: PolicyRefusal| {
            let refused = policy(text).unwrap().check(&note(&[(1, 7)]));
            assert_eq!(refused, Err(expected), "{text}");
        };
        let none = PolicyRefusal::Note(NoteError::NoKnownSignature);
        check("", none.clone());
        check("log <L5>\n", none);
        let origin = Origin::parse("log.example/a").unwrap();
        let only_witnessed = PolicyRefusal::NoLogSignature(origin);
        check("witness a <W1>\nquorum a\n", only_witnessed.clone());
        check("log <L5>\nwitness a <W1>\nquorum none\n", only_witnessed);
        // A line of a known witness has to hold, even when its word is not needed.
        let mut forged = note(&[(1, 7)]);
        let mut line = forged.signatures()[1].clone();
        line.bytes[9] ^= 1;
        let bad = PolicyRefusal::Note(NoteError::BadSignature(line.name.clone()));
        forged.add(line).unwrap();
        let lenient = policy("log <L6>\nwitness a <W1>\nquorum none\n").unwrap();
        assert_eq!(lenient.check(&forged), Err(bad));
    }
}
