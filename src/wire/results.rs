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

/// `["key",…]`, in pieces.
pub(crate) fn keys_json(keys: &[Key]) -> Vec<Bytes> {
    in_pieces(keys, |key| 4 + key.len(), |key, out| quote_key(key, out))
}

/// `[value,null,…]`, in pieces.
pub(crate) fn values_json(values: &[Option<Value>]) -> Vec<Bytes> {
    let size = |value: &Option<Value>| 5 + value.as_ref().map_or(0, Value::len);
    in_pieces(values, size, |value, out| match value {
        Some(value) => value.write_text(out),
        None => out.put_slice(b"null"),
    })
}

/// A piece holds elements of about this many bytes together. JavaScript has no string of 512 MiB, and the text of an
/// element may be longer than the element.
const PIECE_BYTES: usize = 64 << 20;

/// Arrays that together have all elements. There is at least one.
fn in_pieces<T>(elements: &[T], size: impl Fn(&T) -> usize, write: impl Fn(&T, &mut BytesMut)) -> Vec<Bytes> {
    let mut pieces = Vec::with_capacity(1);
    let mut rest = elements;
    loop {
        let mut bytes = 0;
        let fits = |element: &&T| {
            let fits = bytes < PIECE_BYTES;
            bytes += size(element);
            fits
        };
        let (piece, more) = rest.split_at(rest.iter().take_while(fits).count());
        let mut out = BytesMut::with_capacity(2 + piece.iter().map(&size).sum::<usize>());
        out.put_u8(b'[');
        for (at, element) in piece.iter().enumerate() {
            if at > 0 {
                out.put_u8(b',');
            }
            write(element, &mut out);
        }
        out.put_u8(b']');
        pieces.push(out.freeze());
        if more.is_empty() {
            return pieces;
        }
        rest = more;
    }
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
