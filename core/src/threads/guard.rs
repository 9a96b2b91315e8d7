use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Code, Error, Result};

/// Makes a call, and turns a panic inside it into an error of its caller.
///
/// # Errors
///
/// The error of the call. `IO` with the text of the panic if it panicked.
///
/// # Examples
///
/// ```
/// use holdfast_core::threads::guarded;
///
/// let failed = guarded::<()>(|| panic!("a defect"));
/// assert_eq!(failed.unwrap_err().message(), "the engine failed inside: a defect");
/// ```
pub fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let message = match said {
            Some(said) => format!("the engine failed inside: {said}"),
            None => "the engine failed inside".to_owned(),
        };
        Err(Error::new(Code::Io, message))
    })
}
