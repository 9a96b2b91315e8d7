//! The outcomes of queued calls, and their JavaScript values.

use std::ptr;

use holdfast_core::error::{Code, Error as StorageError};
use napi::bindgen_prelude::*;
use napi::sys;

use super::CallId;
use crate::boundary::{error, text};

/// An object of a class of the addon, made on the JavaScript thread.
pub trait Object: Send {
    /// The JavaScript object.
    ///
    /// # Safety
    ///
    /// On the thread of `env`, inside a handle scope.
    unsafe fn into_js(self: Box<Self>, env: sys::napi_env) -> Result<sys::napi_value>;
}

impl<T: ToNapiValue + Send> Object for T {
    unsafe fn into_js(self: Box<Self>, env: sys::napi_env) -> Result<sys::napi_value> {
        // SAFETY: as the caller promises.
        unsafe { ToNapiValue::to_napi_value(env, *self) }
    }
}

/// The outcome of a queued call.
pub enum Settled {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(bytes::Bytes),
    /// Texts of JSON arrays, which together are one. A single text is a [`Text`](Settled::Text).
    Pieces(Vec<bytes::Bytes>),
    Buffer(bytes::Bytes),
    Object(Box<dyn Object>),
    Failed(Box<StorageError>),
    /// News of a call that goes on, or a call to an engine in JavaScript. It settles no call.
    Progress(String),
}

impl Settled {
    /// The JavaScript value. For an error it is the JSON text.
    ///
    /// # Errors
    ///
    /// The message is the JSON text of an error, as that of [`thrown`](error::thrown) is. No exception is pending.
    pub fn into_js(self, env: sys::napi_env) -> Result<sys::napi_value> {
        let is_object = matches!(self, Settled::Object(_));
        self.try_into_js(env).map_err(|failed| {
            text::clear_exception(env);
            error::thrown(&if is_object { no_object(&failed) } else { too_large() })
        })
    }

    fn try_into_js(self, env: sys::napi_env) -> Result<sys::napi_value> {
        // SAFETY: callers are on the thread of `env`, inside a handle scope.
        unsafe {
            match self {
                Settled::Undefined => ToNapiValue::to_napi_value(env, ()),
                Settled::Null => ToNapiValue::to_napi_value(env, Null),
                Settled::Bool(flag) => ToNapiValue::to_napi_value(env, flag),
                Settled::Number(number) => ToNapiValue::to_napi_value(env, number),
                Settled::Text(bytes) => text::to_js(env, &bytes),
                Settled::Pieces(pieces) => text::pieces_to_js(env, &pieces),
                Settled::Buffer(bytes) => text::buffer_to_js(env, &bytes),
                Settled::Object(object) => object.into_js(env),
                Settled::Failed(error) => text::to_js(env, error::to_json(&error).as_bytes()),
                Settled::Progress(news) => text::to_js(env, news.as_bytes()),
            }
        }
    }
}

fn no_object(failed: &Error) -> StorageError {
    StorageError::new(Code::Io, format!("the addon could not make an object: {}", failed.status))
}

/// V8 refuses a string of 512 MiB or more, and a Buffer beyond some GiB.
fn too_large() -> StorageError {
    let message = "the result is larger than a string or a Buffer of JavaScript can be; ask for less at a time, or \
                   store large values in parts";
    StorageError::new(Code::ValueTooLarge, message)
}

/// The results as two arrays, ids and results. The id of a failed call is negative. A result that JavaScript cannot
/// hold fails its own call alone.
pub(super) fn arrays(env: sys::napi_env, done: Vec<(CallId, Settled)>) -> Result<[sys::napi_value; 2]> {
    let (mut ids, mut results) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: callers are on the thread of `env`, inside a handle scope; every out-pointer lives through its call.
    unsafe {
        check_status!(sys::napi_create_array_with_length(env, done.len(), &raw mut ids))?;
        check_status!(sys::napi_create_array_with_length(env, done.len(), &raw mut results))?;
        for (at, (id, settled)) in (0_u32..).zip(done) {
            let mut failed = matches!(settled, Settled::Failed(_));
            let result = match settled.into_js(env) {
                Ok(result) => result,
                Err(error) => {
                    failed = true;
                    text::to_js(env, error.reason.as_bytes())?
                }
            };
            let mut number = ptr::null_mut();
            let signed = if failed { -f64::from(id) } else { f64::from(id) };
            check_status!(sys::napi_create_double(env, signed, &raw mut number))?;
            check_status!(sys::napi_set_element(env, ids, at, number))?;
            check_status!(sys::napi_set_element(env, results, at, result))?;
        }
    }
    Ok([ids, results])
}

/// The result of a look: `[ids, results]` or `undefined`.
pub struct Found(pub(super) Option<sys::napi_value>);

impl ToNapiValue for Found {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> Result<sys::napi_value> {
        match value.0 {
            Some(pair) => Ok(pair),
            // SAFETY: as the caller promises.
            None => unsafe { ToNapiValue::to_napi_value(env, ()) },
        }
    }
}

impl TypeName for Found {
    fn type_name() -> &'static str {
        "[number[], unknown[]] | undefined"
    }

    fn value_type() -> ValueType {
        ValueType::Unknown
    }
}
