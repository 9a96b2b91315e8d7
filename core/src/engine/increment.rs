//! The addition to a number.

use crate::error::{Code, Error, Result};
use crate::record::Record;

/// The sum of the number in `old` and `by`. An absent number counts as 0.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if `old` holds another type.
pub(crate) fn add(key: &[u8], old: Option<&Record>, by: f64) -> Result<f64> {
    let Some(old) = old else { return Ok(by) };
    match old.value.as_number() {
        Some(number) => Ok(number + by),
        None => {
            Err(Error::new(Code::InvalidArgument, "increment needs a number, the key holds another type").at_key(key))
        }
    }
}
