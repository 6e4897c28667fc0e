//! The registered types of identifiers and what each can do.
//!
//! **Source:** keyssi specification §3 (field table).

use std::fmt;
use std::str::FromStr;

/// The type of an identifier. Names in text are case-sensitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SsiKind {
    /// `seed`: a private key; owns a DSU.
    Seed,
    /// `sread`: reads what a seed owns.
    SRead,
    /// `sza`: names the anchor of a seed and verifies its signatures.
    SZa,
    /// `path`: a seed computed from a key slot and a path.
    Path,
    /// `const`: the key of a DSU that has one version only.
    Const,
    /// `cza`: names the anchor of a constant DSU.
    CZa,
    /// `array`: a constant key computed from a list of texts.
    Array,
    /// `wallet`: the same for a wallet.
    Wallet,
    /// `pass`: meant as a constant key from a password; unusable (§3.4).
    Pass,
    /// `hl`: an unsigned link to a brick map.
    HashLink,
    /// `shl`: a signed link to a brick map.
    SignedHashLink,
    /// `transfer`: hands an anchor to another key.
    Transfer,
    /// `own`: owns a token.
    Own,
    /// `oread`: reads what an `own` owns.
    ORead,
    /// `zat`: names a token and its owner.
    Zat,
    /// `token`: an amount or serial number and its owner.
    Token,
    /// `se`: the symmetric key of one brick.
    SymmetricKey,
    /// `embed`: data inside the identifier.
    Embed,
    /// `alias`: another name.
    Alias,
    /// `size`: total and chunk size of a big file.
    Size,
    /// `vs`: a DSU without versions.
    Versionless,
    /// `pk`: a public key.
    PublicKey,
    /// `consensus`: a contract.
    Consensus,
    /// `secret`: of the unfinished family (§3.8).
    Secret,
    /// `anchor`: of the unfinished family (§3.8).
    Anchor,
    /// `read`: of the unfinished family (§3.8).
    Read,
    /// `public`: of the unfinished family (§3.8).
    Public,
    /// `za`: of the unfinished family (§3.8).
    Za,
}

/// Families of types that share an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SsiFamily {
    /// Signed anchors: `seed`, `sread`, `sza`, `path`.
    Seed,
    /// Constant anchors: `const`, `cza`, `array`, `wallet`.
    Const,
    /// Values of anchors: `hl`, `shl`.
    HashLink,
}

impl SsiFamily {
    /// The name that the reference gives the family.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seed => "seedSSIFamily",
            Self::Const => "constSSIFamily",
            Self::HashLink => "hlSSIFamily",
        }
    }
}

impl SsiKind {
    /// All types.
    pub const ALL: [Self; 28] = [
        Self::Seed,
        Self::SRead,
        Self::SZa,
        Self::Path,
        Self::Const,
        Self::CZa,
        Self::Array,
        Self::Wallet,
        Self::Pass,
        Self::HashLink,
        Self::SignedHashLink,
        Self::Transfer,
        Self::Own,
        Self::ORead,
        Self::Zat,
        Self::Token,
        Self::SymmetricKey,
        Self::Embed,
        Self::Alias,
        Self::Size,
        Self::Versionless,
        Self::PublicKey,
        Self::Consensus,
        Self::Secret,
        Self::Anchor,
        Self::Read,
        Self::Public,
        Self::Za,
    ];

    /// The name in identifiers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::SRead => "sread",
            Self::SZa => "sza",
            Self::Path => "path",
            Self::Const => "const",
            Self::CZa => "cza",
            Self::Array => "array",
            Self::Wallet => "wallet",
            Self::Pass => "pass",
            Self::HashLink => "hl",
            Self::SignedHashLink => "shl",
            Self::Transfer => "transfer",
            Self::Own => "own",
            Self::ORead => "oread",
            Self::Zat => "zat",
            Self::Token => "token",
            Self::SymmetricKey => "se",
            Self::Embed => "embed",
            Self::Alias => "alias",
            Self::Size => "size",
            Self::Versionless => "vs",
            Self::PublicKey => "pk",
            Self::Consensus => "consensus",
            Self::Secret => "secret",
            Self::Anchor => "anchor",
            Self::Read => "read",
            Self::Public => "public",
            Self::Za => "za",
        }
    }

    /// The family, for the types that report one.
    #[must_use]
    pub const fn family(self) -> Option<SsiFamily> {
        match self {
            Self::Seed | Self::SRead | Self::SZa | Self::Path => Some(SsiFamily::Seed),
            Self::Const | Self::CZa | Self::Array | Self::Wallet => Some(SsiFamily::Const),
            Self::HashLink | Self::SignedHashLink => Some(SsiFamily::HashLink),
            _ => None,
        }
    }

    /// True for types that can produce signatures (`path` through its seed).
    #[must_use]
    pub const fn can_sign(self) -> bool {
        matches!(self, Self::Seed | Self::Path | Self::Own)
    }

    /// True unless anchors of the type never take a second entry. A flag of the
    /// type only: most types for which it is true name no anchor at all.
    #[must_use]
    pub const fn can_append(self) -> bool {
        !matches!(self, Self::Const | Self::CZa | Self::Array | Self::Wallet)
    }

    /// True for values that carry a signature of a brick map.
    #[must_use]
    pub const fn can_be_verified(self) -> bool {
        matches!(self, Self::SignedHashLink)
    }

    /// True for the family of types whose design was never completed: they are
    /// recognised, printed and refused for every use (§3.8).
    #[must_use]
    pub const fn is_unfinished(self) -> bool {
        matches!(
            self,
            Self::Secret | Self::Anchor | Self::Read | Self::Public | Self::Za
        )
    }
}

impl FromStr for SsiKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let mut kinds = Self::ALL.into_iter();
        kinds.find(|kind| kind.name() == name).ok_or(UnknownKind)
    }
}

impl fmt::Display for SsiKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is not that of a registered type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("the type is not a registered one")]
pub struct UnknownKind;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for kind in SsiKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(kind.to_string(), kind.name());
        }
        for name in ["", "SEED", "seed ", "constructor", "default", "template"] {
            assert_eq!(name.parse::<SsiKind>(), Err(UnknownKind), "{name}");
        }
    }
}
