use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::super::{Issuer, OidcError, OidcIssuers, TokenFault};
use super::*;

/// An issuer with one key, `known`, at an address of its own; it is down when the task is ended.
async fn issuer() -> (OidcIssuers, Arc<KeySource>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"known","x":"{x}"}}]}}"#);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{set}",
        set.len()
    );
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut head).await.unwrap();
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let config: OidcConfig = toml::from_str(&format!(
        "issuer = \"http://{address}\"\naudience = \"node\"\njwks_uri = \"http://{address}/keys\"\nrule = []"
    ))
    .unwrap();
    let source = Arc::new(KeySource::new(&config).unwrap());
    let keys = Arc::clone(&source);
    let issuers = OidcIssuers(Arc::new(vec![Issuer { config, keys }]));
    (issuers, source, serving)
}

/// What is said of a token that names this key. Nobody signed it.
async fn judged(issuers: &OidcIssuers, key: &str) -> &'static str {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let issuer = &issuers.0[0].config.issuer;
    let parts = [
        format!(r#"{{"alg":"EdDSA","kid":"{key}"}}"#),
        format!(r#"{{"iss":"{issuer}","aud":"node","sub":"a","exp":9999999999}}"#),
        "x".repeat(64),
    ];
    let token = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    match issuers.authenticate(&token, 1).await.unwrap_err() {
        OidcError::Invalid(TokenFault::Signature) => "signature",
        OidcError::Invalid(TokenFault::UnknownKey) => "unknown key",
        OidcError::Unavailable { .. } => "unavailable",
        OidcError::Invalid(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn only_an_issuer_that_was_asked_says_that_a_key_is_none_of_its() {
    let (issuers, source, serving) = issuer().await;
    assert_eq!(judged(&issuers, "new").await, "unknown key");
    // It was asked a moment ago, and may have it by now.
    assert_eq!(judged(&issuers, "new").await, "unavailable");
    assert_eq!(judged(&issuers, "known").await, "signature");
    source.cache().asked = None;
    assert_eq!(judged(&issuers, "new").await, "unknown key");
    serving.abort();
    let _ = serving.await;
    for _ in 0..2 {
        source.cache().asked = None;
        assert_eq!(judged(&issuers, "new").await, "unavailable");
        assert_eq!(judged(&issuers, "known").await, "signature");
    }
}
