//! One connection to the server, plain or over TLS. One thread sends while another receives.

use std::io::{self, Read, Write};
use std::net::{Shutdown, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::{Pipeline, Value as RespValue};
use rustls::ClientConnection;
use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use super::super::options::{Address, Settings};
use super::reply_parser::ReplyParser;
use super::tls;

/// Bytes that the system gets at once. `sent` is counted in such steps.
const CHUNK: usize = 64 << 10;
/// Bytes that a round trip receives at once.
const ROUND_TRIP_BUFFER: usize = 16 << 10;

/// A connected socket.
pub(crate) struct Connection {
    socket: Socket,
    /// A receiver waits on the socket without this lock, so that a sender never waits for a reply.
    tls: Option<Mutex<ClientConnection>>,
    /// The position in the stream behind which nothing was sent.
    sent: AtomicU64,
}

impl Connection {
    /// Connects before `deadline`, and shakes hands for TLS.
    pub(crate) fn connect(settings: &Settings, deadline: Instant) -> io::Result<Connection> {
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
        Ok(Connection { socket, tls: tls.map(Mutex::new), sent: AtomicU64::new(0) })
    }

    /// Sends all of `bytes`. Only one thread may send at a time.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        for chunk in bytes.chunks(CHUNK) {
            // Counted before it is sent, so that no byte that the server may have counts as unsent.
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

    /// How many bytes may have been sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Waits for bytes, no longer than the timeout, and gives them to `take`. False at the end of the stream.
    pub(crate) fn receive(&self, buffer: &mut [u8], take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
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

    pub(crate) fn set_receive_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.socket.set_read_timeout(Some(timeout))
    }

    /// Sends commands and receives their replies before `deadline`. Only for a connection that carries nothing else. A
    /// server that hangs up may say why first: the replies are that error alone then.
    pub(crate) fn round_trip(&self, pipe: &Pipeline, deadline: Instant) -> io::Result<Vec<RespValue>> {
        // The server may have hung up already.
        let sent = self.send(&pipe.get_packed_pipeline());
        let mut replies = Vec::new();
        match self.receive_all(pipe.len(), &mut replies, deadline) {
            Ok(()) => Ok(replies),
            Err(_) if matches!(replies.as_slice(), [RespValue::ServerError(_)]) => Ok(replies),
            Err(error) => sent.and(Err(error)),
        }
    }

    fn receive_all(&self, count: usize, replies: &mut Vec<RespValue>, deadline: Instant) -> io::Result<()> {
        let mut parser = ReplyParser::default();
        let mut buffer = vec![0; ROUND_TRIP_BUFFER];
        let mut malformed = false;
        while replies.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.set_receive_timeout(left.max(Duration::from_millis(1)))?;
            let open = self.receive(&mut buffer, &mut |bytes| malformed |= parser.feed(bytes, replies).is_err())?;
            if malformed {
                return Err(io::Error::other("the server does not speak Redis"));
            }
            if !open {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Ends the connection, also for a thread that sends or receives.
    pub(crate) fn shut(&self) {
        // The connection may have ended already.
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
