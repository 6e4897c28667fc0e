//! What each type of identifier is for, in words: what it allows its holder, and what not.
//!
//! **Source:** keyssi specification §3 (field table), §6.

use keyssi::{KeySsi, SsiKind};

/// What a type is for.
pub(crate) struct Meaning {
    /// What it is.
    pub(crate) what: &'static str,
    /// What its holder can do.
    pub(crate) allows: &'static [&'static str],
    /// What its holder cannot do, or should know.
    pub(crate) denies: &'static [&'static str],
}

/// Whether the identifier must be kept secret. Types that nobody has finished are taken for
/// secret.
pub(crate) fn is_secret(ssi: &KeySsi) -> bool {
    match ssi.kind() {
        SsiKind::SZa
        | SsiKind::CZa
        | SsiKind::Path
        | SsiKind::HashLink
        | SsiKind::SignedHashLink
        | SsiKind::Transfer
        | SsiKind::Zat
        | SsiKind::Token
        | SsiKind::Alias
        | SsiKind::Size
        | SsiKind::PublicKey
        | SsiKind::Consensus => false,
        // Seed, sread, const, array, wallet, se, vs, own, oread hold keys; embed holds data.
        _ => true,
    }
}

/// The meaning of a type.
pub(crate) fn of(kind: SsiKind) -> Meaning {
    match kind {
        SsiKind::Seed | SsiKind::SRead | SsiKind::SZa | SsiKind::Path => signed(kind),
        SsiKind::Const | SsiKind::CZa | SsiKind::Array | SsiKind::Wallet => constant(kind),
        SsiKind::HashLink | SsiKind::SignedHashLink | SsiKind::Transfer => value(kind),
        SsiKind::SymmetricKey | SsiKind::Embed | SsiKind::Size | SsiKind::Versionless => {
            content(kind)
        }
        _ => other(kind),
    }
}

fn signed(kind: SsiKind) -> Meaning {
    match kind {
        SsiKind::Seed => Meaning {
            what: "the owner's key of a DSU",
            allows: &[
                "read every version, past and future",
                "write new versions and sign them",
                "make the read-only key (sread) for others",
                "hand the DSU over to another key",
            ],
            denies: &["be called back: whoever holds it is the owner"],
        },
        SsiKind::SRead => Meaning {
            what: "a read-only key of a DSU",
            allows: &[
                "read every version, past and future, and the DSUs mounted in it",
                "verify who signed its history",
            ],
            denies: &[
                "write or sign",
                "find out the owner's key",
                "be called back once it is given away",
            ],
        },
        SsiKind::SZa => Meaning {
            what: "the public name of a DSU: its anchor id",
            allows: &["find the history of the DSU and verify its signatures"],
            denies: &["read the content", "write or sign"],
        },
        _ => Meaning {
            what: "a place in a slot of keys, which leads to a seed",
            allows: &["with the private key of the slot, all that the seed allows"],
            denies: &["anything without the key of the slot"],
        },
    }
}

fn constant(kind: SsiKind) -> Meaning {
    const ALLOWS: &[&str] = &[
        "read the DSU",
        "store its one version, if nobody has done so",
    ];
    const GUESS: &[&str] = &[
        "change the DSU once it is stored",
        "resist guessing: who guesses the texts has the key",
    ];
    match kind {
        SsiKind::Const => Meaning {
            what: "the key of a constant DSU, which has one version",
            allows: ALLOWS,
            denies: &[
                "change the DSU once it is stored",
                "resist guessing, if it was made from a text",
            ],
        },
        SsiKind::CZa => Meaning {
            what: "the public name of a constant DSU: its anchor id",
            allows: &["find the one version of the DSU"],
            denies: &[
                "read the content",
                "prove who stored it: constant anchors are not signed",
            ],
        },
        SsiKind::Array => Meaning {
            what: "the key of a constant DSU, computed from a list of texts",
            allows: ALLOWS,
            denies: GUESS,
        },
        _ => Meaning {
            what: "the key of a wallet, computed from a list of texts",
            allows: &["read the wallet's constant DSU, and through it all that the wallet holds"],
            denies: GUESS,
        },
    }
}

fn value(kind: SsiKind) -> Meaning {
    match kind {
        SsiKind::SignedHashLink => Meaning {
            what: "an anchor value: one version of a DSU, signed by its owner",
            allows: &[
                "fetch the encrypted brick map of the version",
                "verify the signature, with the anchor id and the value before it",
            ],
            denies: &["read the content"],
        },
        SsiKind::HashLink => Meaning {
            what: "a link to a brick: the value of a constant anchor, or a part of a file",
            allows: &["fetch the encrypted brick and check it"],
            denies: &["read the content", "prove who made it: it is not signed"],
        },
        _ => Meaning {
            what: "an anchor value that hands a DSU over to another key",
            allows: &["verify who handed it over, with the anchor id and the value before it"],
            denies: &["read the content", "write without the new private key"],
        },
    }
}

fn content(kind: SsiKind) -> Meaning {
    match kind {
        SsiKind::SymmetricKey => Meaning {
            what: "the key of one brick",
            allows: &["open that brick"],
            denies: &["find the brick", "open any other"],
        },
        SsiKind::Embed => Meaning {
            what: "data inside an identifier",
            allows: &["read these data"],
            denies: &["read anything else"],
        },
        SsiKind::Size => Meaning {
            what: "the size of a big file and of its chunks",
            allows: &["find the chunk that holds a byte"],
            denies: &["read the content"],
        },
        _ => Meaning {
            what: "a DSU without versions",
            allows: &["read the DSU", "replace it as a whole"],
            denies: &["prove who wrote it: it has no history and no signatures"],
        },
    }
}

fn other(kind: SsiKind) -> Meaning {
    match kind {
        SsiKind::PublicKey => Meaning {
            what: "a public key",
            allows: &["verify signatures of its owner"],
            denies: &["sign", "read anything"],
        },
        SsiKind::Own => Meaning {
            what: "the owner's key of a token",
            allows: &["prove that one owns the token"],
            denies: &["be used by today's software beyond that: the type was never completed"],
        },
        SsiKind::ORead | SsiKind::Zat | SsiKind::Token => Meaning {
            what: "a part of a token: its reader, its name, or its amount",
            allows: &["name the token"],
            denies: &["be used by today's software beyond that: the type was never completed"],
        },
        SsiKind::Alias => Meaning {
            what: "another name",
            allows: &["look up what it stands for, where it is registered"],
            denies: &["read or write anything"],
        },
        SsiKind::Consensus => Meaning {
            what: "the name of a contract",
            allows: &["name the contract"],
            denies: &["read or write anything"],
        },
        _ => Meaning {
            what: "an identifier of a type that was never completed",
            allows: &[],
            denies: &["be used by any software"],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyssi::SsiFields;

    #[test]
    fn every_type_with_a_key_is_secret_and_has_a_meaning() {
        for kind in SsiKind::ALL {
            let ssi = KeySsi::new(kind, SsiFields::default()).unwrap();
            let has_key = ssi.private_key().is_ok() || kind.can_sign() && kind != SsiKind::Path;
            assert!(!has_key || is_secret(&ssi), "{kind}");
            assert!(!of(kind).denies.is_empty(), "{kind}");
        }
    }
}
