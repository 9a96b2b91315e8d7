//! One error type for every engine: a stable code, a sentence, and the place where the error arose.

mod cause;
mod code;

use std::fmt;
use std::io;

pub use cause::{AsCause, Cause, OsError};
pub use code::Code;

/// The result of every call of this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What to do where the system allows no more open files.
pub(crate) const TOO_MANY_FILES: &str =
    "; EMFILE: close files and engines that are not needed, or raise the limit (ulimit -n)";

/// True if the process or the system has as many files open as it may.
pub(crate) fn is_too_many_files(error: &io::Error) -> bool {
    // ENFILE and EMFILE; on Windows ERROR_TOO_MANY_OPEN_FILES.
    let codes: &[i32] = if cfg!(windows) { &[4] } else { &[23, 24] };
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

/// An error with its context.
///
/// An error can be cloned, because one failed sync fails every commit of its group.
///
/// # Examples
///
/// ```
/// use holdfast_core::{Code, Error};
///
/// let error = Error::new(Code::Timeout, "the server did not answer in 5 s").in_engine("redis").at_key(b"users/ada");
/// assert_eq!(error.code().as_str(), "TIMEOUT");
/// assert!(error.code().retryable());
/// assert_eq!(error.to_string(), "TIMEOUT: the server did not answer in 5 s (key \"users/ada\")");
/// ```
#[derive(Clone, Debug)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    message: String,
    engine: Option<&'static str>,
    key: Option<String>,
    operation: Option<&'static str>,
    cause: Option<Cause>,
}

impl Error {
    /// An error of a code. The message says what is wrong and how to mend it.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error {
            inner: Box::new(Inner {
                code,
                message: message.into(),
                engine: None,
                key: None,
                operation: None,
                cause: None,
            }),
        }
    }

    /// An error of the operating system, whose code is `NO_SPACE`, `READ_ONLY` or `IO`. `what` names the action that
    /// failed, such as "cannot open the log".
    #[must_use]
    pub fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::NoSpace,
            io::ErrorKind::ReadOnlyFilesystem => Code::ReadOnly,
            _ => Code::Io,
        };
        let hint = if is_too_many_files(error) { TOO_MANY_FILES } else { "" };
        Error::new(code, format!("{what}: {error}{hint}")).caused_by(error)
    }

    /// `CORRUPTED`: stored bytes are not those that were written.
    #[must_use]
    pub fn corrupted(message: impl Into<String>) -> Self {
        Error::new(Code::Corrupted, message)
    }

    /// `CLOSED`: the engine was closed before the call, or while it ran.
    #[must_use]
    pub fn closed() -> Self {
        Error::new(Code::Closed, "the engine is closed")
    }

    /// `CONFLICT`: a condition on `key` did not hold.
    #[must_use]
    pub fn conflict(key: &[u8]) -> Self {
        Error::new(Code::Conflict, "the key was changed meanwhile by another call").at_key(key)
    }

    /// Names the engine, unless a layer below has named one.
    #[must_use]
    pub fn in_engine(mut self, engine: &'static str) -> Self {
        self.inner.engine.get_or_insert(engine);
        self
    }

    /// Names the key, unless a layer below has named one. Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn at_key(mut self, key: &[u8]) -> Self {
        if self.inner.key.is_none() {
            self.inner.key = Some(String::from_utf8_lossy(key).into_owned());
        }
        self
    }

    /// Names the operation, unless a layer below has named one.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.inner.operation.get_or_insert(operation);
        self
    }

    /// Keeps the error below as the source of this one. Never pass an error whose text may hold a value or a password.
    #[must_use]
    pub fn caused_by(mut self, cause: &(impl AsCause + ?Sized)) -> Self {
        self.inner.cause = Some(cause.as_cause());
        self
    }

    /// The code, stable across releases.
    #[must_use]
    pub fn code(&self) -> Code {
        self.inner.code
    }

    /// The sentence, without code and key.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The name of the engine in which the error arose.
    #[must_use]
    pub fn engine(&self) -> Option<&'static str> {
        self.inner.engine
    }

    /// The key at which the error arose.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.inner.key.as_deref()
    }

    /// True if one record cannot be read, and others can.
    pub(crate) fn is_damaged_record(&self) -> bool {
        self.code() == Code::Corrupted && self.key().is_some()
    }

    /// The operation in which the error arose.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.inner.operation
    }

    /// The text of the error below. [`source`](std::error::Error::source) gives the error itself.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.inner.cause.as_ref().map(Cause::text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.inner.code.as_str(), self.inner.message)?;
        if let Some(key) = &self.inner.key {
            write!(f, " (key {key:?})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.cause.as_ref().map(Cause::error)
    }
}
