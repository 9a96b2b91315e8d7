//! Errors cross to JavaScript as JSON text. The facade makes the error object.

use std::error::Error as _;

use bytes::BytesMut;
use holdfast_core::error::{Error, OsError};
use holdfast_core::value::quote_into;

/// The number of causes below each other that cross at most.
const MAX_CAUSES: usize = 8;

/// `{"code":…,"message":…,"engine":…,"key":…,"operation":…,"cause":…}`, without absent fields. A cause is one of our
/// errors in the same form, `{"errno":…,"message":…}` for an error of the system, or the text of another error.
pub(crate) fn to_json(error: &Error) -> String {
    let mut json = BytesMut::new();
    write(error, MAX_CAUSES, &mut json);
    String::from_utf8_lossy(&json).into_owned()
}

fn write(error: &Error, causes: usize, json: &mut BytesMut) {
    json.extend_from_slice(b"{\"code\":");
    quote_into(error.code().as_str(), json);
    let fields = [
        ("message", Some(error.message())),
        ("engine", error.engine()),
        ("key", error.key()),
        ("operation", error.operation()),
    ];
    for (name, text) in fields {
        if let Some(text) = text {
            json.extend_from_slice(b",\"");
            json.extend_from_slice(name.as_bytes());
            json.extend_from_slice(b"\":");
            quote_into(text, json);
        }
    }
    if let Some(cause) = error.source().filter(|_| causes > 0) {
        json.extend_from_slice(b",\"cause\":");
        let number = cause.downcast_ref::<OsError>().and_then(OsError::number);
        if let Some(cause) = cause.downcast_ref::<Error>() {
            write(cause, causes - 1, json);
        } else if let Some(number) = number {
            json.extend_from_slice(format!("{{\"errno\":{number},\"message\":").as_bytes());
            quote_into(&cause.to_string(), json);
            json.extend_from_slice(b"}");
        } else {
            quote_into(&cause.to_string(), json);
        }
    }
    json.extend_from_slice(b"}");
}

/// The error that an inline call throws. Its message is the JSON text.
pub(crate) fn thrown(error: &Error) -> napi::Error {
    napi::Error::from_reason(to_json(error))
}
