//! The handshake: the login on a new connection, a look at the server, and the identity of the connection there.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Pipeline, ServerError, Value as RespValue};

use super::super::fault::unreachable;
use super::super::options::{NAME, Settings};
use super::super::reply::text;
use super::super::script::COMMIT;
use super::connection::Connection;
use super::rights::{self, COMMIT_COMMANDS};
use crate::error::{Code, Error, Result};
use crate::format::redis::Layout;

/// The oldest major version of a server that has every command used here (PEXPIRETIME).
const MIN_MAJOR: u64 = 7;

/// The identity of a connection at the server. `CLIENT KILL` needs all of it to end no other one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    id: String,
    address: String,
    /// The id of the server process, where the server tells it.
    run: Option<String>,
}

impl Identity {
    /// The id that the server gave the connection.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

/// A connection ready for calls.
pub(crate) struct Established {
    pub connection: Arc<Connection>,
    pub identity: Option<Identity>,
    /// The id of the server's process, where the server tells it.
    pub process: Option<String>,
    /// The error of every commit, if the user may not make all parts of one.
    pub no_commits: Option<Error>,
}

/// The server process of a connection that the server was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kill {
    /// The server was told nothing.
    Nothing,
    /// The connection may have belonged to an earlier process.
    AnyProcess,
    SameProcess,
}

/// Connects, logs in and loads the script that commits, within `patience`.
pub(crate) fn establish(settings: &Settings, patience: Duration) -> Result<Established> {
    let address = &settings.address;
    let failed = |error: &io::Error| {
        let cause = Error::new(Code::Connection, describe(error)).caused_by(&error.kind());
        unreachable(address, Some(&cause)).caused_by(&error.kind())
    };
    let deadline = Instant::now() + patience;
    let connection = Connection::connect(settings, deadline).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Error::new(Code::InvalidArgument, error.to_string()).in_engine(NAME),
        _ => failed(&error),
    })?;
    let mut protocol = 3;
    let replies = loop {
        let pipe = greeting(settings, protocol);
        let replies = connection.round_trip(&pipe, deadline).map_err(|error| failed(&error))?;
        match replies.first() {
            Some(RespValue::ServerError(text)) if protocol == 3 && knows_no_hello(text) => protocol = 2,
            _ => break replies,
        }
    };
    let version = check_version(replies.get(INFO));
    let refusal = [LOGIN, PING, SELECT].into_iter().find_map(|index| match replies.get(index) {
        None if index == SELECT => None,
        Some(RespValue::ServerError(text)) => Some(login_refused(address, text)),
        Some(_) => None,
        None => Some(unreachable(address, None)),
    });
    if let Some(error) = refusal {
        return Err(error);
    }
    version?;
    // Behind the login: before it, the server closes a connection that sends so much. If this fails, the first commit
    // brings the source.
    let mut script = rights::question(&Layout::new(&settings.key_prefix), COMMIT_COMMANDS);
    script.cmd("SCRIPT").arg("LOAD").arg(COMMIT.source);
    let rights = connection.round_trip(&script, deadline).map_err(|error| failed(&error))?.into_iter().next();
    let run = replies.get(INFO).and_then(text).and_then(|text| line(text, "run_id:"));
    let identity = replies.get(CLIENT).and_then(|reply| identity(reply, run.clone()));
    Ok(Established { connection: Arc::new(connection), identity, process: run, no_commits: rights::refusal(rights) })
}

/// The index of these replies among those to a greeting.
const LOGIN: usize = 0;
const CLIENT: usize = 1;
const INFO: usize = 2;
const PING: usize = 3;
const SELECT: usize = 4;

/// The first commands of a connection. The first of them logs in if there is a password.
fn greeting(settings: &Settings, protocol: u8) -> Pipeline {
    let mut pipe = redis::pipe();
    let user = settings.username.as_deref().unwrap_or("default");
    match (protocol, &settings.password) {
        (3, None) => pipe.cmd("HELLO").arg(3),
        (3, Some(password)) => pipe.cmd("HELLO").arg(3).arg("AUTH").arg(user).arg(password),
        (_, None) => pipe.cmd("PING"),
        (_, Some(password)) => pipe.cmd("AUTH").arg(user).arg(password),
    };
    pipe.cmd("CLIENT").arg("INFO");
    pipe.cmd("INFO").arg("server");
    pipe.cmd("PING");
    // A user of the first database may lack the right to select one.
    if settings.db != 0 {
        pipe.cmd("SELECT").arg(settings.db);
    }
    pipe
}

/// True if a server or a proxy refused because it does not speak the newer protocol.
fn knows_no_hello(reply: &ServerError) -> bool {
    let text = reply.details().unwrap_or_default();
    reply.code() == "NOPROTO" || (reply.code() == "ERR" && text.to_ascii_lowercase().contains("unknown command"))
}

/// Tells the server to end the connection `before`, so that it carries out nothing of it behind newer calls.
pub(super) fn pack_kill(pipe: &mut Pipeline, before: Option<&Identity>, now: Option<&Identity>) -> Kill {
    let Some(before) = before else { return Kill::Nothing };
    let same = match (&before.run, now.and_then(|now| now.run.as_ref())) {
        (Some(before), Some(now)) if before == now => true,
        // The connection ended with its process.
        (Some(_), Some(_)) => return Kill::Nothing,
        _ => false,
    };
    // All clients of a unix socket have the same address, and after a restart another client may have the id.
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

/// The words of the system, but for those that only say that time ran out.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "connecting took too long".into(),
        io::ErrorKind::UnexpectedEof => "the connection was closed while it was made".into(),
        _ => error.to_string(),
    }
}

/// The error of a refused login. It leaves out the sentence of the server: an old server repeats the password in it.
fn login_refused(address: &impl std::fmt::Display, reply: &ServerError) -> Error {
    let (word, text) = (reply.code(), reply.details().unwrap_or_default());
    let (code, message) = match word {
        "WRONGPASS" => (Code::Connection, "the server does not accept the username or password; check them"),
        "NOAUTH" => (Code::Connection, "the server wants a password; set password, and username if it has users"),
        "NOPERM" => (Code::Connection, "the user may not use this connection; check its ACL"),
        "LOADING" => (Code::Connection, "the server is still loading its data"),
        "MASTERDOWN" => (Code::Connection, "the server is a replica that has lost its primary"),
        "DENIED" => (
            Code::Connection,
            "the server is in protected mode and accepts only local clients; set a password or bind it to an address",
        ),
        "ERR" if text.contains("max number of clients") => {
            (Code::Connection, "the server has as many clients as it allows (maxclients)")
        }
        "NOPROTO" => (Code::NotSupported, "the server is too old; Redis 7.0 or newer is needed"),
        "ERR" if text.contains("without any password") => {
            (Code::Connection, "the server has no password but one was given; remove it")
        }
        "ERR" if text.contains("DB index") => (Code::InvalidArgument, "the server has no database of this number"),
        "ERR" if text.contains("unknown command") => {
            (Code::NotSupported, "the server is too old; Redis 7.0 or newer is needed")
        }
        _ => (Code::Connection, "the server refused the connection"),
    };
    Error::new(code, format!("cannot use redis at {address}: {message}")).caused_by(&word).in_engine(NAME)
}

/// `NOT_SUPPORTED` for a server older than 7.0. A server that does not tell its version is accepted.
fn check_version(info: Option<&RespValue>) -> Result<()> {
    let version = info.and_then(text).and_then(|text| line(text, "redis_version:"));
    let major = version.and_then(|version| version.split('.').next()?.parse::<u64>().ok());
    match major {
        Some(major) if major < MIN_MAJOR => {
            Err(Error::new(Code::NotSupported, "the server is too old; Redis 7.0 or newer is needed").in_engine(NAME))
        }
        _ => Ok(()),
    }
}

/// The rest of the line that starts with `name`.
fn line(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(|text| text.trim().to_owned())
}

/// The connection's id and address, from `CLIENT INFO`.
fn identity(reply: &RespValue, run: Option<String>) -> Option<Identity> {
    let text = text(reply)?;
    let field = |name: &str| text.split_ascii_whitespace().find_map(|field| field.strip_prefix(name)).map(String::from);
    Some(Identity { id: field("id=")?, address: field("addr=")?, run })
}
