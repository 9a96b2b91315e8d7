//! The calls of an engine that JavaScript carries out.

use bytes::{BufMut, BytesMut};
use holdfast_core::engine::custom::{Call, Write};
use holdfast_core::key::Key;
use holdfast_core::value::quote_into;

/// `[id, what, …]`, with values as their JSON text.
pub(crate) fn call_json(id: u32, call: &Call) -> String {
    let mut out = BytesMut::from(format!("[{id},").as_bytes());
    let quote = |text: &[u8], out: &mut BytesMut| quote_into(&String::from_utf8_lossy(text), out);
    match call {
        Call::Begin => out.put_slice(b"\"begin\""),
        Call::End { kept } => out.put_slice(format!("\"end\",{kept}").as_bytes()),
        Call::Get { key, inside } => {
            out.put_slice(format!("\"get\",{inside},").as_bytes());
            quote(key, &mut out);
        }
        Call::Keys { inside } => out.put_slice(format!("\"keys\",{inside}").as_bytes()),
        Call::Write(write) => {
            out.put_slice(b"\"write\",");
            write_json(write, &mut out);
        }
        Call::Batch(writes) => {
            out.put_slice(b"\"batch\"");
            for write in writes {
                out.put_u8(b',');
                write_json(write, &mut out);
            }
        }
    }
    out.put_u8(b']');
    String::from_utf8_lossy(&out).into_owned()
}

/// `[key]` for a delete, `[key, value, expiresAt | null, metadata | null]` for a set.
fn write_json(write: &Write, out: &mut BytesMut) {
    let key = |key: &Key, out: &mut BytesMut| {
        out.put_u8(b'[');
        quote_into(&String::from_utf8_lossy(key), out);
    };
    match write {
        Write::Delete { key: name } => key(name, out),
        Write::Set { key: name, value, expires_at, metadata } => {
            key(name, out);
            out.put_u8(b',');
            value.write_text(out);
            let expires_at = expires_at.map_or_else(|| "null".to_owned(), |at| at.to_string());
            out.put_slice(format!(",{expires_at},").as_bytes());
            out.put_slice(metadata.as_deref().unwrap_or(b"null"));
        }
    }
    out.put_u8(b']');
}
