//! The addition to a number.

use crate::error::{Code, Error, Result};
use crate::record::Record;

/// Beyond this a double does not hold every whole number, so a counter would stop without a word.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// The sum of the number in `old` and `by`. An absent number counts as 0.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if `old` holds another type, or if both are whole numbers and their sum is beyond 2^53.
pub(crate) fn add(key: &[u8], old: Option<&Record>, by: f64) -> Result<f64> {
    let old = number(key, old)?;
    if is_beyond(old.unwrap_or(0.0), by) {
        return Err(beyond().at_key(key));
    }
    Ok(old.map_or(by, |old| old + by))
}

/// The number in `old`, if there is one.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if `old` holds another type.
pub(crate) fn number(key: &[u8], old: Option<&Record>) -> Result<Option<f64>> {
    old.map(|old| old.value.as_number().ok_or_else(|| not_a_number().at_key(key))).transpose()
}

pub(crate) fn not_a_number() -> Error {
    Error::new(Code::InvalidArgument, "increment needs a number, the key holds another type")
}

pub(crate) fn beyond() -> Error {
    Error::new(
        Code::InvalidArgument,
        "the sum is a whole number beyond 2^53, which a JavaScript number does not hold exactly; keep the count as a \
         bigint and write it with compareAndSet",
    )
}

#[allow(clippy::float_cmp, reason = "the subtraction of an exact sum is exact")]
fn is_beyond(a: f64, b: f64) -> bool {
    let sum = a + b;
    let whole = a.fract() == 0.0 && b.fract() == 0.0;
    // A sum just beyond 2^53 is rounded to it.
    whole && (sum.abs() > MAX_WHOLE || sum.abs() == MAX_WHOLE && (sum - a != b || sum - b != a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_add_up_to_2_53_and_no_further() {
        let max = MAX_WHOLE;
        for (a, b) in [(max - 1.0, 1.0), (max, 0.0), (-max, 0.0), (max + 2.0, -2.0), (max, 0.5), (0.5, 1e300)] {
            assert!(!is_beyond(a, b), "{a} {b}");
        }
        for (a, b) in [(max, 1.0), (1.0, max), (max - 1.0, 2.0), (-max, -1.0), (0.0, 1e300), (max, max)] {
            assert!(is_beyond(a, b), "{a} {b}");
        }
        for special in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            assert!(!is_beyond(max, special) && !is_beyond(special, 1.0));
        }
    }
}
