//! A TCP proxy in front of a server that can swallow what passes, or cut it off.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Bytes pass both ways.
pub const PASS: usize = 0;
/// What the server answers is thrown away, and the connection cut.
pub const CUT_REPLIES: usize = 1;
/// What the server answers is thrown away.
pub const DROP_REPLIES: usize = 2;
/// Connections are cut as soon as they are made or used.
pub const REFUSE: usize = 3;

/// What a client sends is kept back until `RELEASE`, whatever else is set meanwhile and whether it is still there.
pub const HOLD: usize = 4;
/// As `PASS`, and what was held is let go.
pub const RELEASE: usize = 5;

pub struct Proxy {
    pub port: u16,
    mode: Arc<AtomicUsize>,
}

impl Proxy {
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mode = Arc::new(AtomicUsize::new(PASS));
        let seen = mode.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", server))) else { continue };
                let (to_server, to_client) = (seen.clone(), seen.clone());
                let (Ok(client_in), Ok(server_in)) = (client.try_clone(), server.try_clone()) else { continue };
                thread::spawn(move || pump(client_in, server, &to_server, false));
                thread::spawn(move || pump(server_in, client, &to_client, true));
            }
        });
        Proxy { port, mode }
    }

    pub fn set(&self, mode: usize) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, mode: &AtomicUsize, replies: bool) {
    let mut buffer = vec![0; 4096];
    // A stream with a hole is nothing that can happen: what was dropped once is dropped to the end.
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
            _ => {}
        }
        if dropping {
            continue;
        }
        if to.write_all(buffer.get(..count).unwrap_or_default()).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
