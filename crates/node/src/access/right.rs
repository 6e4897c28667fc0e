//! What a request needs, what a credential is given, and what the anonymous may do.
//!
//! **Source:** `docs/access.md`, which has the table of roles, rights and routes.

use std::fmt;
use std::str::FromStr;

use keyssi::Domain;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// See bricks, anchors, logs and documents.
    Read,
    /// Store bricks.
    WriteBricks,
    /// Create anchors and append to them.
    Anchor,
    /// Write versionless documents, which are unsigned: any writer overwrites any of them.
    Documents,
    /// Watch and run the node: status, read-only mode, scrubs.
    Operate,
    /// Say who may do what: domains, keys, quotas.
    Administer,
}

/// What a credential is given, in one domain or in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Read,
    /// Reads, and stores bricks.
    Write,
    /// All that a wallet does: reads, bricks, anchors, documents.
    Anchor,
    /// Runs the node; no right on data.
    Operate,
    /// Runs the node and says who may do what; no right on data.
    Administer,
}

/// What callers without a credential may do in a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnonymousPolicy {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Read, store bricks, anchor: what wallets do with what is hashed or signed.
    Anchor,
    /// Also write versionless documents.
    #[default]
    All,
}

/// The domains that a grant is for. As text: a domain's name, or `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// All domains, also those to come, and the node itself.
    All,
    /// One domain.
    Domain(Domain),
}

/// A role in one domain, or in all. As text: `<domain>:<role>` or `*:<role>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Where.
    pub domain: Scope,
    /// What.
    pub role: Role,
}

/// What a part says of a request, by its method and raw path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need<'a> {
    /// Anyone may ask.
    Open,
    /// A right in the domain that the path names. The name may be any text.
    Of {
        /// The domain as it stands in the path.
        domain: &'a str,
        /// What is needed there.
        right: Right,
    },
    /// The right is needed in domains that the path does not name: the handler asks
    /// [`Caller::require`](crate::Caller::require) for each. Who has it nowhere is refused before.
    PerItem {
        /// What is needed.
        right: Right,
    },
}

/// The text is no grant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GrantError {
    /// There is no colon.
    #[error("a grant reads DOMAIN:ROLE, for example default:anchor or *:read")]
    Shape,
    /// What stands before the colon is no domain.
    #[error("{0:?} is neither a domain nor *")]
    Domain(String),
    /// What stands behind the colon is no role.
    #[error("{0:?} is no role; the roles are read, write, anchor, operate, administer")]
    Role(String),
}

impl Right {
    /// The right as it stands in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::WriteBricks => "write bricks",
            Self::Anchor => "anchor",
            Self::Documents => "write documents",
            Self::Operate => "operate",
            Self::Administer => "administer",
        }
    }
}

impl Role {
    /// Whether the role includes the right.
    #[must_use]
    pub fn allows(self, right: Right) -> bool {
        match right {
            Right::Read => matches!(self, Self::Read | Self::Write | Self::Anchor),
            Right::WriteBricks => matches!(self, Self::Write | Self::Anchor),
            Right::Anchor | Right::Documents => self == Self::Anchor,
            Right::Operate => matches!(self, Self::Operate | Self::Administer),
            Right::Administer => self == Self::Administer,
        }
    }

    /// The role as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Anchor => "anchor",
            Self::Operate => "operate",
            Self::Administer => "administer",
        }
    }
}

impl AnonymousPolicy {
    /// Whether the anonymous have the right.
    #[must_use]
    pub fn allows(self, right: Right) -> bool {
        match right {
            Right::Read => self != Self::None,
            Right::WriteBricks | Right::Anchor => matches!(self, Self::Anchor | Self::All),
            Right::Documents => self == Self::All,
            Right::Operate | Right::Administer => false,
        }
    }
}

impl Scope {
    /// Whether the scope holds the domain.
    #[must_use]
    pub fn holds(&self, domain: &Domain) -> bool {
        match self {
            Self::All => true,
            Self::Domain(own) => own == domain,
        }
    }
}

impl Grant {
    /// Whether the grant gives the right in the domain.
    #[must_use]
    pub fn allows(&self, domain: &Domain, right: Right) -> bool {
        self.role.allows(right) && self.domain.holds(domain)
    }

    /// Why the grant gives nothing wherever it is given, if it does not.
    pub(crate) fn trouble(&self) -> Option<String> {
        let is_of_node = self.role.allows(Right::Operate);
        let is_void = is_of_node && self.domain != Scope::All;
        is_void.then(|| {
            format!(
                "{self} gives nothing: the role {role} is one in the node itself, and counts only \
                 where the domain is *, as in *:{role}",
                role = self.role
            )
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let all = [
            Self::Read,
            Self::Write,
            Self::Anchor,
            Self::Operate,
            Self::Administer,
        ];
        let found = all.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| GrantError::Role(text.to_owned()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Domain(domain) => f.write_str(domain.as_str()),
        }
    }
}

impl FromStr for Scope {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        match text {
            "*" => Ok(Self::All),
            name => name
                .parse()
                .map(Self::Domain)
                .map_err(|_| GrantError::Domain(name.to_owned())),
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = GrantError;

    fn try_from(text: String) -> Result<Self, GrantError> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.domain, self.role)
    }
}

impl FromStr for Grant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let (domain, role) = text.split_once(':').ok_or(GrantError::Shape)?;
        Ok(Self {
            domain: domain.parse()?,
            role: role.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_in_the_node_are_of_no_domain() {
        for (text, is_void) in [
            ("default:read", false),
            ("default:write", false),
            ("default:anchor", false),
            ("default:operate", true),
            ("default:administer", true),
            ("*:operate", false),
            ("*:administer", false),
        ] {
            let grant: Grant = text.parse().unwrap();
            let trouble = grant.trouble();
            assert_eq!(trouble.is_some(), is_void, "{text}");
            let (_, role) = text.split_once(':').unwrap();
            assert!(
                trouble.is_none_or(|it| it.contains(text) && it.contains(&format!("*:{role}")))
            );
        }
    }

    #[test]
    fn a_grant_is_read_as_it_is_written() {
        for text in ["default:anchor", "*:read", "a.b-c:write", "*:administer"] {
            let grant: Grant = text.parse().unwrap();
            assert_eq!(grant.to_string(), text);
            let json = serde_json::to_string(&grant).unwrap();
            assert_eq!(serde_json::from_str::<Grant>(&json).unwrap(), grant);
        }
        for (text, wrong) in [
            ("default", GrantError::Shape),
            ("..:read", GrantError::Domain("..".to_owned())),
            ("default:Read", GrantError::Role("Read".to_owned())),
            ("default:", GrantError::Role(String::new())),
        ] {
            assert_eq!(text.parse::<Grant>().unwrap_err(), wrong);
        }
        assert!(serde_json::from_str::<Grant>(r#"{"domain":"a/b","role":"read"}"#).is_err());
        assert!(serde_json::from_str::<Grant>(r#"{"domain":"a","role":"root"}"#).is_err());
    }
}
