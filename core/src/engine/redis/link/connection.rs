//! One socket to the server, plain or under TLS: one thread sends while another receives.

use std::io::{self, Read, Write};
use std::net::{Shutdown, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustls::ClientConnection;
use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use super::super::options::{Address, Settings};
use super::tls;

/// Bytes handed to the system at once; what `sent` counts in.
const CHUNK: usize = 64 << 10;

/// A connected socket.
pub struct Wire {
    socket: Socket,
    /// Receiving waits on the socket without this lock, so that sending never waits for a reply.
    tls: Option<Mutex<ClientConnection>>,
    /// Bytes the system may have been given: everything behind this position never left.
    sent: AtomicU64,
}

impl Wire {
    /// Connects, TLS included, before `deadline`.
    pub fn connect(settings: &Settings, deadline: Instant) -> io::Result<Wire> {
        let socket = match &settings.address {
            Address::Tcp { host, port } => connect_tcp(host, *port, deadline)?,
            Address::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                socket.connect(&SockAddr::unix(path)?)?;
                socket
            }
        };
        socket.set_read_timeout(Some(left(deadline)?))?;
        socket.set_write_timeout(Some(settings.command_timeout))?;
        let mut tls = match (&settings.tls, &settings.address) {
            (Some(options), Address::Tcp { host, .. }) => Some(tls::client(options, host)?),
            (Some(_), Address::Unix(_)) => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "TLS is not used over a unix socket"));
            }
            (None, _) => None,
        };
        if let Some(tls) = &mut tls {
            while tls.is_handshaking() {
                socket.set_read_timeout(Some(left(deadline)?))?;
                tls.complete_io(&mut &socket)?;
            }
        }
        Ok(Wire { socket, tls: tls.map(Mutex::new), sent: AtomicU64::new(0) })
    }

    /// Sends all of `bytes`. One thread at a time.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        for chunk in bytes.chunks(CHUNK) {
            // Counted before it goes, so that no byte the server may have is taken for unsent.
            self.sent.fetch_add(chunk.len() as u64, Ordering::AcqRel);
            match &self.tls {
                None => (&self.socket).write_all(chunk)?,
                Some(tls) => {
                    let mut tls = tls.lock();
                    tls.writer().write_all(chunk)?;
                    flush(&mut tls, &self.socket)?;
                }
            }
        }
        Ok(())
    }

    /// Bytes that may have left.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Waits for bytes, at most the timeout set, and hands them to `take`. False at the end of the stream.
    pub fn receive(&self, buffer: &mut [u8], take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let count = (&self.socket).read(buffer)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { return Ok(false) };
        let Some(tls) = &self.tls else {
            take(bytes);
            return Ok(true);
        };
        let mut tls = tls.lock();
        let mut raw = bytes;
        while !raw.is_empty() {
            tls.read_tls(&mut raw)?;
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            tls.reader().read_exact(&mut plain)?;
            take(&plain);
            if state.peer_has_closed() {
                return Ok(false);
            }
        }
        flush(&mut tls, &self.socket)?;
        Ok(true)
    }

    pub fn set_receive_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.socket.set_read_timeout(Some(timeout))
    }

    /// Ends the connection under whoever sends or receives.
    pub fn shut(&self) {
        // It may be gone already, which is what is wanted.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

fn flush(tls: &mut ClientConnection, mut socket: &Socket) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(&mut socket)?;
    }
    Ok(())
}

fn connect_tcp(host: &str, port: u16, deadline: Instant) -> io::Result<Socket> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in (host, port).to_socket_addrs()? {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        match socket.connect_timeout(&address.into(), left(deadline)?) {
            Ok(()) => {
                socket.set_tcp_nodelay(true)?;
                socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_secs(60)))?;
                return Ok(socket);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "connecting took too long"));
    }
    Ok(left)
}

/// A wire that several threads hold.
pub type SharedWire = Arc<Wire>;
