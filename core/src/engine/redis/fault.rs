//! Errors: what an error reply, a lost connection and a late reply mean to the caller.

use redis::ServerError;

use super::options::NAME;
use crate::error::{Code, Error};

/// The error of a call on a closed engine.
pub(super) fn closed() -> Error {
    Error::closed().in_engine(NAME)
}

/// The word that says what kind of error a reply is. Behind a script, `ERR` may stand before it.
pub(super) fn word(reply: &ServerError) -> &str {
    let first = reply.details().and_then(|text| text.split(' ').next()).unwrap_or_default();
    let is_word = first.len() > 2 && first.bytes().all(|byte| byte.is_ascii_uppercase());
    if reply.code() == "ERR" && is_word { first } else { reply.code() }
}

/// True if the server refused because of the rights of the user.
pub(super) fn is_denied(reply: &ServerError) -> bool {
    // A command of a script is refused with other words, which depend on the version.
    let text = reply.details().unwrap_or_default();
    reply.code() == "NOPERM" || text.contains("ACL failure") || text.contains("The user executing the script")
}

/// The error of a call that the user of the server may not make.
pub(super) fn not_allowed(what: &str) -> Error {
    let message = format!("the user {what}; allow it in the ACL of the server (docs/engines/redis.md has the list)");
    Error::new(Code::Io, message).caused_by("NOPERM").in_engine(NAME)
}

/// An error reply as an error of ours. The server's sentence is kept only where it cannot repeat arguments.
pub(super) fn refused(reply: &ServerError) -> Error {
    if is_denied(reply) {
        return not_allowed("may not run this command or use this key");
    }
    let word = word(reply);
    let (code, message) = match word {
        "WRONGTYPE" => return not_a_string(),
        "OOM" => (Code::NoSpace, "the server has reached its memory limit (maxmemory)"),
        "READONLY" => (Code::ReadOnly, "the server is a read-only replica"),
        "LOADING" => (Code::Connection, "the server is still loading its data"),
        "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" => (Code::Connection, "the server cannot answer for its data now"),
        "BUSY" => (Code::Timeout, "the server is busy running a script"),
        "MISCONF" => (Code::Io, "the server refuses writes because it cannot save to disk"),
        "NOREPLICAS" => (Code::Io, "the server refuses writes because it has too few replicas"),
        "NOAUTH" | "WRONGPASS" => (Code::Connection, "the server does not accept the username or password; check them"),
        "MOVED" | "ASK" | "CROSSSLOT" => (
            Code::NotSupported,
            "the keys lie on another node of the cluster; use a keyPrefix with a {hash tag} and connect to its node",
        ),
        _ => (Code::Io, "the server refused the command"),
    };
    Error::new(code, message).caused_by(&word).in_engine(NAME)
}

/// The error of a key that holds a value of another type.
pub(super) fn not_a_string() -> Error {
    Error::new(Code::Corrupted, "the key holds something that is not a string").caused_by(&"WRONGTYPE").in_engine(NAME)
}

/// The error of a write while the content is replaced.
pub(super) fn replacing() -> Error {
    Error::new(Code::Conflict, "the content of the store is being replaced; try again").in_engine(NAME)
}

/// The error of a call for which there was no connection: nothing was sent.
pub(super) fn unreachable(place: &impl std::fmt::Display, cause: Option<&Error>) -> Error {
    let what = format!("no connection to redis at {place}");
    let message = match cause.map(Error::message) {
        // The failure of an attempt to connect says so itself.
        Some(cause) if cause.starts_with(&what) => cause.to_owned(),
        Some(cause) => format!("{what}: {cause}"),
        None => what,
    };
    Error::new(Code::Connection, message).in_engine(NAME)
}

/// The reason why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The server or the network closed or reset it.
    Disconnected,
    /// A reply did not come within the command timeout.
    TimedOut,
    /// The bytes that came were no replies.
    ProtocolError,
}

impl Loss {
    fn reason(self) -> &'static str {
        match self {
            Loss::Disconnected => "the connection was lost",
            Loss::TimedOut => "the server did not answer in time",
            Loss::ProtocolError => "the server's answer could not be understood",
        }
    }

    /// The error of a call that may have reached the server.
    pub(super) fn of_sent(self, write: bool) -> Error {
        let reason = match self {
            Loss::Disconnected => "the connection was lost before the server answered",
            _ => self.reason(),
        };
        let error = if write {
            Error::new(Code::UnknownOutcome, format!("{reason}; whether the write was applied cannot be known"))
        } else if self == Loss::TimedOut {
            Error::new(Code::Timeout, reason)
        } else {
            Error::new(Code::Connection, reason)
        };
        error.in_engine(NAME)
    }

    /// The error of the connection itself.
    pub(super) fn of_connection(self) -> Error {
        Error::new(Code::Connection, self.reason()).in_engine(NAME)
    }

    /// The error of a commit that the server has not applied and cannot apply any more.
    pub(super) fn of_unapplied(self) -> Error {
        Error::new(Code::Connection, format!("{}, and the write was not applied", self.reason())).in_engine(NAME)
    }

    /// The error of a call whose last byte was never sent.
    pub(super) fn of_unsent() -> Error {
        Error::new(Code::Connection, "the connection was lost before the call was sent").in_engine(NAME)
    }
}

/// The error of a commit that was applied, but whose outcomes the server did not keep.
pub(super) fn applied_unknown() -> Error {
    Error::new(
        Code::UnknownOutcome,
        "the connection was lost; the write was applied, what it said is not known any more",
    )
    .in_engine(NAME)
}

/// The error of a call of which the server has carried out a part. `word` is that of its refusal.
pub(super) fn applied_in_part(word: &str) -> Error {
    let message = "the server refused a command in the middle of the write; which keys were written cannot be known";
    Error::new(Code::UnknownOutcome, message).caused_by(word).in_engine(NAME)
}

/// The error of a reply that the command cannot have.
pub(super) fn unexpected() -> Error {
    Error::new(Code::Io, "the server gave an answer of the wrong kind").in_engine(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_replies_have_codes_and_repeat_no_arguments() {
        for (reply, code) in [
            ("WRONGTYPE Operation against a key", Code::Corrupted),
            ("OOM command not allowed", Code::NoSpace),
            ("READONLY You can't write", Code::ReadOnly),
            ("ERR READONLY You can't write against a read only replica.", Code::ReadOnly),
            ("ERR NOREPLICAS Not enough good replicas to write.", Code::Io),
            ("LOADING Redis is loading", Code::Connection),
            ("BUSY Redis is busy running a script", Code::Timeout),
            ("MISCONF Redis is configured to save RDB snapshots", Code::Io),
            ("NOAUTH Authentication required.", Code::Connection),
            ("WRONGPASS invalid username-password pair", Code::Connection),
            ("NOPERM this user has no permissions", Code::Io),
            ("ERR The user executing the script can't run this command or subcommand", Code::Io),
            ("MASTERDOWN Link with MASTER is down", Code::Connection),
            ("CLUSTERDOWN The cluster is down", Code::Connection),
            ("MOVED 3999 127.0.0.1:6381", Code::NotSupported),
            ("CROSSSLOT Keys in request don't hash to the same slot", Code::NotSupported),
            ("NOSCRIPT No matching script", Code::Io),
            ("ERR unknown command 'HELLO', with args beginning with: '2' 'hunter2'", Code::Io),
        ] {
            let parsed = redis::parse_redis_value(format!("-{reply}\r\n").as_bytes()).unwrap();
            let redis::Value::ServerError(parsed) = parsed else { panic!("{reply}: no error reply") };
            let error = refused(&parsed);
            assert_eq!(error.code(), code, "{reply}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn only_a_write_that_may_have_arrived_is_unknown() {
        assert_eq!(Loss::Disconnected.of_sent(true).code(), Code::UnknownOutcome);
        assert_eq!(Loss::TimedOut.of_sent(true).code(), Code::UnknownOutcome);
        assert_eq!(Loss::TimedOut.of_sent(false).code(), Code::Timeout);
        assert_eq!(Loss::Disconnected.of_sent(false).code(), Code::Connection);
        assert_eq!(Loss::of_unsent().code(), Code::Connection);
        assert_eq!(Loss::Disconnected.of_unapplied().code(), Code::Connection);
    }
}
