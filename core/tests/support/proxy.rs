//! A TCP proxy in front of a server. It can drop or hold the bytes that pass, and cut connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU16, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Bytes pass both ways.
pub(crate) const PASS: usize = 0;
/// The server's bytes are dropped, and the connection is cut.
pub(crate) const CUT_REPLIES: usize = 1;
/// The server's bytes are dropped.
pub(crate) const DROP_REPLIES: usize = 2;
/// Connections are cut as soon as they are made or used.
pub(crate) const REFUSE: usize = 3;

/// The client's bytes are held until `RELEASE`, even if another mode is set before or the client is gone.
pub(crate) const HOLD: usize = 4;
/// As `PASS`, and the held bytes pass.
pub(crate) const RELEASE: usize = 5;

/// As `PASS`, but `HELLO` reaches the server as a command that it does not know.
#[allow(dead_code, reason = "each test program uses a part of it")]
pub(crate) const NO_HELLO: usize = 6;

pub(crate) struct Proxy {
    pub(crate) port: u16,
    server: Arc<AtomicU16>,
    mode: Arc<AtomicUsize>,
    cut: Arc<Cut>,
    /// The directions of connections that are not ended.
    open: Arc<AtomicUsize>,
}

/// The number of bytes after which a connection is cut, for each direction. A negative number means never.
struct Cut {
    requests: AtomicI64,
    replies: AtomicI64,
    /// The next cut sets the mode `REFUSE`.
    for_good: AtomicBool,
}

impl Cut {
    fn way(&self, replies: bool) -> &AtomicI64 {
        if replies { &self.replies } else { &self.requests }
    }

    /// The number of bytes out of `count` that still pass, and true if the connection ends behind them.
    fn pass(&self, replies: bool, count: usize) -> (usize, bool) {
        let left = self.way(replies);
        let before = left.load(Ordering::SeqCst);
        if before < 0 {
            return (count, false);
        }
        let passing = usize::try_from(before).unwrap_or(usize::MAX).min(count);
        let ends = passing < count;
        let rest = before - i64::try_from(passing).unwrap_or(i64::MAX);
        left.store(if ends { -1 } else { rest }, Ordering::SeqCst);
        (passing, ends)
    }
}

impl Proxy {
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mode = Arc::new(AtomicUsize::new(PASS));
        let seen = mode.clone();
        let server = Arc::new(AtomicU16::new(server));
        let address = server.clone();
        let (requests, replies) = (AtomicI64::new(-1), AtomicI64::new(-1));
        let cut = Arc::new(Cut { requests, replies, for_good: AtomicBool::new(false) });
        let cuts = cut.clone();
        let open = Arc::new(AtomicUsize::new(0));
        let counted = open.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let server = TcpStream::connect(("127.0.0.1", address.load(Ordering::SeqCst)));
                let (Ok(client), Ok(server)) = (client, server) else { continue };
                let (to_server, to_client) = (seen.clone(), seen.clone());
                let (Ok(client_in), Ok(server_in)) = (client.try_clone(), server.try_clone()) else { continue };
                let (requests, replies) = (cuts.clone(), cuts.clone());
                let (there, back) = (counted.clone(), counted.clone());
                counted.fetch_add(2, Ordering::SeqCst);
                thread::spawn(move || {
                    pump(client_in, server, &to_server, &requests, false);
                    there.fetch_sub(1, Ordering::SeqCst);
                });
                thread::spawn(move || {
                    pump(server_in, client, &to_client, &replies, true);
                    back.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Proxy { port, server, mode, cut, open }
    }

    /// Later connections lead to another server.
    #[allow(dead_code, reason = "each test program uses a part of it")]
    pub(crate) fn lead_to(&self, server: u16) {
        self.server.store(server, Ordering::SeqCst);
    }

    /// Cuts the connection after the server has sent this number of bytes more.
    #[allow(dead_code, reason = "each test program uses a part of it")]
    pub(crate) fn cut_replies_after(&self, bytes: u32) {
        self.cut.replies.store(bytes.into(), Ordering::SeqCst);
    }

    /// Cuts the connection after the client has sent this number of bytes more.
    #[allow(dead_code, reason = "each test program uses a part of it")]
    pub(crate) fn cut_requests_after(&self, bytes: u32) {
        self.cut.requests.store(bytes.into(), Ordering::SeqCst);
    }

    /// The next cut is for good, as if the client had crashed.
    #[allow(dead_code, reason = "each test program uses a part of it")]
    pub(crate) fn cut_for_good(&self) {
        self.cut.for_good.store(true, Ordering::SeqCst);
    }

    /// Refuses connections, and waits until those that are open are cut.
    #[allow(dead_code, reason = "each test program uses a part of it")]
    pub(crate) fn cut_all(&self) {
        self.set(REFUSE);
        while self.open.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn set(&self, mode: usize) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, mode: &AtomicUsize, cut: &Cut, replies: bool) {
    let mut buffer = vec![0; 4096];
    // TCP has no stream with a hole: once bytes are dropped, all later bytes are dropped, too.
    let mut dropping = false;
    let _ = from.set_read_timeout(Some(Duration::from_millis(20)));
    loop {
        let mode_now = mode.load(Ordering::SeqCst);
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                if mode_now == REFUSE {
                    break;
                }
                continue;
            }
            Err(_) => break,
        };
        match mode.load(Ordering::SeqCst) {
            REFUSE => break,
            CUT_REPLIES if replies => break,
            DROP_REPLIES if replies => dropping = true,
            HOLD if !replies => {
                while mode.load(Ordering::SeqCst) != RELEASE {
                    thread::sleep(Duration::from_millis(2));
                }
            }
            NO_HELLO if !replies => {
                let bytes = buffer.get_mut(..count).unwrap_or_default();
                if let Some(at) = bytes.windows(5).position(|word| word == b"HELLO")
                    && let Some(last) = bytes.get_mut(at + 4)
                {
                    *last = b'X';
                }
            }
            _ => {}
        }
        if dropping {
            continue;
        }
        let (count, ends) = cut.pass(replies, count);
        if ends && cut.for_good.swap(false, Ordering::SeqCst) {
            mode.store(REFUSE, Ordering::SeqCst);
        }
        if to.write_all(buffer.get(..count).unwrap_or_default()).is_err() || ends {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
