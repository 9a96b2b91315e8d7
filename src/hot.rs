//! The calls that are made most, as plain functions: a method of a class costs twice as much, because its
//! receiver is looked up and checked on each call.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

use holdfast_core::engine::{Read, Reply};
use holdfast_core::error::{Code, Error, Result};
use holdfast_core::key::Space;
use holdfast_core::value::Value;
use napi::bindgen_prelude::*;
use napi::sys;

use crate::error::thrown;
use crate::settle::Settled;
use crate::slot::Tried;
use crate::store::{Shared, delete, set, settle_deleted, settle_reply};
use crate::text::{Payload, Text, with_text};
use crate::wire;

/// The object that holds the functions.
pub struct Hot(sys::napi_value);

impl TypeName for Hot {
    fn type_name() -> &'static str {
        "object"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ToNapiValue for Hot {
    unsafe fn to_napi_value(_env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        Ok(value.0)
    }
}

type Arguments = [sys::napi_value; 4];
type Call = fn(&Shared, sys::napi_env, &Arguments) -> napi::Result<Option<Result<Settled>>>;

/// Makes `{ tryGet, tryHas, trySet, tryDelete }`, and for a place of transactions `{ begin, tryCommit, rollback }` too, each function
/// holding the store for itself.
pub fn functions(env: &Env, shared: &Arc<Shared>) -> napi::Result<Hot> {
    let env = env.raw();
    let mut object = ptr::null_mut();
    // SAFETY: `env` is the running callback's.
    check_status!(unsafe { sys::napi_create_object(env, &mut object) })?;
    define(env, object, c"tryGet", entry::<Get>, shared)?;
    define(env, object, c"tryHas", entry::<Has>, shared)?;
    define(env, object, c"trySet", entry::<Set>, shared)?;
    define(env, object, c"tryDelete", entry::<Delete>, shared)?;
    if shared.slot.is_some() {
        define(env, object, c"begin", entry::<Begin>, shared)?;
        define(env, object, c"tryCommit", entry::<Commit>, shared)?;
        define(env, object, c"rollback", entry::<Rollback>, shared)?;
    }
    Ok(Hot(object))
}

fn define(
    env: sys::napi_env,
    object: sys::napi_value,
    name: &std::ffi::CStr,
    callback: unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value,
    shared: &Arc<Shared>,
) -> napi::Result<()> {
    let data = Arc::into_raw(shared.clone()).cast_mut().cast::<c_void>();
    let mut function = ptr::null_mut();
    // SAFETY: `data` is one count of the Arc; `release` gives it back when the function is collected.
    unsafe {
        check_status!(sys::napi_create_function(env, name.as_ptr(), -1, Some(callback), data, &mut function))?;
        check_status!(sys::napi_add_finalizer(env, function, data, Some(release), ptr::null_mut(), ptr::null_mut()))?;
        check_status!(sys::napi_set_named_property(env, object, name.as_ptr(), function))
    }
}

unsafe extern "C" fn release(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: made by `Arc::into_raw` in `define`; called once.
    drop(unsafe { Arc::from_raw(data.cast::<Shared>()) });
}

trait Hottest {
    const CALL: Call;
}

struct Get;
struct Has;
struct Set;
struct Delete;
struct Begin;
struct Commit;
struct Rollback;

impl Hottest for Get {
    const CALL: Call = |shared, env, [key, ..]| {
        let found = with_text(env, *key, |key| shared.engine.try_get(Space::User, key))?;
        Ok(found.map(|found| {
            found.map(|value| match value {
                None => Settled::Null,
                Some(Value::Json(text)) => Settled::Text(text),
                Some(Value::Binary(bytes)) => Settled::Buffer(bytes),
            })
        }))
    };
}

impl Hottest for Has {
    const CALL: Call = |shared, env, [key, ..]| {
        let read = Read::Has(Space::User, text(env, *key)?.0);
        Ok(shared.engine.try_read(&read).map(|reply| reply.and_then(settle_reply)))
    };
}

impl Hottest for Set {
    const CALL: Call = |shared, env, [key, value, expires_at, metadata]| {
        // SAFETY: the values are arguments of the running callback.
        let (value, expires_at, metadata) = unsafe {
            (
                Payload::from_napi_value(env, *value)?,
                Option::<f64>::from_napi_value(env, *expires_at)?,
                Option::<Text>::from_napi_value(env, *metadata)?,
            )
        };
        let batch = set(text(env, *key)?, value, expires_at, metadata);
        Ok(shared.engine.try_commit(&batch).map(|commit| commit.map(|_| Settled::Bool(true))))
    };
}

impl Hottest for Delete {
    const CALL: Call = |shared, env, [key, ..]| {
        let batch = delete(text(env, *key)?);
        Ok(shared.engine.try_commit(&batch).map(|commit| commit.map(Reply::Commit).and_then(settle_deleted)))
    };
}

impl Hottest for Begin {
    const CALL: Call = |shared, env, [read_only, ..]| {
        // SAFETY: the value is an argument of the running callback.
        let read_only = unsafe { bool::from_napi_value(env, *read_only) }?;
        shared.slot()?.begin(read_only);
        Ok(None)
    };
}

impl Hottest for Commit {
    const CALL: Call = |shared, env, [writes, ..]| {
        // SAFETY: the value is an argument of the running callback.
        let writes = unsafe { Option::<Text>::from_napi_value(env, *writes) }?;
        let writes = writes.map(|writes| wire::batch(&writes.0, false)).transpose().map_err(|error| thrown(&error))?;
        Ok(match shared.slot()?.try_commit(writes.as_ref()) {
            Ok(Tried::Committed) => Some(Ok(Settled::Bool(true))),
            Ok(Tried::Queue) => Some(Ok(Settled::Bool(false))),
            Ok(Tried::QueueWrites) => None,
            Err(error) => Some(Err(error)),
        })
    };
}

impl Hottest for Rollback {
    const CALL: Call = |shared, _, _| Ok(shared.slot()?.rollback().err().map(Err));
}

fn text(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Text> {
    // SAFETY: the value is an argument of the running callback.
    unsafe { Text::from_napi_value(env, value) }
}

unsafe extern "C" fn entry<T: Hottest>(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let mut arguments: Arguments = [ptr::null_mut(); 4];
    let (mut count, mut data) = (arguments.len(), ptr::null_mut());
    // SAFETY: Node fills the four places, missing arguments with `undefined`, and gives the data of `define`.
    let status =
        unsafe { sys::napi_get_cb_info(env, info, &mut count, arguments.as_mut_ptr(), ptr::null_mut(), &mut data) };
    if status != sys::Status::napi_ok || data.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the function being called keeps the store alive.
    let shared = unsafe { &*data.cast::<Shared>() };
    let called = catch_unwind(AssertUnwindSafe(|| T::CALL(shared, env, &arguments)));
    let returned = match called {
        Ok(Ok(None)) => return ptr::null_mut(),
        Ok(Ok(Some(Ok(settled)))) => settled.into_js(env),
        Ok(Ok(Some(Err(error)))) => Err(thrown(&error)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(thrown(&Error::new(Code::Io, "the engine failed inside"))),
    };
    returned.unwrap_or_else(|error| {
        // SAFETY: `env` is the running callback's.
        unsafe { JsError::from(error).throw_into(env) };
        ptr::null_mut()
    })
}
