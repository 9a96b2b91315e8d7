//! Adding to a counter.

use crate::error::{Code, Error, Result};
use crate::record::Record;

/// The sum of a counter and `by`; an absent counter is 0.
///
/// # Errors
///
/// INVALID_ARGUMENT if the key holds something else than a number.
pub fn add(key: &[u8], old: Option<&Record>, by: f64) -> Result<f64> {
    let Some(old) = old else { return Ok(by) };
    match old.value.as_number() {
        Some(number) => Ok(number + by),
        None => {
            Err(Error::new(Code::InvalidArgument, "increment needs a number, the key holds another type").at_key(key))
        }
    }
}
