//! A redis-server for one test: on a free port, in a folder of its own. It is stopped when it is dropped.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use holdfast_core::engine::redis::RedisOptions;
use tempfile::TempDir;

pub(crate) struct RedisServer {
    child: Child,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    args: Vec<String>,
}

impl RedisServer {
    /// Starts a server that keeps nothing on disk. `args` are further options of its command line.
    pub(crate) fn start(args: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let port = free_port();
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let child = spawn(port, &folder, &args);
        let mut server = RedisServer { child, port, folder, args };
        server.await_answer();
        server
    }

    /// Kills the server as a crash would, and starts another one on its port.
    pub(crate) fn crash_and_restart(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Starts a server in the place of one that was killed.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.port, &self.folder, &self.args);
        self.await_answer();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// Stops the server without ending it, as if its machine hung.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(status.expect("kill").success());
    }

    /// The server's answer to one command, in the bytes of the protocol.
    pub(crate) fn raw(&self, args: &[&[u8]]) -> Vec<u8> {
        raw(self.port, args).expect("an answer")
    }

    fn await_answer(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while raw(self.port, &[b"PING"]).is_none_or(|reply| reply.starts_with(b"-LOADING")) {
            assert!(self.child.try_wait().expect("wait").is_none(), "redis-server ended at once");
            assert!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // A stopped process is killed, too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes the user of the documentation on a server, for one key prefix. Returns what logs in as that user.
pub(crate) fn documented_user(server: &RedisServer, prefix: &str) -> impl Fn(RedisOptions) -> RedisOptions + use<> {
    let page = include_str!("../../../docs/engines/redis.md");
    let (_, command) = page.split_once("redis-cli ACL SETUSER ").expect("the page has the command");
    let (command, _) = command.split_once("```").expect("the command ends");
    let words: Vec<String> = command
        .split_ascii_whitespace()
        .filter(|word| *word != "\\")
        .map(|word| word.trim_matches('\'').replace("shop:", prefix))
        .collect();
    let command: Vec<&[u8]> = [&b"ACL"[..], b"SETUSER"].into_iter().chain(words.iter().map(String::as_bytes)).collect();
    assert_eq!(server.raw(&command), b"+OK\r\n");
    |options| RedisOptions { username: Some("shop".into()), password: Some("secret".into()), ..options }
}

fn spawn(port: u16, folder: &TempDir, args: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--daemonize", "no", "--dir"])
        .arg(folder.path())
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn raw(port: u16, args: &[&[u8]]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let mut command = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        command.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        command.extend_from_slice(arg);
        command.extend_from_slice(b"\r\n");
    }
    stream.write_all(&command).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut reply = vec![0; 64 << 10];
    let mut length = 0;
    // The answers are short, so a pause ends them.
    loop {
        match stream.read(reply.get_mut(length..)?) {
            Ok(0) | Err(_) => break,
            Ok(count) => length += count,
        }
        stream.set_read_timeout(Some(Duration::from_millis(20))).ok()?;
    }
    reply.truncate(length);
    (length > 0).then_some(reply)
}
