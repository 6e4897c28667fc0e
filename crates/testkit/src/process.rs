//! A server process under test: started, watched, ended.
//!
//! No process outlives the value that stands for it: dropping [`NodeProcess`]
//! kills and reaps the child. Every wait has an end.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::binaries::{self, Binary, BinaryError};

/// Longest wait for the `listening on` line. Opening a store takes well under
/// a second; a machine that is busy compiling takes longer.
const READY_WAIT: Duration = Duration::from_mins(1);
/// Longest wait for a process to end after it was asked to.
const EXIT_WAIT: Duration = Duration::from_mins(1);
/// How often a wait for the end looks.
const EXIT_POLL: Duration = Duration::from_millis(5);
/// Lines of standard error that are kept for messages.
const STDERR_LINES_MAX: usize = 200;
/// What a server prints on standard output when it accepts connections: ours, and `anvil`.
const READY_PREFIXES: [&str; 3] = [
    "listening on http://",
    "listening on https://",
    "Listening on ",
];

/// What to start: a program, its arguments and what to add to its environment.
#[derive(Debug, Clone)]
pub struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    stderr_file: Option<PathBuf>,
}

impl Launch {
    /// One of the project's binaries, built first when that is needed.
    ///
    /// # Errors
    /// [`ProcessError::Binary`] when there is no such binary.
    pub fn of(binary: Binary) -> Result<Self, ProcessError> {
        Ok(Self::program(binaries::path(binary)?))
    }

    /// Any program.
    #[must_use]
    pub fn program(program: PathBuf) -> Self {
        Self {
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
            stderr_file: None,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Sets one environment variable for the child.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let pair = (OsString::from(name), value.as_ref().to_owned());
        self.environment.push(pair);
        self
    }

    /// Standard error of a [`NodeProcess`] goes into this file, whole; none of it is in messages then.
    #[must_use]
    pub fn stderr_to(mut self, file: &Path) -> Self {
        self.stderr_file = Some(file.to_owned());
        self
    }

    /// `kiln serve` on a free loopback port, on the data folder `data`, with
    /// the configuration file `config` when one is given.
    ///
    /// # Errors
    /// [`ProcessError::Binary`] when `kiln` cannot be built.
    pub fn kiln_serve(data: &Path, config: Option<&Path>) -> Result<Self, ProcessError> {
        let launch = Self::of(Binary::Kiln)?.arg("serve");
        let launch = launch.arg("--listen").arg("127.0.0.1:0");
        let launch = launch.arg("--data").arg(data);
        Ok(match config {
            Some(file) => launch.arg("--config").arg(file),
            None => launch,
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.envs(self.environment.iter().cloned());
        command.stdin(Stdio::null());
        command
    }

    /// Starts the program and kills it (SIGKILL) after `life`, however far it has come by then.
    ///
    /// # Errors
    /// [`ProcessError::Io`] when it cannot be started.
    pub fn run_for(&self, life: Duration) -> Result<(), ProcessError> {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        thread::sleep(life);
        end(&mut child);
        Ok(())
    }

    /// Runs the program to its end and gives its exit status and output.
    ///
    /// # Errors
    /// [`ProcessError::Io`] when it cannot be started or read,
    /// [`ProcessError::StillRunning`] when it does not end within a minute (it
    /// is killed then).
    pub fn run(&self) -> Result<Output, ProcessError> {
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().map(read_all);
        let stderr = child.stderr.take().map(read_all);
        let Some(status) = wait_for_exit(&mut child, EXIT_WAIT)? else {
            end(&mut child);
            return Err(ProcessError::StillRunning);
        };
        Ok(Output {
            status,
            stdout: stdout.and_then(|it| it.join().ok()).unwrap_or_default(),
            stderr: stderr.and_then(|it| it.join().ok()).unwrap_or_default(),
        })
    }
}

/// Why a process could not be started, watched or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The binary could not be built or found.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// The operating system refused.
    #[error("the operating system refused")]
    Io(#[from] io::Error),
    /// The process ended, or said nothing in time, before it was listening.
    #[error("{program} is not listening: {reason}; its standard error:\n{stderr}")]
    NotReady {
        /// The program.
        program: String,
        /// What happened instead.
        reason: String,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// The process did not end in time after it was asked to.
    #[error("the process did not end in time and was killed")]
    StillRunning,
}

/// A running server.
#[derive(Debug)]
pub struct NodeProcess {
    child: Child,
    address: SocketAddr,
    /// What it prints on standard output after its first address.
    lines: Mutex<mpsc::Receiver<String>>,
    stderr: Arc<Mutex<VecDeque<String>>>,
}

impl NodeProcess {
    /// Starts the server and waits until it says that it is listening.
    ///
    /// # Errors
    /// [`ProcessError::NotReady`] with what the process wrote to standard error
    /// when the line `listening on http://…` does not come within a minute.
    pub fn start(launch: &Launch) -> Result<Self, ProcessError> {
        let mut command = launch.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(file) = &launch.stderr_file {
            let file = File::options().create(true).append(true).open(file)?;
            command.stderr(file);
        }
        let mut child = command.spawn()?;
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        let stderr_reader = child.stderr.take().map(|pipe| {
            let kept = Arc::clone(&stderr);
            thread::spawn(move || keep_tail(pipe, &kept))
        });
        let (sender, receiver) = mpsc::channel();
        if let Some(pipe) = child.stdout.take() {
            // The thread reads on after the line, so that the child never
            // blocks on a full pipe.
            thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        // From here on the value owns the child: a failure below kills it.
        let unready = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut node = Self {
            child,
            address: unready,
            lines: Mutex::new(receiver),
            stderr,
        };
        match node.next_address(|line| address_in(line, &READY_PREFIXES)) {
            Ok(address) => node.address = address,
            Err(reason) => {
                end(&mut node.child);
                finish(stderr_reader.as_ref());
                return Err(ProcessError::NotReady {
                    program: launch.program.display().to_string(),
                    reason,
                    stderr: node.stderr_tail(),
                });
            }
        }
        Ok(node)
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where else it listens: the address in its next line `<name> on http://…`.
    ///
    /// # Errors
    /// What happened instead, when no such line comes within a minute.
    pub fn further_address(&self, name: &str) -> Result<SocketAddr, String> {
        let prefix = format!("{name} on http://");
        self.next_address(|line| address_in(line, &[prefix.as_str()]))
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The last lines that the process wrote to standard error.
    #[must_use]
    pub fn stderr_tail(&self) -> String {
        let kept = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Asks the process to read its files again (SIGHUP).
    ///
    /// # Errors
    /// [`ProcessError::Io`] when the operating system refuses.
    pub fn hang_up(&self) -> Result<(), ProcessError> {
        self.signal(Signal::HUP)
    }

    /// Sends the process a signal.
    ///
    /// # Errors
    /// [`ProcessError::Io`] when the operating system refuses.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        // Not reaped yet, so the id still names this child and no other.
        kill_process(Pid::from_child(&self.child), signal).map_err(io::Error::from)?;
        Ok(())
    }

    /// Stops the process without ending it and waits until none of its threads runs.
    ///
    /// # Errors
    /// [`ProcessError::Io`] when the operating system refuses.
    pub(crate) fn freeze(&self) -> Result<(), ProcessError> {
        self.signal(Signal::STOP)?;
        // A process that has ended is left for `wait` to reap.
        let until = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(&self.child)), until).map_err(io::Error::from)?;
        Ok(())
    }

    /// The address in the first line that has one, of those that nobody has read.
    fn next_address(
        &self,
        address_in: impl Fn(&str) -> Option<SocketAddr>,
    ) -> Result<SocketAddr, String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + READY_WAIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(address) = address_in(&line) {
                        return Ok(address);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("no line with its address within {READY_WAIT:?}"));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err("it closed its standard output".to_owned());
                }
            }
        }
    }

    /// Ends the process with SIGKILL, as a power cut would, and reaps it.
    pub fn kill_hard(mut self) {
        end(&mut self.child);
    }

    /// Asks the process to end (SIGTERM) and waits for its exit status.
    ///
    /// # Errors
    /// [`ProcessError::StillRunning`] when it is still there after a minute;
    /// it is killed then.
    pub fn stop(mut self) -> Result<ExitStatus, ProcessError> {
        self.signal(Signal::TERM)?;
        wait_for_exit(&mut self.child, EXIT_WAIT)?.ok_or(ProcessError::StillRunning)
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn address_in(line: &str, prefixes: &[&str]) -> Option<SocketAddr> {
    let mut prefixes = prefixes.iter();
    let rest = prefixes.find_map(|it| line.strip_prefix(it))?;
    let authority = rest.split(['/', ' ']).next()?;
    authority.to_socket_addrs().ok()?.next()
}

/// Waits, at most a second, until the reader has seen the end of its pipe.
fn finish(reader: Option<&thread::JoinHandle<()>>) {
    let deadline = Instant::now() + Duration::from_secs(1);
    while reader.is_some_and(|it| !it.is_finished()) && Instant::now() < deadline {
        thread::sleep(EXIT_POLL);
    }
}

/// Reads lines until the pipe closes and keeps the last of them.
fn keep_tail(pipe: impl Read, kept: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == STDERR_LINES_MAX {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

fn wait_for_exit(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(EXIT_POLL);
    }
}

/// Kills and reaps; both fail only when the child has been reaped already.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Launch {
        Launch::program(PathBuf::from("sh")).arg("-c").arg(script)
    }

    #[test]
    fn the_address_is_read_from_the_line() {
        let address = address_in("listening on http://127.0.0.1:4321", &READY_PREFIXES).unwrap();
        assert_eq!(address, SocketAddr::from(([127, 0, 0, 1], 4321)));
        assert_eq!(
            address_in("listening on http://127.0.0.1:1/x", &READY_PREFIXES).map(|it| it.port()),
            Some(1)
        );
        let address = address_in("Listening on 127.0.0.1:4321", &READY_PREFIXES).unwrap();
        assert_eq!(address.port(), 4321);
        assert!(address_in("serving http://127.0.0.1:4321", &READY_PREFIXES).is_none());
        assert!(address_in("listening on http://nowhere", &READY_PREFIXES).is_none());
    }

    #[test]
    fn a_process_is_asked_to_end_and_its_status_is_given() {
        let script = "trap 'exit 7' TERM; echo booting; echo listening on http://127.0.0.1:9; while :; do sleep 0.01; done";
        let node = NodeProcess::start(&shell(script)).unwrap();
        assert_eq!(node.address().port(), 9);
        assert_eq!(node.stop().unwrap().code(), Some(7));
    }

    #[test]
    fn a_process_that_never_listens_shows_its_standard_error() {
        let error = NodeProcess::start(&shell("echo out of luck >&2; exit 3")).unwrap_err();
        assert!(
            matches!(&error, ProcessError::NotReady { stderr, .. } if stderr == "out of luck"),
            "{error}"
        );
    }

    #[test]
    fn nothing_is_left_after_drop_or_a_hard_kill() {
        let script = "trap '' TERM; echo listening on http://127.0.0.1:9; exec sleep 600";
        for hard in [true, false] {
            let node = NodeProcess::start(&shell(script)).unwrap();
            let pid = Pid::from_raw(i32::try_from(node.pid()).unwrap()).unwrap();
            if hard {
                node.kill_hard();
            } else {
                drop(node);
            }
            assert!(rustix::process::test_kill_process(pid).is_err());
        }
    }

    #[test]
    fn a_program_runs_to_its_end() {
        let launch = shell("printf %s \"$WORD\"; echo no >&2; exit 2").env("WORD", "yes");
        let output = launch.run().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(output.stdout, b"yes");
        assert_eq!(output.stderr, b"no\n");
    }
}
