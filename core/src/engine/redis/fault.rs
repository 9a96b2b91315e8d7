//! Errors: what an error reply, a lost connection and a late reply mean to the caller.

use redis::ServerError;

use super::options::NAME;
use crate::error::{Code, Error};

/// The error of a call on a closed engine.
pub(super) fn closed() -> Error {
    Error::closed().in_engine(NAME)
}

/// An error reply as an error of ours. The server's sentence is kept only where it cannot repeat arguments.
pub(super) fn refused(reply: &ServerError) -> Error {
    let word = reply.code();
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
        "NOPERM" => (Code::Io, "the user may not run this command or touch this key; check its ACL"),
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

/// The error of an addition to a value that is no number.
pub(super) fn not_a_number() -> Error {
    Error::new(Code::InvalidArgument, "increment needs a number, the key holds another type").in_engine(NAME)
}

/// The error of a write while the content is replaced.
pub(super) fn replacing() -> Error {
    Error::new(Code::Conflict, "the content of the store is being replaced; try again").in_engine(NAME)
}

/// The error of a call for which there was no connection: nothing was sent.
pub(super) fn unreachable(place: &impl std::fmt::Display, cause: Option<&Error>) -> Error {
    let error = match cause {
        Some(cause) => Error::new(Code::Connection, format!("no connection to redis at {place}: {}", cause.message())),
        None => Error::new(Code::Connection, format!("no connection to redis at {place}")),
    };
    error.in_engine(NAME)
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
            ("LOADING Redis is loading", Code::Connection),
            ("BUSY Redis is busy running a script", Code::Timeout),
            ("MISCONF Redis is configured to save RDB snapshots", Code::Io),
            ("NOAUTH Authentication required.", Code::Connection),
            ("WRONGPASS invalid username-password pair", Code::Connection),
            ("NOPERM this user has no permissions", Code::Io),
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
