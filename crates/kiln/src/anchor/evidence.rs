//! What a proof proves of an anchor: worked out from the proof and from what the user says alone,
//! without a node, a file or a clock.

use dsu::History;
use keyssi::{AnchorId, AnchorKind, AnchorValue, check_history};
use translog::{
    NoteError, OnChain, Op, Policy, PolicyRefusal, ProofFile, ProofFileError, VerifiedProof,
};

use crate::exit::{Exit, Failure};

/// How far a witness's clock may be ahead of ours.
const CLOCK_DIFFERENCE_S: u64 = 300;

/// What the user says beside the policy.
pub(super) struct Expected {
    /// The anchor that the proof must be about.
    pub(super) anchor: Option<AnchorId>,
    /// All values of the anchor, oldest first, plain or wrapped.
    pub(super) history: Option<Vec<String>>,
    /// The oldest newest cosignature that is taken, in seconds.
    pub(super) max_age_s: Option<u64>,
    /// The present time, POSIX seconds.
    pub(super) now_s: u64,
}

/// What is proven.
pub(super) struct Evidence {
    /// The number of the entry in the log.
    pub(super) index: u64,
    /// Entry, checkpoint and texts.
    pub(super) proof: VerifiedProof,
    pub(super) anchor: AnchorId,
    pub(super) value: AnchorValue,
    pub(super) signature: Signature,
    /// Seconds since the newest cosignature that the quorum asks for.
    pub(super) age_s: Option<u64>,
    /// What the proof says of a chain: a claim.
    pub(super) claimed: Option<OnChain>,
}

/// What is known of the signature in the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    /// It is the first version, signed by the key that the anchor id names.
    First,
    /// The one value of a constant anchor is not signed.
    Constant,
    /// The whole chain up to it was checked.
    InHistory { version: usize, versions: usize },
    /// It is signed over the version before it, which the proof does not hold.
    NeedsHistory,
}

/// Judges a proof.
///
/// # Errors
/// [`Exit::Negative`] for what does not hold, [`Exit::Forged`] for a value that its owner did not
/// sign, [`Exit::Usage`] for an age that the policy says nothing about.
pub(super) fn judge(
    file: &ProofFile,
    policy: &Policy,
    expected: &Expected,
) -> Result<Evidence, Failure> {
    let proof = file.verify(policy).map_err(|error| refused(file, error))?;
    if proof.entry.op == Op::Erased {
        return Err(negative(
            "the entry says that an opening of this anchor was erased: it is no version",
        ));
    }
    let anchor = AnchorId::parse_plain(&proof.anchor_id)
        .map_err(|error| negative("the entry does not commit to an anchor id").because(error))?;
    if let Some(expected) = &expected.anchor
        && *expected != anchor
    {
        let message = format!("the proof is about another anchor: {anchor}");
        return Err(Failure::new(Exit::Negative, message)
            .next("get the proof of the right anchor with `kiln anchor prove`"));
    }
    let value = AnchorValue::parse_stored(&proof.anchor_value)
        .map_err(|error| negative("the entry does not commit to an anchor value").because(error))?;
    let signature = match &expected.history {
        Some(values) => in_history(&anchor, &value, values)?,
        None => alone(&anchor, &value, proof.entry.op)?,
    };
    let age_s = age(proof.newest_cosignature_s, expected)?;
    Ok(Evidence {
        index: file.index,
        claimed: file.extra.as_ref().and_then(|extra| extra.chain.clone()),
        proof,
        anchor,
        value,
        signature,
        age_s,
    })
}

/// What the value says of its signature without the others.
fn alone(anchor: &AnchorId, value: &AnchorValue, op: Op) -> Result<Signature, Failure> {
    let checked = check_history(anchor, [value.clone()]);
    match (op, checked) {
        (Op::Create | Op::CreateConstant | Op::Transfer | Op::Migrate, Ok(_)) => {
            Ok(match anchor.kind() {
                AnchorKind::Signed => Signature::First,
                AnchorKind::Constant => Signature::Constant,
            })
        }
        (Op::Create | Op::CreateConstant, Err(error)) => {
            let message = "the log holds it as a first version, and the owner of the anchor did not \
                           write it so";
            Err(Failure::new(Exit::Forged, message)
                .because(error.source)
                .next(
                    "trust nothing else of this log, and tell who else uses it: this is evidence",
                ))
        }
        _ => Ok(Signature::NeedsHistory),
    }
}

/// Checks the whole chain, and that the value is in it.
fn in_history(
    anchor: &AnchorId,
    value: &AnchorValue,
    values: &[String],
) -> Result<Signature, Failure> {
    let history = History::check(anchor, values).map_err(|fault| {
        Failure::new(Exit::Forged, "the history does not hold")
            .because(fault)
            .next("get it anew with `kiln anchor show --json`")
    })?;
    let mut found = history.values().iter();
    let version = found.position(|it| it.plain() == value.plain());
    let version = version.ok_or_else(|| {
        let message = "the value of the proof is not in the history";
        Failure::new(Exit::Negative, message).next(
            "get a newer history with `kiln anchor show --json`; if it is not in that one \
                   either, the node shows another history than its log holds",
        )
    })?;
    let versions = history.len();
    Ok(Signature::InHistory { version, versions })
}

/// Seconds since the newest cosignature.
fn age(newest_s: Option<u64>, expected: &Expected) -> Result<Option<u64>, Failure> {
    let Some(newest_s) = newest_s else {
        return match expected.max_age_s {
            None => Ok(None),
            Some(_) => Err(Failure::new(
                Exit::Usage,
                "how old the checkpoint is can only be told by witnesses, and none is asked for",
            )
            .next("give a --policy with witnesses and a quorum, or leave --max-age out")),
        };
    };
    let age_s = expected.now_s.saturating_sub(newest_s);
    let Some(max_age_s) = expected.max_age_s else {
        return Ok(Some(age_s));
    };
    if newest_s > expected.now_s.saturating_add(CLOCK_DIFFERENCE_S) {
        let ahead = newest_s - expected.now_s;
        let message = format!("the newest cosignature is {ahead} s in the future");
        return Err(Failure::new(Exit::Negative, message)
            .next("set this machine's clock; if it is right, the witness's is wrong"));
    }
    if age_s > max_age_s {
        let message =
            format!("the newest cosignature is {age_s} s old, and at most {max_age_s} s are taken");
        return Err(Failure::new(Exit::Negative, message)
            .next("get the proof anew with `kiln anchor prove`"));
    }
    Ok(Some(age_s))
}

/// A proof that does not hold, and what to do about it.
fn refused(file: &ProofFile, error: ProofFileError) -> Failure {
    let next = match &error {
        ProofFileError::Policy(
            PolicyRefusal::NoLogSignature(_) | PolicyRefusal::Note(NoteError::NoKnownSignature),
        ) => {
            let origin = file.note.text().lines().next().unwrap_or_default();
            format!(
                "the proof says that it is of the log {origin}: if you trust that one, give its key; \
                 take it over a channel that you trust"
            )
        }
        ProofFileError::Policy(PolicyRefusal::NoQuorum) => {
            "get the proof anew with `kiln anchor prove` when the witnesses have cosigned"
                .to_owned()
        }
        _ => ALTERED.to_owned(),
    };
    Failure::new(Exit::Negative, "the proof does not hold")
        .because(error)
        .next(next)
}

const ALTERED: &str =
    "the file was altered, or what made it is faulty: get it anew with `kiln anchor prove`";

fn negative(message: &str) -> Failure {
    Failure::new(Exit::Negative, message).next(ALTERED)
}
