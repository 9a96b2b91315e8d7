//! One error type for every engine: a stable code, a sentence, and the place it arose.

use std::fmt;
use std::io;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What went wrong, stable across releases. The text form is the public API's `code`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// The upper-case name users match on.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)* }
            }

            /// The code of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Code::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    /// No engine of that name is registered.
    EngineNotFound = "ENGINE_NOT_FOUND",
    /// A wrong type, an unknown option or an impossible combination.
    InvalidArgument = "INVALID_ARGUMENT",
    /// Empty, over-long, ill-formed or reserved key.
    InvalidKey = "INVALID_KEY",
    /// A value the codec refuses.
    UnsupportedValue = "UNSUPPORTED_VALUE",
    /// A value or batch over its limit.
    ValueTooLarge = "VALUE_TOO_LARGE",
    /// The engine does not offer this.
    NotSupported = "NOT_SUPPORTED",
    /// The engine was closed.
    Closed = "CLOSED",
    /// Another process holds the store.
    Locked = "LOCKED",
    /// The operating system refused.
    Io = "IO",
    /// The disk, quota or memory limit is full.
    NoSpace = "NO_SPACE",
    /// A write to a store opened read-only, or on a read-only medium.
    ReadOnly = "READ_ONLY",
    /// Stored bytes that cannot be what was written.
    Corrupted = "CORRUPTED",
    /// A store of another program or a newer version.
    UnsupportedFormat = "UNSUPPORTED_FORMAT",
    /// The server could not be reached or hung up.
    Connection = "CONNECTION",
    /// No answer in time.
    Timeout = "TIMEOUT",
    /// The caller gave up.
    Aborted = "ABORTED",
    /// A condition of the batch did not hold.
    Conflict = "CONFLICT",
    /// The transaction was committed or rolled back before.
    TransactionCompleted = "TRANSACTION_COMPLETED",
    /// What the call builds on is not there (any more).
    PreconditionFailed = "PRECONDITION_FAILED",
    /// Whether the write was applied cannot be known.
    UnknownOutcome = "UNKNOWN_OUTCOME",
}

impl Code {
    /// True where the same call may succeed when it is made again.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(self, Code::Conflict | Code::Locked | Code::Timeout | Code::Connection)
    }
}

/// An error with its context. `Clone`, because one failed fsync fails every commit of its group.
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
    cause: Option<String>,
}

impl Error {
    /// An error of `code`; the message says what was wrong and what to do.
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

    /// An operating-system error while doing `what`: NO_SPACE, READ_ONLY, or IO.
    #[must_use]
    pub fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::NoSpace,
            io::ErrorKind::ReadOnlyFilesystem => Code::ReadOnly,
            _ => Code::Io,
        };
        Error::new(code, format!("{what}: {error}")).caused_by(error)
    }

    /// Stored bytes that cannot be what was written.
    #[must_use]
    pub fn corrupted(message: impl Into<String>) -> Self {
        Error::new(Code::Corrupted, message)
    }

    /// The engine was closed while or before this call ran.
    #[must_use]
    pub fn closed() -> Self {
        Error::new(Code::Closed, "the engine is closed")
    }

    /// A condition did not hold for `key`.
    #[must_use]
    pub fn conflict(key: &[u8]) -> Self {
        Error::new(Code::Conflict, "the key was changed by someone else").at_key(key)
    }

    /// Names the engine, unless a layer below already did.
    #[must_use]
    pub fn in_engine(mut self, engine: &'static str) -> Self {
        self.inner.engine.get_or_insert(engine);
        self
    }

    /// Names the key, unless a layer below already did. Bytes that are not UTF-8 are shown lossily.
    #[must_use]
    pub fn at_key(mut self, key: &[u8]) -> Self {
        if self.inner.key.is_none() {
            self.inner.key = Some(String::from_utf8_lossy(key).into_owned());
        }
        self
    }

    /// Names the operation, unless a layer below already did.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.inner.operation.get_or_insert(operation);
        self
    }

    /// Keeps the text of the error below. Never pass one that may hold a value or a password.
    #[must_use]
    pub fn caused_by(mut self, cause: &dyn fmt::Display) -> Self {
        self.inner.cause = Some(cause.to_string());
        self
    }

    #[must_use]
    pub fn code(&self) -> Code {
        self.inner.code
    }

    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    #[must_use]
    pub fn engine(&self) -> Option<&'static str> {
        self.inner.engine
    }

    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.inner.key.as_deref()
    }

    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.inner.operation
    }

    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.inner.cause.as_deref()
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

impl std::error::Error for Error {}
