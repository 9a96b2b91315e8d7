use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Code, Error, Result};

/// Makes a call, and turns a panic inside into an error of its caller: IO, "the engine failed inside".
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
