//! Attempts that are made again while the caller waits.

use std::thread;
use std::time::Duration;

use crate::error::{Code, Error, Result};

/// The pauses before further attempts.
const PAUSES: [Duration; 2] =
    if cfg!(test) { [Duration::ZERO; 2] } else { [Duration::from_millis(20), Duration::from_millis(100)] };

/// Makes `attempt` a few times, until it succeeds. If the first attempt says false, what it works on should have been
/// there and is not: IO. A later attempt may say false, because an attempt before it may have succeeded without an
/// answer. Blocks.
pub(super) fn with_retries(attempt: impl Fn() -> Result<bool>) -> Result<()> {
    let mut pauses = PAUSES.iter();
    let mut first = true;
    loop {
        match attempt() {
            Ok(false) if first => return Err(Error::new(Code::Io, "what it was about to write is gone")),
            Ok(_) => return Ok(()),
            Err(error) => match pauses.next() {
                Some(pause) if error.code() != Code::Closed => thread::sleep(*pause),
                _ => return Err(error),
            },
        }
        first = false;
    }
}
