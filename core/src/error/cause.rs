use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::Error;

/// The error below an [`Error`]. A clone shares the error.
#[derive(Clone)]
pub struct Cause {
    text: String,
    error: Arc<dyn StdError + Send + Sync>,
}

impl Cause {
    /// A cause that keeps `error`.
    #[must_use]
    pub fn new(error: impl StdError + Send + Sync + 'static) -> Self {
        Cause { text: error.to_string(), error: Arc::new(error) }
    }

    /// The text of the error.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The error.
    #[must_use]
    pub fn error(&self) -> &(dyn StdError + 'static) {
        &*self.error
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// An error that can be kept as the cause of another one. It is kept by value, because one failed sync fails every
/// commit of its group, and each commit has an error of its own.
pub trait AsCause {
    /// The error as a cause.
    fn as_cause(&self) -> Cause;
}

impl AsCause for Error {
    fn as_cause(&self) -> Cause {
        Cause::new(self.clone())
    }
}

/// An error of the operating system. Unlike an [`io::Error`], it can be cloned.
#[derive(Clone, Debug)]
pub struct OsError {
    kind: io::ErrorKind,
    number: Option<i32>,
    text: String,
}

impl OsError {
    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.kind
    }

    /// The number that the system gave: `errno`, or the last error on Windows.
    #[must_use]
    pub fn number(&self) -> Option<i32> {
        self.number
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for OsError {}

impl AsCause for io::Error {
    fn as_cause(&self) -> Cause {
        Cause::new(OsError { kind: self.kind(), number: self.raw_os_error(), text: self.to_string() })
    }
}

/// An error of which only the text is known: of a server, of a library whose errors cannot be cloned, or of JavaScript.
#[derive(Clone, Debug)]
struct TextError(String);

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for TextError {}

impl AsCause for str {
    fn as_cause(&self) -> Cause {
        Cause::new(TextError(self.to_owned()))
    }
}

impl AsCause for String {
    fn as_cause(&self) -> Cause {
        self.as_str().as_cause()
    }
}

impl<T: AsCause + ?Sized> AsCause for &T {
    fn as_cause(&self) -> Cause {
        (**self).as_cause()
    }
}

#[cfg(any(feature = "file", feature = "sqlite"))]
impl AsCause for rusqlite::Error {
    fn as_cause(&self) -> Cause {
        self.to_string().as_cause()
    }
}

impl AsCause for io::ErrorKind {
    fn as_cause(&self) -> Cause {
        Cause::new(OsError { kind: *self, number: None, text: self.to_string() })
    }
}
