//! What is said on a new connection before its first call.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Pipeline, ServerError, Value as Answer};

use super::super::fault::{ENGINE, unreachable};
use super::super::options::Settings;
use super::super::script::COMMIT;
use super::connection::{SharedWire, Wire};
use super::reply_parser::Replies;
use crate::error::{Code, Error, Result};

/// The oldest major version of a server that has every command used here (PEXPIRETIME).
const MIN_MAJOR: u64 = 7;

/// How the server knows a connection: what `CLIENT KILL` needs to hit it and no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    id: String,
    address: String,
    /// The server process, if it tells.
    run: Option<String>,
}

impl Identity {
    /// What the server calls the connection.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// A connection ready for calls.
pub struct Established {
    pub wire: SharedWire,
    pub identity: Option<Identity>,
}

/// What is known of a connection that the server was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// It was not told.
    Nothing,
    /// It may have been another process that had it.
    AnyProcess,
    SameProcess,
}

/// Connects, logs in and makes ready, within `patience`.
pub fn establish(settings: &Settings, patience: Duration) -> Result<Established> {
    let place = &settings.address;
    let failed = |error: &io::Error| {
        let cause = Error::new(Code::Connection, describe(error)).caused_by(&error.kind());
        unreachable(place, Some(&cause)).caused_by(&error.kind())
    };
    let deadline = Instant::now() + patience;
    let wire = Wire::connect(settings, deadline).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Error::new(Code::InvalidArgument, error.to_string()).in_engine(ENGINE),
        _ => failed(&error),
    })?;
    let mut protocol = 3;
    let replies = loop {
        let pipe = greeting(settings, protocol);
        let replies = ask(&wire, &pipe, deadline).map_err(|error| failed(&error))?;
        match replies.first() {
            Some(Answer::ServerError(text)) if protocol == 3 && knows_no_hello(text) => protocol = 2,
            _ => break replies,
        }
    };
    let version = check_version(replies.get(INFO));
    let refusal = [0, 1, replies.len() - 1].into_iter().find_map(|index| match replies.get(index) {
        Some(Answer::ServerError(text)) => Some(login_refused(place, text)),
        Some(_) => None,
        None => Some(unreachable(place, None)),
    });
    if let Some(error) = refusal {
        return Err(error);
    }
    version?;
    // Not before the login: the server hangs up on strangers who send as much. Without it, the first commit brings the source.
    let mut script = redis::pipe();
    script.cmd("SCRIPT").arg("LOAD").arg(COMMIT.source);
    ask(&wire, &script, deadline).map_err(|error| failed(&error))?;
    let run = replies.get(INFO).and_then(text).and_then(|text| line(text, "run_id:"));
    let identity = replies.get(CLIENT).and_then(|reply| identity(reply, run));
    Ok(Established { wire: Arc::new(wire), identity })
}

/// Where these replies stand among those to a greeting.
const CLIENT: usize = 2;
const INFO: usize = 3;

/// The first commands of a connection. The first one logs in, where a password is given.
fn greeting(settings: &Settings, protocol: u8) -> Pipeline {
    let mut pipe = redis::pipe();
    let user = settings.username.as_deref().unwrap_or("default");
    match (protocol, &settings.password) {
        (3, None) => pipe.cmd("HELLO").arg(3),
        (3, Some(password)) => pipe.cmd("HELLO").arg(3).arg("AUTH").arg(user).arg(password),
        (_, None) => pipe.cmd("PING"),
        (_, Some(password)) => pipe.cmd("AUTH").arg(user).arg(password),
    };
    pipe.cmd("SELECT").arg(settings.db);
    pipe.cmd("CLIENT").arg("INFO");
    pipe.cmd("INFO").arg("server");
    pipe.cmd("PING");
    pipe
}

/// True for the refusal of a server or proxy that does not speak the newer protocol.
fn knows_no_hello(reply: &ServerError) -> bool {
    let text = reply.details().unwrap_or_default();
    reply.code() == "NOPROTO" || (reply.code() == "ERR" && text.to_ascii_lowercase().contains("unknown command"))
}

/// Tells the server to end the connection `before`, so that what of it is still unread cannot be carried out after newer calls.
pub fn pack_kill(pipe: &mut Pipeline, before: Option<&Identity>, now: Option<&Identity>) -> Kill {
    let Some(before) = before else { return Kill::Nothing };
    let same = match (&before.run, now.and_then(|now| now.run.as_ref())) {
        (Some(before), Some(now)) if before == now => true,
        // What another process had, ended with it.
        (Some(_), Some(_)) => return Kill::Nothing,
        _ => false,
    };
    // Every client of a unix socket has the same address: the id alone may be another's after a restart.
    let unix = before.address.starts_with('/');
    if unix && !same {
        return Kill::Nothing;
    }
    pipe.cmd("CLIENT").arg("KILL").arg("ID").arg(&before.id);
    if !unix {
        pipe.arg("ADDR").arg(&before.address);
    }
    if same { Kill::SameProcess } else { Kill::AnyProcess }
}

/// Sends commands over a connection that carries nothing else, and receives their replies before `deadline`.
pub fn ask(wire: &Wire, pipe: &Pipeline, deadline: Instant) -> io::Result<Vec<Answer>> {
    wire.send(&pipe.get_packed_pipeline())?;
    receive(wire, pipe.len(), deadline)
}

/// The system's own words, but for those that only say that time ran out.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "connecting took too long".into(),
        io::ErrorKind::UnexpectedEof => "the connection was closed while it was made".into(),
        _ => error.to_string(),
    }
}

/// Receives `count` replies before `deadline`.
fn receive(wire: &Wire, count: usize, deadline: Instant) -> io::Result<Vec<Answer>> {
    let mut parser = Replies::default();
    let mut replies = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    let mut garbled = false;
    while replies.len() < count {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        wire.set_receive_timeout(left.max(Duration::from_millis(1)))?;
        let open = wire.receive(&mut buffer, &mut |bytes| garbled |= parser.feed(bytes, &mut replies).is_err())?;
        if garbled {
            return Err(io::Error::other("the server does not speak Redis"));
        }
        if !open {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(replies)
}

/// A refused login. The server's sentence is dropped: an old server repeats the password in it.
fn login_refused(place: &impl std::fmt::Display, reply: &ServerError) -> Error {
    let (word, text) = (reply.code(), reply.details().unwrap_or_default());
    let (code, message) = match word {
        "WRONGPASS" => (Code::Connection, "the server does not accept the username or password; check them"),
        "NOAUTH" => (Code::Connection, "the server wants a password; set password, and username if it has users"),
        "NOPERM" => (Code::Connection, "the user may not use this connection; check its ACL"),
        "LOADING" => (Code::Connection, "the server is still loading its data"),
        "NOPROTO" => (Code::NotSupported, "the server is too old; Redis 7.0 or newer is needed"),
        // A server without passwords that is given one, a database out of range, a server without HELLO.
        "ERR" if text.contains("without any password") => {
            (Code::Connection, "the server has no password but one was given; remove it")
        }
        "ERR" if text.contains("DB index") => (Code::InvalidArgument, "the server has no database of this number"),
        "ERR" if text.contains("unknown command") => {
            (Code::NotSupported, "the server is too old; Redis 7.0 or newer is needed")
        }
        _ => (Code::Connection, "the server refused the connection"),
    };
    Error::new(code, format!("cannot use redis at {place}: {message}")).caused_by(&word).in_engine(ENGINE)
}

/// NOT_SUPPORTED for a server older than 7.0. A server that does not tell its version is believed.
fn check_version(info: Option<&Answer>) -> Result<()> {
    let version = info.and_then(text).and_then(|text| line(text, "redis_version:"));
    let major = version.and_then(|version| version.split('.').next()?.parse::<u64>().ok());
    match major {
        Some(major) if major < MIN_MAJOR => {
            Err(Error::new(Code::NotSupported, "the server is too old; Redis 7.0 or newer is needed").in_engine(ENGINE))
        }
        _ => Ok(()),
    }
}

/// What stands behind `name` in a text of lines.
fn line(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(|text| text.trim().to_owned())
}

/// A text, in either protocol's form.
pub fn text(reply: &Answer) -> Option<&str> {
    match reply {
        Answer::BulkString(text) => std::str::from_utf8(text).ok(),
        Answer::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

/// The connection's id and address, from `CLIENT INFO`.
fn identity(reply: &Answer, run: Option<String>) -> Option<Identity> {
    let text = text(reply)?;
    let field = |name: &str| text.split_ascii_whitespace().find_map(|field| field.strip_prefix(name)).map(String::from);
    Some(Identity { id: field("id=")?, address: field("addr=")?, run })
}
