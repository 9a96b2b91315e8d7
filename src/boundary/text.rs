//! Strings and Buffers across the boundary. Each is copied once.

use std::mem::MaybeUninit;
use std::ptr;

use bytes::Bytes;
use holdfast_core::value::Value;
use napi::bindgen_prelude::*;
use napi::sys;

/// A JavaScript string as UTF-8. The facade refuses lone surrogates where they matter.
pub struct Text(pub Bytes);

/// A value in the encoding of the facade: canonical text, or a Buffer.
pub enum Payload {
    Text(Bytes),
    Buffer(Bytes),
}

/// A copy of the bytes of a Buffer, whose owner may write to it again at once.
pub struct Chunk(pub Bytes);

impl Payload {
    /// The value.
    pub fn into_value(self) -> Value {
        match self {
            Payload::Text(text) => Value::Json(text),
            Payload::Buffer(bytes) => Value::Binary(bytes),
        }
    }
}

/// The size of the buffer for short strings, in bytes. They are copied to the stack, which saves a call for their
/// length.
const SHORT: usize = 512;

impl TypeName for Text {
    fn type_name() -> &'static str {
        "string"
    }

    fn value_type() -> ValueType {
        ValueType::String
    }
}

impl ValidateNapiValue for Text {}

impl FromNapiValue for Text {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let mut buffer = SHORT_BUFFER;
        Ok(Text(match short_text(env, value, &mut buffer)? {
            Some(text) => Bytes::copy_from_slice(text),
            None => long_text(env, value)?.into(),
        }))
    }
}

/// Calls `take` with the UTF-8 of a JavaScript string. A short string lies on the stack.
pub(crate) fn with_text<T>(env: sys::napi_env, value: sys::napi_value, take: impl FnOnce(&[u8]) -> T) -> Result<T> {
    let mut buffer = SHORT_BUFFER;
    Ok(match short_text(env, value, &mut buffer)? {
        Some(text) => take(text),
        None => take(&long_text(env, value)?),
    })
}

type ShortBuffer = [MaybeUninit<u8>; SHORT];
const SHORT_BUFFER: ShortBuffer = [const { MaybeUninit::uninit() }; SHORT];

/// The UTF-8 of a string that fits into the buffer; `None` for a longer one.
fn short_text(env: sys::napi_env, value: sys::napi_value, buffer: &mut ShortBuffer) -> Result<Option<&[u8]>> {
    let mut length = 0;
    check_status!(
        // SAFETY: the buffer holds SHORT bytes, and Node writes at most that many, the NUL included.
        unsafe { sys::napi_get_value_string_utf8(env, value, buffer.as_mut_ptr().cast(), SHORT, &raw mut length) },
        "expected a string"
    )?;
    // A longer string is cut at a whole character, so up to three bytes of the buffer may be unused.
    if length + 4 >= SHORT {
        return Ok(None);
    }
    // SAFETY: Node has written `length` bytes.
    Ok(Some(unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast(), length) }))
}

fn long_text(env: sys::napi_env, value: sys::napi_value) -> Result<Vec<u8>> {
    let mut length = 0;
    // SAFETY: a null buffer asks for the length.
    check_status!(unsafe { sys::napi_get_value_string_utf8(env, value, ptr::null_mut(), 0, &raw mut length) })?;
    let mut long = vec![0_u8; length + 1];
    // SAFETY: the buffer holds the length and a NUL.
    check_status!(unsafe {
        sys::napi_get_value_string_utf8(env, value, long.as_mut_ptr().cast(), long.len(), &raw mut length)
    })?;
    long.truncate(length);
    Ok(long)
}

impl TypeName for Payload {
    fn type_name() -> &'static str {
        "string | Buffer"
    }

    fn value_type() -> ValueType {
        ValueType::Unknown
    }
}

impl ValidateNapiValue for Payload {}

impl FromNapiValue for Payload {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let mut kind = 0;
        // SAFETY: `value` is valid in this callback scope.
        check_status!(unsafe { sys::napi_typeof(env, value, &raw mut kind) })?;
        if kind == sys::ValueType::napi_string {
            // SAFETY: as above.
            return unsafe { Text::from_napi_value(env, value) }.map(|text| Payload::Text(text.0));
        }
        // SAFETY: as above.
        unsafe { Chunk::from_napi_value(env, value) }.map(|chunk| Payload::Buffer(chunk.0))
    }
}

impl TypeName for Chunk {
    fn type_name() -> &'static str {
        "Buffer"
    }

    fn value_type() -> ValueType {
        ValueType::Unknown
    }
}

impl ValidateNapiValue for Chunk {}

impl FromNapiValue for Chunk {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let (mut data, mut length) = (ptr::null_mut(), 0);
        check_status!(
            // SAFETY: as above. Node refuses a value that is not a Buffer.
            unsafe { sys::napi_get_buffer_info(env, value, &raw mut data, &raw mut length) },
            "expected a string or a Buffer"
        )?;
        if data.is_null() || length == 0 {
            return Ok(Chunk(Bytes::new()));
        }
        // SAFETY: Node says that `data` holds `length` bytes, and JavaScript does not run meanwhile.
        Ok(Chunk(Bytes::copy_from_slice(unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) })))
    }
}

/// A JavaScript string of UTF-8 text. Plain ASCII, the usual case, skips the decoder.
pub(crate) fn to_js(env: sys::napi_env, text: &[u8]) -> Result<sys::napi_value> {
    let mut value = ptr::null_mut();
    let (start, length) = (text.as_ptr().cast(), text.len().cast_signed());
    // SAFETY: `start` holds `length` bytes; `env` is valid on this thread.
    check_status!(unsafe {
        if text.is_ascii() {
            sys::napi_create_string_latin1(env, start, length, &raw mut value)
        } else {
            sys::napi_create_string_utf8(env, start, length, &raw mut value)
        }
    })?;
    Ok(value)
}

/// An array of JavaScript strings.
pub(crate) fn pieces_to_js(env: sys::napi_env, pieces: &[Bytes]) -> Result<sys::napi_value> {
    let mut array = ptr::null_mut();
    // SAFETY: `env` is valid on this thread.
    check_status!(unsafe { sys::napi_create_array_with_length(env, pieces.len(), &raw mut array) })?;
    for (at, piece) in (0_u32..).zip(pieces) {
        let piece = to_js(env, piece)?;
        // SAFETY: both values are of this callback.
        check_status!(unsafe { sys::napi_set_element(env, array, at, piece) })?;
    }
    Ok(array)
}

/// Drops the exception that a failed call may have left.
pub(crate) fn clear_exception(env: sys::napi_env) {
    let (mut pending, mut exception) = (false, ptr::null_mut());
    // SAFETY: `env` is valid on this thread. Without an exception there is nothing to clear.
    unsafe {
        sys::napi_is_exception_pending(env, &raw mut pending);
        if pending {
            sys::napi_get_and_clear_last_exception(env, &raw mut exception);
        }
    }
}

/// The longest string of V8, in UTF-16 units.
const LONGEST: usize = (1 << 29) - 24;

/// True if JavaScript can hold the text as one string.
pub(crate) fn fits_a_string(text: &str) -> bool {
    text.len() <= LONGEST || text.chars().map(char::len_utf16).sum::<usize>() <= LONGEST
}

/// A Buffer with memory of its own, because Electron forbids memory that V8 did not allocate.
pub(crate) fn buffer_to_js(env: sys::napi_env, bytes: &[u8]) -> Result<sys::napi_value> {
    let (mut value, mut data) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: `bytes` is copied before the call returns.
    check_status!(unsafe {
        sys::napi_create_buffer_copy(env, bytes.len(), bytes.as_ptr().cast(), &raw mut data, &raw mut value)
    })?;
    Ok(value)
}

/// The result of an inline call.
pub struct Outbound(pub crate::boundary::settle::Settled);

impl TypeName for Outbound {
    fn type_name() -> &'static str {
        "unknown"
    }

    fn value_type() -> ValueType {
        ValueType::Unknown
    }
}

impl ToNapiValue for Outbound {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> Result<sys::napi_value> {
        value.0.into_js(env)
    }
}
