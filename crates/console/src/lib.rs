//! The operator's page: which files it consists of, and under which policy a browser shows them.
//!
//! The files in `dist` are built from `web` by `make console` and checked in, so that no build of a
//! binary needs npm; a test builds them again and compares (`conformance-tests --test console`). They
//! hold no secret and are the same on every node: what the page shows it asks of the admin API with
//! the credential that its reader gives it.
//!
//! **Source:** `docs/admin.md`.

use std::fmt::Write;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// What a browser lets the page do: its own scripts, styles and pictures, and requests to the node
/// that it came from. Nothing inline, nothing from elsewhere, in no frame.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// A file of the page.
#[derive(Debug)]
pub struct File {
    /// The path of a request for it.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
    /// Its `ETag`, quotes included: changes with the bytes and with nothing else.
    pub etag: String,
}

/// The file at the path of a request, compared byte for byte.
#[must_use]
pub fn file(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

static FILES: LazyLock<[File; 5]> = LazyLock::new(|| {
    let script = "text/javascript; charset=utf-8";
    [
        page(
            "/",
            "text/html; charset=utf-8",
            include_bytes!("../dist/index.html"),
        ),
        page("/console.js", script, include_bytes!("../dist/console.js")),
        page(
            "/console.css",
            "text/css; charset=utf-8",
            include_bytes!("../dist/console.css"),
        ),
        page(
            "/icon.svg",
            "image/svg+xml",
            include_bytes!("../dist/icon.svg"),
        ),
        // Linked from nowhere; the licences of what is in the script ask to be passed on with it.
        page(
            "/licences.txt",
            "text/plain; charset=utf-8",
            include_bytes!("../dist/licences.txt"),
        ),
    ]
});

fn page(path: &'static str, media_type: &'static str, bytes: &'static [u8]) -> File {
    let mut etag = String::from('"');
    for byte in Sha256::digest(bytes).iter().take(16) {
        // Writing to a string does not fail.
        let _ = write!(etag, "{byte:02x}");
    }
    etag.push('"');
    File {
        path,
        media_type,
        bytes,
        etag,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_built_file_is_embedded_and_has_a_tag_of_its_own() {
        let dist = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dist");
        let built: BTreeSet<Vec<u8>> = std::fs::read_dir(dist)
            .unwrap()
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .collect();
        let embedded: BTreeSet<Vec<u8>> = FILES.iter().map(|it| it.bytes.to_vec()).collect();
        assert_eq!(built, embedded);
        let tags: BTreeSet<&str> = FILES.iter().map(|it| it.etag.as_str()).collect();
        assert_eq!(tags.len(), FILES.len());
        assert!(
            tags.iter()
                .all(|tag| tag.len() == 34 && tag.starts_with('"'))
        );
    }

    #[test]
    fn only_the_paths_of_files_lead_to_one() {
        assert_eq!(file("/").unwrap().media_type, "text/html; charset=utf-8");
        for path in [
            "",
            "//",
            "/index.html",
            "/console.js/",
            "/../dist/console.js",
            "/admin/v1/status",
        ] {
            assert!(file(path).is_none(), "{path}");
        }
    }

    #[test]
    fn the_page_asks_for_nothing_that_is_not_embedded_and_holds_nothing_inline() {
        let html = std::str::from_utf8(file("/").unwrap().bytes).unwrap();
        let mut linked = 0;
        for attribute in ["src=\"", "href=\""] {
            for rest in html.split(attribute).skip(1) {
                let path = rest.split('"').next().unwrap();
                assert!(file(path).is_some(), "{path}");
                linked += 1;
            }
        }
        assert_eq!(linked, 3);
        for inline in ["<style", "style=", " on", "javascript:"] {
            assert!(!html.contains(inline), "{inline}");
        }
        assert_eq!(html.matches("<script").count(), 1);
    }
}
