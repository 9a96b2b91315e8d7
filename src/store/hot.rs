//! The most frequent calls, as plain functions. A method of a class costs twice as much, because its receiver is looked
//! up and checked on each call.

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::Arc;

use holdfast_core::engine::{Read, Reply};
use holdfast_core::error::Result;
use holdfast_core::key::Space;
use holdfast_core::threads::guarded;
use napi::bindgen_prelude::*;
use napi::sys;

use super::calls::{delete, set, settle, settle_deleted, settle_value};
use super::share::OpenStore;
use super::slot::{TransactionSlot, Tried};
use crate::boundary::error::thrown;
use crate::boundary::settle::Settled;
use crate::boundary::text::{Payload, Text, with_text};
use crate::wire;

/// The object that holds the functions.
pub struct Functions(sys::napi_value);

impl TypeName for Functions {
    fn type_name() -> &'static str {
        "object"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ToNapiValue for Functions {
    unsafe fn to_napi_value(_env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        Ok(value.0)
    }
}

type Arguments = [sys::napi_value; 4];
type Call<T> = fn(&T, sys::napi_env, &Arguments) -> napi::Result<Option<Result<Settled>>>;

/// A plain function: the target that it is called on, its name and its body.
trait HotCall {
    type Target: Send + Sync;
    const NAME: &'static CStr;
    const CALL: Call<Self::Target>;
}

/// Makes `{ tryGet, tryHas, trySet, tryDelete }`. Each function keeps the store alive.
pub(super) fn of_store(env: &Env, store: &Arc<OpenStore>) -> napi::Result<Functions> {
    let object = new_object(env)?;
    define_data(env.raw(), object, store)?;
    Ok(Functions(object))
}

/// Makes the same functions for a slot of transactions, and `{ begin, tryCommit, rollback }`.
pub(super) fn of_slot(env: &Env, store: &Arc<OpenStore>, slot: &Arc<TransactionSlot>) -> napi::Result<Functions> {
    let object = new_object(env)?;
    define_data(env.raw(), object, store)?;
    define::<Begin>(env.raw(), object, slot)?;
    define::<Commit>(env.raw(), object, slot)?;
    define::<Rollback>(env.raw(), object, slot)?;
    Ok(Functions(object))
}

fn new_object(env: &Env) -> napi::Result<sys::napi_value> {
    let mut object = ptr::null_mut();
    // SAFETY: `env` is the running callback's.
    check_status!(unsafe { sys::napi_create_object(env.raw(), &raw mut object) })?;
    Ok(object)
}

fn define_data(env: sys::napi_env, object: sys::napi_value, store: &Arc<OpenStore>) -> napi::Result<()> {
    define::<Get>(env, object, store)?;
    define::<Has>(env, object, store)?;
    define::<Set>(env, object, store)?;
    define::<Delete>(env, object, store)
}

fn define<T: HotCall>(env: sys::napi_env, object: sys::napi_value, target: &Arc<T::Target>) -> napi::Result<()> {
    let data = Arc::into_raw(target.clone()).cast_mut().cast::<c_void>();
    let (name, mut function) = (T::NAME.as_ptr(), ptr::null_mut());
    // SAFETY: `data` is one count of the Arc; `release` gives it back when the function is collected.
    unsafe {
        check_status!(sys::napi_create_function(env, name, -1, Some(entry::<T>), data, &raw mut function))?;
        let release: sys::napi_finalize = Some(release::<T>);
        check_status!(sys::napi_add_finalizer(env, function, data, release, ptr::null_mut(), ptr::null_mut()))?;
        check_status!(sys::napi_set_named_property(env, object, name, function))
    }
}

unsafe extern "C" fn release<T: HotCall>(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: made by `Arc::into_raw` in `define`; called once.
    drop(unsafe { Arc::from_raw(data.cast::<T::Target>()) });
}

struct Get;
struct Has;
struct Set;
struct Delete;
struct Begin;
struct Commit;
struct Rollback;

impl HotCall for Get {
    type Target = OpenStore;
    const NAME: &'static CStr = c"tryGet";
    const CALL: Call<OpenStore> = |store, env, [key, ..]| {
        let found = with_text(env, *key, |key| store.engine.try_get(Space::User, key))?;
        Ok(found.map(|found| found.map(settle_value)))
    };
}

impl HotCall for Has {
    type Target = OpenStore;
    const NAME: &'static CStr = c"tryHas";
    const CALL: Call<OpenStore> = |store, env, [key, ..]| {
        let read = Read::Has(Space::User, text(env, *key)?.0);
        Ok(store.engine.try_read(&read).map(|reply| reply.and_then(settle)))
    };
}

impl HotCall for Set {
    type Target = OpenStore;
    const NAME: &'static CStr = c"trySet";
    const CALL: Call<OpenStore> = |store, env, [key, value, expires_at, metadata]| {
        // SAFETY: the values are arguments of the running callback.
        let (value, expires_at, metadata) = unsafe {
            (
                Payload::from_napi_value(env, *value)?,
                Option::<f64>::from_napi_value(env, *expires_at)?,
                Option::<Text>::from_napi_value(env, *metadata)?,
            )
        };
        let batch = set(text(env, *key)?, value, expires_at, metadata);
        Ok(store.engine.try_commit(&batch).map(|commit| commit.map(|_| Settled::Bool(true))))
    };
}

impl HotCall for Delete {
    type Target = OpenStore;
    const NAME: &'static CStr = c"tryDelete";
    const CALL: Call<OpenStore> = |store, env, [key, ..]| {
        let batch = delete(text(env, *key)?);
        Ok(store.engine.try_commit(&batch).map(|commit| commit.map(Reply::Commit).and_then(settle_deleted)))
    };
}

impl HotCall for Begin {
    type Target = TransactionSlot;
    const NAME: &'static CStr = c"begin";
    const CALL: Call<TransactionSlot> = |slot, env, [read_only, ..]| {
        // SAFETY: the value is an argument of the running callback.
        let read_only = unsafe { bool::from_napi_value(env, *read_only) }?;
        slot.begin(read_only);
        Ok(None)
    };
}

impl HotCall for Commit {
    type Target = TransactionSlot;
    const NAME: &'static CStr = c"tryCommit";
    const CALL: Call<TransactionSlot> = |slot, env, [writes, ..]| {
        // SAFETY: the value is an argument of the running callback.
        let writes = unsafe { Option::<Text>::from_napi_value(env, *writes) }?;
        let writes = writes.map(|writes| wire::batch(&writes.0, false)).transpose().map_err(|error| thrown(&error))?;
        Ok(match slot.try_commit(writes.as_ref()) {
            Ok(Tried::Committed) => Some(Ok(Settled::Bool(true))),
            Ok(Tried::Queue) => Some(Ok(Settled::Bool(false))),
            Ok(Tried::QueueWrites) => None,
            Err(error) => Some(Err(error)),
        })
    };
}

impl HotCall for Rollback {
    type Target = TransactionSlot;
    const NAME: &'static CStr = c"rollback";
    const CALL: Call<TransactionSlot> = |slot, _, _| Ok(slot.rollback().err().map(Err));
}

fn text(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Text> {
    // SAFETY: the value is an argument of the running callback.
    unsafe { Text::from_napi_value(env, value) }
}

unsafe extern "C" fn entry<T: HotCall>(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let mut arguments: Arguments = [ptr::null_mut(); 4];
    let (mut count, mut data) = (arguments.len(), ptr::null_mut());
    // SAFETY: Node fills the four places, missing arguments with `undefined`, and gives the data of `define`.
    let status = unsafe {
        sys::napi_get_cb_info(env, info, &raw mut count, arguments.as_mut_ptr(), ptr::null_mut(), &raw mut data)
    };
    if status != sys::Status::napi_ok || data.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the function being called keeps its target alive.
    let target = unsafe { &*data.cast::<T::Target>() };
    let returned = match guarded(|| Ok(T::CALL(target, env, &arguments))) {
        Ok(Ok(None)) => return ptr::null_mut(),
        Ok(Ok(Some(Ok(settled)))) => settled.into_js(env),
        Ok(Ok(Some(Err(error)))) => Err(thrown(&error)),
        Ok(Err(error)) => Err(error),
        Err(panicked) => Err(thrown(&panicked)),
    };
    returned.unwrap_or_else(|error| {
        // SAFETY: `env` is the running callback's.
        unsafe { JsError::from(error).throw_into(env) };
        ptr::null_mut()
    })
}
