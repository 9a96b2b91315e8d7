//! Errors cross as JSON text; the facade makes the error object.

use bytes::BytesMut;
use holdfast_core::error::Error;
use holdfast_core::value::quote_into;

/// `{"code":…,"message":…,"engine":…,"key":…,"operation":…,"cause":…}`, absent fields left out.
pub fn to_json(error: &Error) -> String {
    let mut json = BytesMut::from(&b"{\"code\":"[..]);
    quote_into(error.code().as_str(), &mut json);
    let fields = [
        ("message", Some(error.message())),
        ("engine", error.engine()),
        ("key", error.key()),
        ("operation", error.operation()),
        ("cause", error.cause()),
    ];
    for (name, text) in fields {
        if let Some(text) = text {
            json.extend_from_slice(b",\"");
            json.extend_from_slice(name.as_bytes());
            json.extend_from_slice(b"\":");
            quote_into(text, &mut json);
        }
    }
    json.extend_from_slice(b"}");
    String::from_utf8_lossy(&json).into_owned()
}

/// The error thrown by an inline call: its message is the JSON text.
pub fn thrown(error: &Error) -> napi::Error {
    napi::Error::from_reason(to_json(error))
}
