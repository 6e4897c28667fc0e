//! The admin listener of a running node: where it is, the credential, and what its answers mean.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, Client, Method, StatusCode, header};
use serde_json::Value;
use url::{Host, Url};
use zeroize::Zeroizing;

use super::AdminArgs;
use crate::common::Common;
use crate::exit::{Exit, Failure};

/// The longest wait for an answer. Waiting for writes in flight takes up to half a minute.
const ANSWER_TIME_MAX: Duration = Duration::from_mins(1);
/// The longest wait for a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// The longest answer, in bytes: a page of the audit log.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The file with the credential, in the data folder.
const TOKEN_FILE: &str = "admin-token";

/// A node that is administered.
pub(crate) struct AdminNode {
    http: Client,
    base: Url,
    token: Zeroizing<String>,
    /// Where the token came from, as people are told.
    token_place: String,
}

/// One of the services that are administered: a node, or a half of it.
pub(crate) struct Service {
    /// What people are told of where it is.
    pub(crate) name: String,
    pub(crate) node: AdminNode,
}

impl Service {
    /// All services that the options name: those of the data folder, or the one at the address.
    ///
    /// # Errors
    /// As [`AdminNode::find`], but for several services.
    pub(super) fn find(args: &AdminArgs, common: &Common) -> Result<Vec<Self>, Failure> {
        let authorities = common.certificates()?;
        let found = match &args.url {
            Some(url) => vec![(String::new(), url.clone())],
            None => running(args)?,
        };
        let services = found.into_iter().map(|(name, url)| {
            let node = AdminNode::at(parse(&url)?, &token_file(args), authorities.clone())?;
            let name = format!("{url} ({name})");
            Ok(Self { name, node })
        });
        services.collect()
    }
}

impl AdminNode {
    /// The node that the options name.
    ///
    /// # Errors
    /// [`Exit::Unreachable`] when no node runs on the data folder, [`Exit::Local`] when the token
    /// cannot be read, [`Exit::Usage`] for a malformed address; those of `--ca-file`.
    pub(super) fn find(args: &AdminArgs, common: &Common) -> Result<Self, Failure> {
        let authorities = common.certificates()?;
        let base = match &args.url {
            Some(url) => parse(url)?,
            None => the_only(args)?,
        };
        Self::at(base, &token_file(args), authorities)
    }

    /// The process that serves a store (`anchors` or `bricks`) of the data folder; `None` when none
    /// with an admin listener does.
    ///
    /// # Errors
    /// As [`AdminNode::find`].
    pub(crate) fn serving(data: &Path, store: &str) -> Result<Option<Self>, Failure> {
        let found = addresses(data)?.into_iter().find(|(name, _)| {
            // A process of both services is named after neither.
            !name.ends_with("-anchors") && !name.ends_with("-bricks")
                || name.ends_with(&format!("-{store}"))
        });
        // What a node writes into its data folder is the address of a listener without TLS.
        let at = |address: String| {
            let token = data.join(TOKEN_FILE);
            Self::at(parse(&address)?, &token, Vec::new())
        };
        found.map(|(_, address)| at(address)).transpose()
    }

    /// `authorities` are believed besides those of this machine: a proxy may speak TLS before the
    /// listener.
    fn at(base: Url, path: &Path, authorities: Vec<Certificate>) -> Result<Self, Failure> {
        let token = node::load_key_file(path).map_err(|error| {
            Failure::new(Exit::Local, "the admin token cannot be used")
                .because(error)
                .next("name the node's data folder with --data, or a file with --token-file")
        })?;
        // Another one may be in use already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Only our own address is asked; a proxy would see the token.
        let builder = || {
            Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIME_MAX)
                .timeout(ANSWER_TIME_MAX)
        };
        // A machine without a list of authorities can still ask in clear, and those that the given
        // ones vouch for.
        let http = builder()
            .tls_certs_merge(authorities.clone())
            .build()
            .or_else(|_| builder().tls_certs_only(authorities).build())
            .map_err(|error| {
                Failure::new(Exit::Local, "no connection can be prepared")
                    .because(error)
                    .next("check the certificates of authorities: those of this machine and --ca-file")
            })?;
        Ok(Self {
            http,
            base,
            token,
            token_place: path.display().to_string(),
        })
    }

    /// `GET` of a path below `/admin/v1/`.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None).await
    }

    /// `DELETE` of a path below `/admin/v1/`.
    pub(crate) async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::DELETE, path, None).await
    }

    /// A request with a JSON body.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Value, Failure> {
        self.ask(method, path, Some(body)).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let url = format!("{}admin/v1/{path}", self.base);
        let bearer = Zeroizing::new(format!("Bearer {}", *self.token));
        let mut request = self.http.request(method, url);
        request = request.header(header::AUTHORIZATION, bearer.as_str());
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        let unreachable = |error: reqwest::Error| {
            Failure::new(Exit::Unreachable, format!("{} does not answer", self.base))
                .because(error.without_url())
                .next("check that the node runs, and its address: --data or --url")
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let body = bounded(answer).await?.map_err(unreachable)?;
        let value: Option<Value> = serde_json::from_slice(&body).ok();
        let Some(value) = value else {
            return Err(self.foreign());
        };
        if status.is_success() {
            return Ok(value);
        }
        let message = value.get("message").and_then(Value::as_str);
        Err(message.map_or_else(
            || self.foreign(),
            |message| self.refused(path, status, message),
        ))
    }

    /// What answers is no admin listener.
    fn foreign(&self) -> Failure {
        let message = format!("what answers at {} is no admin listener of kiln", self.base);
        Failure::new(Exit::Protocol, message)
            .next("check the address: the node prints it as `admin on http://…` when it starts")
    }

    /// What a refusal of a path below `/admin/v1/` means.
    fn refused(&self, path: &str, status: StatusCode, message: &str) -> Failure {
        if status == StatusCode::UNAUTHORIZED {
            let text = format!(
                "the node at {} does not take the credential in {}: {message}",
                self.base, self.token_place
            );
            return Failure::new(Exit::WrongKey, text)
                .next("is it another node's? name the right data folder with --data, or a file with --token-file");
        }
        let (exit, next) = match status.as_u16() {
            403 => (
                Exit::WrongKey,
                "use the admin token, or a key with the role",
            ),
            404 if path.starts_with("keys/") => {
                (Exit::NotFound, "`kiln admin keys list` shows the keys")
            }
            404 => (
                Exit::NotFound,
                "`kiln admin status` and `kiln admin domains list` show what is there",
            ),
            409 => (Exit::Conflict, "look at what is there, then decide"),
            400 | 413 | 415 => (Exit::Usage, "correct what was given"),
            429 | 503 | 507 => (
                Exit::Refused,
                "try again later, or mend what the message says",
            ),
            _ => (Exit::Refused, "look at the node's log"),
        };
        Failure::new(exit, message).next(next)
    }
}

async fn bounded(
    mut answer: reqwest::Response,
) -> Result<Result<Vec<u8>, reqwest::Error>, Failure> {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(piece)) if body.len() + piece.len() <= ANSWER_BYTES_MAX => {
                body.extend_from_slice(&piece);
            }
            Ok(Some(_)) => {
                return Err(Failure::new(Exit::Protocol, "the answer is endless")
                    .next("check the address of the node"));
            }
            Ok(None) => return Ok(Ok(body)),
            Err(error) => return Ok(Err(error)),
        }
    }
}

fn parse(text: &str) -> Result<Url, Failure> {
    let refused = |why: &str| {
        Failure::new(
            Exit::Usage,
            format!("the address of the admin listener {why}"),
        )
        .next("give --url as in http://127.0.0.1:8081")
    };
    let mut url = Url::parse(text).map_err(|error| refused("is malformed").because(error))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refused(
            "does not begin with http:// or https:// and a host",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("holds a user or a password")
            .next("take them out of --url; the credential is read from --token-file"));
    }
    if url.scheme() == "http" && !is_here(&url) {
        return Err(refused(
            "is on another machine, and the credential would cross the network in clear",
        )
        .next(
            "come in through `ssh -L 8081:127.0.0.1:PORT HOST` or `kubectl port-forward`, and \
                 give --url http://127.0.0.1:8081",
        ));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The admin listeners of the processes that run on a data folder.
fn addresses(data: &Path) -> Result<Vec<(String, String)>, Failure> {
    node::admin_addresses(data).map_err(|error| {
        let data = data.display();
        Failure::io(
            format!("the address of the admin listener in {data}"),
            error,
        )
    })
}

fn token_file(args: &AdminArgs) -> PathBuf {
    let own = || args.data.join(TOKEN_FILE);
    args.token_file.clone().unwrap_or_else(own)
}

/// The address of the one node that runs on the data folder.
fn the_only(args: &AdminArgs) -> Result<Url, Failure> {
    let found = running(args)?;
    if let [(_, address)] = found.as_slice() {
        return parse(address);
    }
    let found = found.iter();
    let list: Vec<_> = found
        .map(|(name, address)| format!("{address} ({name})"))
        .collect();
    let data = args.data.display();
    let message = format!("several services run on {data}: {}", list.join(", "));
    Err(Failure::new(Exit::Usage, message).next("name one of them with --url"))
}

/// The names and addresses of what runs on the data folder; at least one.
fn running(args: &AdminArgs) -> Result<Vec<(String, String)>, Failure> {
    let data = args.data.display();
    if !args.data.is_dir() {
        return Err(
            Failure::new(Exit::Local, format!("there is no data folder {data}"))
                .next("name the node's data folder with --data, or its admin listener with --url"),
        );
    }
    let found = addresses(&args.data)?;
    if found.is_empty() {
        let message = format!("no node with an admin listener runs on {data}");
        return Err(Failure::new(Exit::Unreachable, message).next(
            "start it; if it runs, see that admin.listen is not empty, or name it with --url",
        ));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_listeners() {
        assert_eq!(
            parse("http://127.0.0.1:1").unwrap().as_str(),
            "http://127.0.0.1:1/"
        );
        assert_eq!(
            parse("https://ops.example/k").unwrap().as_str(),
            "https://ops.example/k/"
        );
        for bad in ["", "127.0.0.1:8081", "ftp://host", "http://"] {
            assert_eq!(parse(bad).unwrap_err().exit(), Exit::Usage, "{bad}");
        }
    }

    #[test]
    fn the_credential_is_never_sent_in_clear_to_another_machine() {
        for good in [
            "http://localhost:1",
            "http://127.0.0.9:1",
            "http://[::1]:1",
            "https://elsewhere.example",
        ] {
            parse(good).unwrap();
        }
        for bad in [
            "http://elsewhere.example",
            "http://192.0.2.1:8081",
            "http://[2001:db8::1]",
            "http://localhost.evil.example",
            "https://me@ops.example",
            "https://me:secret@ops.example",
        ] {
            let refused = parse(bad).unwrap_err();
            assert_eq!(refused.exit(), Exit::Usage, "{bad}");
            assert!(!format!("{refused:?}").contains("secret"), "{bad}");
        }
    }
}
