//! A progress bar on stderr, where stderr is a terminal; nothing elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{self, Output, Talk};

const BYTES_KNOWN: &str = "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
const BYTES_UNKNOWN: &str = "{msg} {spinner} {bytes} {bytes_per_sec}";

/// How far a command has come. Cheap to clone; clones are the same bar.
#[derive(Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    output: Output,
}

impl Progress {
    pub(crate) fn new(output: Output) -> Self {
        let is_shown = output.talk == Talk::All && std::io::stderr().is_terminal();
        let target = if is_shown {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            output,
        }
    }

    /// Begins to show `what` is done, of so many bytes if that is known.
    pub(crate) fn begin(&self, what: &str, total_bytes: Option<u64>) {
        let template = match total_bytes {
            Some(total) => {
                self.bar.set_length(total);
                BYTES_KNOWN
            }
            None => BYTES_UNKNOWN,
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.set_message(what.to_owned());
    }

    /// So many bytes more are done.
    pub(crate) fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Says something on stderr without tearing the bar.
    pub(crate) fn remark(&self, text: &str) {
        self.bar.suspend(|| self.output.say(text));
    }

    /// Warns on stderr without tearing the bar.
    pub(crate) fn warn(&self, text: &str) {
        self.bar.suspend(|| output::warn(text));
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
