//! Telling the service manager (systemd's `Type=notify`, `sd_notify(3)`) when the node listens and when
//! it stops. One datagram each; without a manager nothing is sent.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The variable in which a manager says where it wants to be told.
pub(crate) const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";

/// What a manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Connections are accepted.
    Ready,
    /// No new connections; what is in flight ends.
    Stopping,
}

/// Sends the state to the socket that the manager named, if there is one. A manager that cannot be
/// told will say so itself (it waits in vain), so that a failure is only logged.
pub(crate) fn tell(socket: Option<&str>, state: State) {
    let Some(socket) = socket else { return };
    if let Err(error) = send(socket, state) {
        tracing::warn!(%error, socket, "the service manager cannot be told: {state:?}");
    }
}

fn send(socket: &str, state: State) -> io::Result<()> {
    let text: &[u8] = match state {
        State::Ready => b"READY=1",
        State::Stopping => b"STOPPING=1",
    };
    // A name that begins with '@' is in no file system.
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(text, &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_file_is_told_too() {
        let name = format!("kiln-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        send(&format!("@{name}"), State::Ready).unwrap();
        let mut buffer = [0; 32];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
    }

    #[test]
    fn a_manager_that_is_gone_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("gone").display().to_string();
        send(&socket, State::Stopping).unwrap_err();
    }
}
