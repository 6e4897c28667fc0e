//! `kiln admin quotas`.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::domains::segment;
use super::status::shown;
use super::{AdminNode, Service};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form, Output, printable};

/// Quotas: how the API calls them, how the commands do, and what is said of what is used.
const QUOTAS: [(&str, &str, &str); 10] = [
    ("requestsPerSecond", "requests-per-second", ""),
    ("requestsBurst", "requests-burst", ""),
    ("bytesUpPerDay", "bytes-up-per-day", "used today"),
    ("bytesDownPerDay", "bytes-down-per-day", "used today"),
    ("bricksPerDay", "bricks-per-day", "used today"),
    ("anchorsPerDay", "anchors-per-day", "used today"),
    ("storageBytes", "storage-bytes", "stored"),
    ("storageBricks", "storage-bricks", "stored"),
    ("anchors", "anchors", "stored"),
    ("versions", "versions", "stored"),
];

/// Commands of the quotas of domains.
#[derive(Subcommand)]
pub(super) enum QuotasCommand {
    /// Print what all callers together may use of a domain, where that was said, and what is used
    #[command(after_help = SHOW_HELP)]
    Show {
        /// Name of the domain; all domains when it is left out
        #[arg(value_name = "DOMAIN")]
        domain: Option<String>,
    },
    /// Change quotas of a domain, at once; those that are not named stay as they are
    #[command(after_help = SET_HELP)]
    Set {
        /// Name of the domain
        #[arg(value_name = "DOMAIN")]
        domain: String,
        #[command(flatten)]
        quotas: QuotaArgs,
    },
    /// Put back the quotas of the configuration
    #[command(after_help = "Example:\n  kiln admin quotas clear default")]
    Clear {
        /// Name of the domain
        #[arg(value_name = "DOMAIN")]
        domain: String,
    },
}

const SHOW_HELP: &str = "\
Examples:
  kiln admin quotas show
  kiln admin quotas show default --json

What is used today is counted only of what is limited. Of services that run apart, each shows what it
stores and counts itself.";

const SET_HELP: &str = "\
Examples:
  kiln admin quotas set default --storage-bytes 500_000_000_000
  kiln admin quotas set default --requests-per-second 100 --requests-burst none

A quota is a whole number, as in kiln.toml, or `none` for no limit. From the first `set` on all quotas
of the domain are those of the node, and the ones in kiln.toml do not count, until `clear`. What is
stored already stays, also when a quota is set below it. Services that run apart are told both.";

/// What is to be changed.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub(super) struct QuotaArgs {
    /// Requests per second in the long run
    #[arg(long, value_name = "N|none", value_parser = limit)]
    requests_per_second: Option<Limit>,
    /// Requests at once; none: as many as per second
    #[arg(long, value_name = "N|none", value_parser = limit)]
    requests_burst: Option<Limit>,
    /// Bytes of request bodies per day
    #[arg(long, value_name = "BYTES|none", value_parser = limit)]
    bytes_up_per_day: Option<Limit>,
    /// Bytes of answers per day
    #[arg(long, value_name = "BYTES|none", value_parser = limit)]
    bytes_down_per_day: Option<Limit>,
    /// New bricks per day
    #[arg(long, value_name = "N|none", value_parser = limit)]
    bricks_per_day: Option<Limit>,
    /// New anchors and versions per day
    #[arg(long, value_name = "N|none", value_parser = limit)]
    anchors_per_day: Option<Limit>,
    /// Bytes of bricks stored, in all
    #[arg(long, value_name = "BYTES|none", value_parser = limit)]
    storage_bytes: Option<Limit>,
    /// Bricks stored, in all
    #[arg(long, value_name = "N|none", value_parser = limit)]
    storage_bricks: Option<Limit>,
    /// Anchors, in all
    #[arg(long, value_name = "N|none", value_parser = limit)]
    anchors: Option<Limit>,
    /// Versions of all anchors, in all
    #[arg(long, value_name = "N|none", value_parser = limit)]
    versions: Option<Limit>,
}

/// What one quota is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    None,
    Of(u64),
}

pub(super) async fn run(command: &QuotasCommand, services: &[Service], output: Output) -> Outcome {
    match command {
        QuotasCommand::Show { domain } => show(domain.as_deref(), services, output).await,
        QuotasCommand::Set { domain, quotas } => {
            let body = json!({ "quotas": quotas.named() });
            let path = path(domain)?;
            let mut answers = Vec::new();
            for service in services {
                answers.push(service.node.send(Method::PATCH, &path, &body).await?);
            }
            done(&answers, output, &format!("domain {domain} has new quotas"))
        }
        QuotasCommand::Clear { domain } => {
            let path = path(domain)?;
            let mut answers = Vec::new();
            for service in services {
                answers.push(service.node.delete(&path).await?);
            }
            let said = format!("domain {domain} has the quotas of the configuration");
            done(&answers, output, &said)
        }
    }
}

async fn show(domain: Option<&str>, services: &[Service], output: Output) -> Outcome {
    let mut answers = Vec::new();
    for service in services {
        if output.form == Form::Text && services.len() > 1 {
            output::line(&format!("{}:", service.name))?;
        }
        let names = match domain {
            Some(domain) => vec![domain.to_owned()],
            None => names(&service.node).await?,
        };
        for name in names {
            let answer = service.node.get(&path(&name)?).await?;
            match output.form {
                Form::Json => answers.push(answer),
                Form::Text => {
                    for line in lines(&answer) {
                        output::line(&printable(&line))?;
                    }
                }
            }
        }
    }
    if output.form == Form::Json {
        output::json(&json!({ "domains": answers }))?;
    }
    Ok(Exit::Done)
}

async fn names(node: &AdminNode) -> Result<Vec<String>, Failure> {
    let answer = node.get("domains").await?;
    let domains = answer.get("domains").and_then(Value::as_array);
    let domains = domains.into_iter().flatten();
    Ok(domains.map(|domain| shown(domain.get("name"))).collect())
}

fn done(answers: &[Value], output: Output, said: &str) -> Outcome {
    match output.form {
        Form::Json => output::json(&json!({ "domains": answers }))?,
        Form::Text => output.say(said),
    }
    Ok(Exit::Done)
}

fn path(domain: &str) -> Result<String, Failure> {
    Ok(format!("domains/{}/quotas", segment(domain)?))
}

/// One line for the domain, and one for each quota that is limited or of which something is used.
fn lines(answer: &Value) -> Vec<String> {
    let source = match shown(answer.get("source")).as_str() {
        "set" => "set with `kiln admin quotas set`",
        _ => "as configured",
    };
    let mut lines = vec![format!("{}: {source}", shown(answer.get("domain")))];
    let number = |of: &str, name: &str| answer.get(of)?.get(name)?.as_u64();
    for (name, word, verb) in QUOTAS {
        let (limit, used) = (number("quotas", name), number("used", name));
        if limit.is_none() && used.is_none() {
            continue;
        }
        let limit = limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
        let line = format!("  {word:20} {limit:>20}");
        lines.push(match used {
            Some(used) => format!("{line}  {used} {verb}"),
            None => line,
        });
    }
    if lines.len() == 1 {
        lines.push("  no limits".to_owned());
    }
    lines
}

impl QuotaArgs {
    /// Those that are given, as the API calls them.
    fn named(&self) -> Map<String, Value> {
        let given = [
            self.requests_per_second,
            self.requests_burst,
            self.bytes_up_per_day,
            self.bytes_down_per_day,
            self.bricks_per_day,
            self.anchors_per_day,
            self.storage_bytes,
            self.storage_bricks,
            self.anchors,
            self.versions,
        ];
        let named = QUOTAS.iter().zip(given).filter_map(|((name, ..), limit)| {
            let limit = match limit? {
                Limit::None => Value::Null,
                Limit::Of(number) => number.into(),
            };
            Some(((*name).to_owned(), limit))
        });
        named.collect()
    }
}

impl Limit {
    /// The number, if there is a limit.
    pub(super) fn number(self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Of(number) => Some(number),
        }
    }
}

/// Reads what one quota is to be, as an option gives it.
pub(super) fn limit(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit::None);
    }
    let wrong = || {
        let most = u64::MAX;
        format!("a quota is a whole number from 0 to {most}, as in 500_000_000, or none")
    };
    let is_number = text.starts_with(|first: char| first.is_ascii_digit());
    let digits = text.replace('_', "");
    let number = digits.parse().map_err(|_| wrong())?;
    is_number.then_some(Limit::Of(number)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_a_whole_number_or_none() {
        for (text, expected) in [
            ("none", Some(Limit::None)),
            ("0", Some(Limit::Of(0))),
            ("1_000_000", Some(Limit::Of(1_000_000))),
            ("18446744073709551615", Some(Limit::Of(u64::MAX))),
            ("18446744073709551616", None),
            ("-1", None),
            ("+1", None),
            ("_1", None),
            ("", None),
            ("1.5", None),
            ("5GB", None),
            ("None", None),
        ] {
            assert_eq!(limit(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_limited_or_used_is_shown() {
        let answer = json!({
            "domain": "d", "source": "set",
            "quotas": { "storageBytes": 100, "requestsPerSecond": 5 },
            "used": { "storageBytes": 99, "storageBricks": 1 },
        });
        let expected = [
            "d: set with `kiln admin quotas set`",
            "  requests-per-second                     5",
            "  storage-bytes                         100  99 stored",
            "  storage-bricks                   no limit  1 stored",
        ];
        assert_eq!(lines(&answer), expected);
        let none = json!({ "domain": "d", "source": "configured", "quotas": {}, "used": {} });
        assert_eq!(lines(&none), ["d: as configured", "  no limits"]);
    }
}
