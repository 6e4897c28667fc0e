//! Addresses without what may be a secret in them, to be shown.

use std::path::PathBuf;

use crate::config::Config;
use crate::key_file::is_key_itself;

/// What stands for a secret. No address holds it by itself.
pub(crate) const REDACTED: &str = "REDACTED";

/// Which parts of an address are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// Scheme, host, port and path.
    WithPath,
    /// Scheme, host and port: providers of chains put keys into paths.
    Host,
}

impl Config {
    /// The configuration with the user, the password and the query of each address replaced, the
    /// path of a chain's, and keys that stand where files with keys should be named; says whether
    /// there was any.
    #[must_use]
    pub fn redacted(&self) -> (Self, bool) {
        let mut shown = self.clone();
        hide_key(&mut shown.otlp.headers_file);
        for domain in &mut shown.domains {
            hide_key(&mut domain.log.key);
            hide_key(&mut domain.log.old_key);
            if let Some(served) = &mut domain.eth_adapter {
                hide_key(&mut served.token_file);
            }
            for witness in &mut domain.log.witnesses {
                *witness = redact(witness, Shown::WithPath);
            }
            if let Some(adapter) = &mut domain.adapter {
                adapter.url = redact(&adapter.url, Shown::WithPath);
                hide_key(&mut adapter.token_file);
            }
            if let Some(evm) = &mut domain.evm {
                evm.rpc = redact(&evm.rpc, Shown::Host);
                hide_key(&mut evm.account_key);
            }
        }
        shown.otlp.endpoint = redact(&shown.otlp.endpoint, Shown::WithPath);
        let is_redacted = shown != *self;
        (shown, is_redacted)
    }
}

fn hide_key(file: &mut PathBuf) {
    if is_key_itself(file) {
        *file = PathBuf::from(REDACTED);
    }
}

fn redact(address: &str, shown: Shown) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        // No address, so nothing tells which part of it is what.
        return if address.is_empty() {
            String::new()
        } else {
            REDACTED.to_owned()
        };
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{REDACTED}@{host}"),
        None => authority.to_owned(),
    };
    let path = rest.find(['?', '#']).unwrap_or(rest.len());
    let (path, query) = rest.split_at(path);
    let path = match shown {
        Shown::Host if !matches!(path, "" | "/") => format!("/{REDACTED}"),
        _ => path.to_owned(),
    };
    let query = if query.is_empty() {
        String::new()
    } else {
        format!("?{REDACTED}")
    };
    format!("{scheme}://{authority}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_collector_is_shown_without_its_query() {
        let endpoint = "https://collector.example/v1/traces?token=secret";
        let config: Config = toml::from_str(&format!("[otlp]\nendpoint = \"{endpoint}\"")).unwrap();
        let (shown, is_redacted) = config.redacted();
        let expected = "https://collector.example/v1/traces?REDACTED";
        assert_eq!(
            (shown.otlp.endpoint.as_str(), is_redacted),
            (expected, true)
        );
    }

    #[test]
    fn a_key_where_its_file_should_be_named_is_not_shown() {
        let check = |account_key: &str, expected: &str| {
            let text = format!(
                "[[domain]]\nname = \"default\"\nanchoring = \"evm-roots\"\n\
                 [domain.evm]\nrpc = \"http://127.0.0.1:8545\"\nchain_id = 1\n\
                 contract = \"0x\"\naccount_key = \"{account_key}\"\n"
            );
            let config: Config = toml::from_str(&text).unwrap();
            let (shown, is_redacted) = config.redacted();
            let text = shown.to_toml().unwrap();
            assert!(
                text.contains(&format!("account_key = \"{expected}\"")),
                "{text}"
            );
            assert_eq!(is_redacted, account_key != expected);
        };
        check("keys/account", "keys/account");
        check(&format!("0x{}", "ac09".repeat(16)), REDACTED);
    }

    #[test]
    fn what_may_be_a_secret_is_not_shown_and_the_rest_is() {
        let check = |address: &str, with_path: &str, host: &str| {
            assert_eq!(redact(address, Shown::WithPath), with_path);
            assert_eq!(redact(address, Shown::Host), host);
        };
        let plain = "http://127.0.0.1:8545";
        check(plain, plain, plain);
        check("https://h/", "https://h/", "https://h/");
        check("https://h/v3/key", "https://h/v3/key", "https://h/REDACTED");
        check(
            "https://user:pa@ss@h:1/w?key=1#x",
            "https://REDACTED@h:1/w?REDACTED",
            "https://REDACTED@h:1/REDACTED?REDACTED",
        );
        check("https://h?key", "https://h?REDACTED", "https://h?REDACTED");
        check("user:pass@h", "REDACTED", "REDACTED");
        check("", "", "");
    }
}
