//! Addresses without what may be a secret in them, to be shown.

use crate::config::Config;

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
    /// The configuration with the user, the password and the query of each address replaced, and
    /// the path of a chain's; says whether there was any.
    #[must_use]
    pub fn redacted(&self) -> (Self, bool) {
        let mut shown = self.clone();
        for domain in &mut shown.domains {
            for witness in &mut domain.log.witnesses {
                *witness = redact(witness, Shown::WithPath);
            }
            if let Some(adapter) = &mut domain.adapter {
                adapter.url = redact(&adapter.url, Shown::WithPath);
            }
            if let Some(evm) = &mut domain.evm {
                evm.rpc = redact(&evm.rpc, Shown::Host);
            }
        }
        shown.otlp.endpoint = redact(&shown.otlp.endpoint, Shown::WithPath);
        let is_redacted = shown != *self;
        (shown, is_redacted)
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
