//! Keys, values, records and pages.

use bytes::{BufMut, Bytes, BytesMut};
use holdfast_core::engine::{Item, Page, Projection};
use holdfast_core::key::Key;
use holdfast_core::record::Record;
use holdfast_core::value::{Value, quote_into};

/// A key as a JSON string.
pub(super) fn quote_key(key: &[u8], out: &mut BytesMut) {
    quote_into(&String::from_utf8_lossy(key), out);
}

/// `["key",…]`.
pub(crate) fn keys_json<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Bytes {
    let mut out = BytesMut::from(&b"["[..]);
    let mut first = true;
    for key in keys {
        if !std::mem::take(&mut first) {
            out.put_u8(b',');
        }
        quote_key(key, &mut out);
    }
    out.put_u8(b']');
    out.freeze()
}

/// `[value,null,…]`.
pub(crate) fn values_json(values: &[Option<Value>]) -> Bytes {
    let mut out =
        BytesMut::with_capacity(2 + values.iter().map(|value| 5 + value.as_ref().map_or(0, Value::len)).sum::<usize>());
    out.put_u8(b'[');
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        match value {
            Some(value) => value.write_text(&mut out),
            None => out.put_slice(b"null"),
        }
    }
    out.put_u8(b']');
    out.freeze()
}

/// `[next|null, k1, v1, …]`, or only keys or only values.
pub(crate) fn page_json(page: &Page, what: Projection, values_only: bool) -> Bytes {
    let size: usize = page
        .entries
        .iter()
        .map(|(key, item)| key.len() + 8 + if let Item::Value(value) = item { value.len() } else { 0 })
        .sum();
    let mut out = BytesMut::with_capacity(size + 64);
    out.put_u8(b'[');
    match &page.next {
        Some(next) => quote_key(next, &mut out),
        None => out.put_slice(b"null"),
    }
    for (key, item) in &page.entries {
        if !values_only || what == Projection::Keys {
            out.put_u8(b',');
            quote_key(key, &mut out);
        }
        if let Item::Value(value) = item {
            out.put_u8(b',');
            value.write_text(&mut out);
        }
    }
    out.put_u8(b']');
    out.freeze()
}

/// `{ value, version, createdAt, updatedAt, expiresAt, metadata }`, with `null` for absent fields.
pub(crate) fn entry_json(record: &Record) -> Bytes {
    let mut out = BytesMut::from(&b"{\"value\":"[..]);
    record.value.write_text(&mut out);
    out.put_slice(format!(",\"version\":\"{}\"", record.version).as_bytes());
    for (name, at) in
        [("createdAt", record.created_at), ("updatedAt", record.updated_at), ("expiresAt", record.expires_at)]
    {
        let at = at.map_or_else(|| "null".to_owned(), |at| at.to_string());
        out.put_slice(format!(",\"{name}\":{at}").as_bytes());
    }
    out.put_slice(b",\"metadata\":");
    out.put_slice(record.metadata.as_deref().unwrap_or(b"null"));
    out.put_u8(b'}');
    out.freeze()
}
