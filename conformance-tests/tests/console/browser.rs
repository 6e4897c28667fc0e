//! The browser: `drive.mjs` as a process, with the console in it.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::tools;

/// Width and height of a screen in CSS pixels, and which palette its owner likes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) scheme: &'static str,
}

/// What every view is tried on.
pub(crate) const SCREENS: [Screen; 3] = [
    Screen {
        name: "light",
        width: 1200,
        height: 800,
        scheme: "light",
    },
    Screen {
        name: "dark",
        width: 1200,
        height: 800,
        scheme: "dark",
    },
    // The narrowest telephone that is still sold.
    Screen {
        name: "phone",
        width: 360,
        height: 740,
        scheme: "light",
    },
];

/// A running browser. It ends when the value is dropped.
pub(crate) struct Browser {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Browser {
    /// Starts it for the console at `address`, and opens the page on a fresh profile.
    pub(crate) fn start(address: SocketAddr, screen: Screen) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console/drive.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(tools::node_modules()?)
            .arg(tools::chromium()?)
            .arg(format!("http://{address}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("the browser's driver needs Node.js 20 or newer as `node` on the PATH")?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("no standard output")?;
        let mut browser = Self {
            child,
            input,
            output: BufReader::new(output),
        };
        browser.open(screen)?;
        Ok(browser)
    }

    /// Opens the page on a fresh profile; gives the status and the headers of the page.
    pub(crate) fn open(&mut self, screen: Screen) -> Result<Value> {
        let Screen {
            width,
            height,
            scheme,
            ..
        } = screen;
        self.order(&json!({
            "order": "open", "width": width, "height": height, "scheme": scheme
        }))
    }

    /// Signs in and waits for the first figures.
    pub(crate) fn sign_in(&mut self, credential: &str) -> Result<()> {
        self.order(&json!({
            "order": "fill", "label": "Admin token or API key", "text": credential
        }))?;
        self.click("Sign in")
    }

    /// Goes to a view by its tab.
    pub(crate) fn view(&mut self, name: &str) -> Result<()> {
        self.order(&json!({ "order": "view", "name": name }))
            .map(drop)
    }

    /// Presses the button of this name.
    pub(crate) fn click(&mut self, name: &str) -> Result<()> {
        self.order(&json!({ "order": "click", "name": name }))
            .map(drop)
    }

    /// Presses a button in the section with this heading.
    pub(crate) fn click_in(&mut self, section: &str, name: &str) -> Result<()> {
        self.order(&json!({ "order": "click", "name": name, "section": section }))
            .map(drop)
    }

    /// Presses a button of the open dialog.
    pub(crate) fn answer(&mut self, name: &str) -> Result<()> {
        self.order(&json!({ "order": "answer", "name": name }))
            .map(drop)
    }

    /// Lets the page ask the node again.
    pub(crate) fn beat(&mut self) -> Result<()> {
        self.order(&json!({ "order": "beat" })).map(drop)
    }

    /// What a reader of the page has before him.
    pub(crate) fn read(&mut self) -> Result<Value> {
        self.order(&json!({ "order": "read" }))
    }

    /// One order of `drive.mjs`.
    pub(crate) fn order(&mut self, order: &Value) -> Result<Value> {
        let input = self.input.as_mut().context("the browser was ended")?;
        writeln!(input, "{order}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(!line.is_empty(), "{order}: the browser has ended");
        let mut answer: Value = serde_json::from_str(&line)?;
        if let Some(error) = answer["error"].as_str() {
            bail!("{order}: {error}");
        }
        Ok(answer["result"].take())
    }

    /// That the page asked nobody at all.
    pub(crate) fn check_silent(&mut self) -> Result<()> {
        let seen = self.order(&json!({ "order": "seen" }))?;
        ensure!(seen["requests"] == 0, "{seen}");
        Ok(())
    }

    /// That the page asked nobody but its node, kept to its policy and met no error.
    pub(crate) fn check_clean(&mut self) -> Result<()> {
        let seen = self.order(&json!({ "order": "seen" }))?;
        ensure!(seen["requests"].as_u64() > Some(0), "{seen}");
        for what in ["foreign", "errors", "violations"] {
            ensure!(seen[what] == json!([]), "{what}: {seen}");
        }
        Ok(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its orders ends the driver, which ends the browser.
        drop(self.input.take());
        let mut rest = String::new();
        while self.output.read_line(&mut rest).is_ok_and(|read| read > 0) {}
        let _ = self.child.wait();
    }
}
