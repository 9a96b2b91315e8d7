//! Ranges of keys.

use std::ops::Bound;

use holdfast_core::error::Result;
use holdfast_core::key::{Key, KeyRange};
use serde_json::Value as Json;

use super::fields::malformed;

/// A range, from the JSON of the facade.
pub(crate) fn range(json: &[u8]) -> Result<KeyRange> {
    let json: Json = serde_json::from_slice(json).map_err(|_| malformed())?;
    let mut range = KeyRange::all();
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    let key = |name: &str| text(name).map(|text| Key::copy_from_slice(text.as_bytes()));
    if let Some(prefix) = key("prefix") {
        range.narrow_to_prefix(&prefix);
    }
    if let Some(bound) = key("gt") {
        range.raise_start(Bound::Excluded(bound));
    }
    if let Some(bound) = key("gte") {
        range.raise_start(Bound::Included(bound));
    }
    if let Some(bound) = key("lt") {
        range.lower_end(Bound::Excluded(bound));
    }
    if let Some(bound) = key("lte") {
        range.lower_end(Bound::Included(bound));
    }
    if let Some(pattern) = text("pattern") {
        range.set_pattern(pattern);
    }
    if let Some(Json::Array(prefixes)) = json.get("except") {
        range.except =
            prefixes.iter().filter_map(Json::as_str).map(|prefix| Key::copy_from_slice(prefix.as_bytes())).collect();
    }
    range.reverse = json.get("reverse").and_then(Json::as_bool).unwrap_or(false);
    range.limit = json.get("limit").and_then(Json::as_u64).map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(range)
}
