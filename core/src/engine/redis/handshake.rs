//! What is said on a new connection before its first call.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{ServerError, Value as Answer};

use super::fault::{ENGINE, unreachable};
use super::options::Settings;
use super::replies::Replies;
use super::script::COMMIT;
use super::wire::{SharedWire, Wire};
use crate::error::{Code, Error, Result};

/// The oldest major version of a server that has every command used here (PEXPIRETIME).
const MIN_MAJOR: u64 = 7;

/// How the server knows a connection: what `CLIENT KILL` needs to hit it and no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    id: String,
    address: String,
}

/// A connection ready for calls.
pub struct Established {
    pub wire: SharedWire,
    pub identity: Option<Identity>,
}

/// Connects, logs in and makes ready, within the connect timeout.
///
/// `before` is the connection this one replaces: the server is told to forget what of it is still unread, so
/// that a write given up cannot be carried out after newer ones.
pub fn establish(settings: &Settings, before: Option<&Identity>) -> Result<Established> {
    let place = &settings.address;
    let failed = |error: &io::Error| {
        let cause = Error::new(Code::Connection, describe(error)).caused_by(&error.kind());
        unreachable(place, Some(&cause)).caused_by(&error.kind())
    };
    let deadline = Instant::now() + settings.connect_timeout;
    let wire = Wire::connect(settings).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Error::new(Code::InvalidArgument, error.to_string()).in_engine(ENGINE),
        _ => failed(&error),
    })?;
    let mut pipe = redis::pipe();
    pipe.cmd("HELLO").arg(2);
    if let Some(password) = &settings.password {
        pipe.arg("AUTH").arg(settings.username.as_deref().unwrap_or("default")).arg(password);
    }
    pipe.cmd("SELECT").arg(settings.db);
    pipe.cmd("CLIENT").arg("INFO");
    pipe.cmd("SCRIPT").arg("LOAD").arg(COMMIT.source);
    if let Some(before) = before {
        pipe.cmd("CLIENT").arg("KILL").arg("ID").arg(&before.id).arg("ADDR").arg(&before.address);
    }
    pipe.cmd("PING");
    wire.send(&pipe.get_packed_pipeline()).map_err(|error| failed(&error))?;
    let replies = receive(&wire, pipe.len(), deadline).map_err(|error| failed(&error))?;
    let refusal = |reply: Option<&Answer>| match reply {
        Some(Answer::ServerError(text)) => Some(login_refused(place, text)),
        Some(_) => None,
        None => Some(unreachable(place, None)),
    };
    let version = check_version(replies.first());
    if let Some(error) = refusal(replies.first()) {
        return Err(error);
    }
    version?;
    for index in [1, pipe.len() - 1] {
        if let Some(error) = refusal(replies.get(index)) {
            return Err(error);
        }
    }
    let identity = replies.get(2).and_then(identity);
    Ok(Established { wire: Arc::new(wire), identity })
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
fn check_version(hello: Option<&Answer>) -> Result<()> {
    let Some(Answer::Array(items)) = hello else { return Ok(()) };
    let version = items.chunks(2).find_map(|pair| match pair {
        [Answer::BulkString(name), Answer::BulkString(version)] if name == b"version" => Some(version),
        _ => None,
    });
    let major = version
        .and_then(|version| std::str::from_utf8(version).ok())
        .and_then(|version| version.split('.').next())
        .and_then(|major| major.parse::<u64>().ok());
    match major {
        Some(major) if major < MIN_MAJOR => {
            Err(Error::new(Code::NotSupported, "the server is too old; Redis 7.0 or newer is needed").in_engine(ENGINE))
        }
        _ => Ok(()),
    }
}

/// The connection's id and address, from `CLIENT INFO`.
fn identity(reply: &Answer) -> Option<Identity> {
    let Answer::BulkString(text) = reply else { return None };
    let text = std::str::from_utf8(text).ok()?;
    let field = |name: &str| text.split_ascii_whitespace().find_map(|field| field.strip_prefix(name)).map(String::from);
    let identity = Identity { id: field("id=")?, address: field("addr=")? };
    // Every client of a unix socket has the same address: the id alone may be another's after a restart.
    (!identity.address.starts_with('/')).then_some(identity)
}
