//! The results of queued calls: each environment has one thread-safe function, and one call of it settles every call
//! that is done.

mod settled;

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::*;
use napi::sys;
use parking_lot::{Condvar, Mutex};

pub(crate) use settled::{Found, Settled};

use crate::boundary::text;
use settled::arrays;

/// The identity of a queued call. The facade chooses it, from 1 on.
pub(crate) type CallId = u32;

/// A resource of an environment that is given back when the environment ends.
pub trait Resident: Send + Sync {
    /// Gives the resource back. Blocks.
    fn leave(&self);
}

/// The order in which residents leave. A store may wait for the answer of a host, so hosts go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaving {
    First,
    Last,
}

/// The calls that one environment waits for, and their results.
pub struct Settler {
    function: Function,
    state: Mutex<SettlerState>,
    /// True once there is a result while JavaScript looks for one.
    found: AtomicBool,
    /// Notified when the opening of a store is over.
    opened: Condvar,
}

#[derive(Default)]
struct SettlerState {
    done: Vec<(CallId, Settled)>,
    /// True while a call into JavaScript is under way that will take `done`.
    scheduled: bool,
    /// True while JavaScript looks for results.
    looking: bool,
    /// The number of calls for which JavaScript waits. They keep the process alive.
    waiting: usize,
    /// True once the environment ends: nothing may be sent to it.
    closed: bool,
    residents: Vec<(Leaving, Weak<dyn Resident>)>,
    /// The number of stores that are being opened on other threads.
    opening: usize,
}

/// The time for which the end of an environment waits for stores that are being opened.
const OPENING: Duration = Duration::from_secs(5);

/// Counts an opening of a store until it is dropped.
pub struct Opening(Arc<Settler>);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.state.lock().opening -= 1;
        self.0.opened.notify_all();
    }
}

struct Function(sys::napi_threadsafe_function);

// SAFETY: a thread-safe function may be called from any thread; it is not used once `closed` is set, which
// happens before Node frees it.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}

impl Settler {
    /// Makes the thread-safe function, which calls `settle(ids, results)`.
    pub fn new(env: &Env, settle: &Unknown<'_>) -> Result<Arc<Self>> {
        let raw = env.raw();
        let name = text::to_js(raw, b"holdfast")?;
        let mut function = ptr::null_mut();
        // The context is a weak reference of its own, freed by `finalize`.
        let state = Arc::new_cyclic(|weak: &Weak<Settler>| {
            let context = Box::into_raw(Box::new(weak.clone()));
            // SAFETY: `raw` and `settle` are valid in this callback scope; `context` lives until `finalize`.
            let status = unsafe {
                sys::napi_create_threadsafe_function(
                    raw,
                    settle.raw(),
                    ptr::null_mut(),
                    name,
                    0,
                    1,
                    context.cast(),
                    Some(finalize),
                    context.cast(),
                    Some(drain),
                    &raw mut function,
                )
            };
            if status == sys::Status::napi_ok {
                // SAFETY: the function was just made in this environment.
                unsafe { sys::napi_unref_threadsafe_function(raw, function) };
            } else {
                function = ptr::null_mut();
            }
            Settler {
                function: Function(function),
                state: Mutex::default(),
                found: AtomicBool::new(false),
                opened: Condvar::new(),
            }
        });
        if state.function.0.is_null() {
            return Err(Error::from_reason("cannot make a thread-safe function"));
        }
        let at_exit = state.clone();
        // Hooks run in reverse order, so this one runs before Node frees the thread-safe function.
        env.add_env_cleanup_hook((), move |()| at_exit.shut_down())?;
        Ok(state)
    }

    /// Notes that JavaScript waits for one more call. Only the JavaScript thread may call it.
    pub fn expect(&self, env: &Env) {
        let mut state = self.state.lock();
        state.waiting += 1;
        if state.waiting == 1 && !state.closed {
            // SAFETY: on the thread of `env`, and the function lives while `closed` is not set.
            unsafe { sys::napi_ref_threadsafe_function(env.raw(), self.function.0) };
        }
    }

    /// Counts an opening of a store until the result is dropped.
    pub fn opening(self: &Arc<Self>) -> Opening {
        self.state.lock().opening += 1;
        Opening(self.clone())
    }

    /// Gives a result to JavaScript. Any thread may call it.
    pub fn post(&self, id: CallId, settled: Settled) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        state.done.push((id, settled));
        if state.looking {
            self.found.store(true, Ordering::Release);
        } else if !state.scheduled {
            state.scheduled = true;
            // SAFETY: the function lives while `closed` is not set, and the lock is held.
            unsafe {
                sys::napi_call_threadsafe_function(
                    self.function.0,
                    ptr::null_mut(),
                    sys::ThreadsafeFunctionCallMode::nonblocking,
                );
            }
        }
    }

    /// Spins on the JavaScript thread until there is a result, at most for `patience`. Returns `[ids, results]` for the
    /// facade's settle function, or `undefined`.
    pub fn look(&self, env: &Env, patience: Duration) -> Result<Found> {
        {
            let mut state = self.state.lock();
            if state.closed {
                return Ok(Found(None));
            }
            state.looking = state.done.is_empty();
            self.found.store(!state.looking, Ordering::Relaxed);
        }
        let began = Instant::now();
        while !self.found.load(Ordering::Acquire) && began.elapsed() < patience {
            std::hint::spin_loop();
        }
        let done = {
            let mut state = self.state.lock();
            state.looking = false;
            std::mem::take(&mut state.done)
        };
        if done.is_empty() {
            return Ok(Found(None));
        }
        self.settled(env.raw(), &done);
        let [ids, results] = arrays(env.raw(), done)?;
        let mut pair = ptr::null_mut();
        // SAFETY: on the thread of `env`; the values are of this callback.
        unsafe {
            check_status!(sys::napi_create_array_with_length(env.raw(), 2, &raw mut pair))?;
            check_status!(sys::napi_set_element(env.raw(), pair, 0, ids))?;
            check_status!(sys::napi_set_element(env.raw(), pair, 1, results))?;
        }
        Ok(Found(Some(pair)))
    }

    /// Remembers a resident, to give it back when the environment ends.
    pub fn adopt(&self, leaving: Leaving, resident: Weak<dyn Resident>) {
        let mut state = self.state.lock();
        if state.residents.len() == state.residents.capacity() {
            state.residents.retain(|(_, resident)| resident.strong_count() > 0);
        }
        state.residents.push((leaving, resident));
    }

    /// Ends the environment: nothing is sent to it any more, and its residents are given back.
    fn shut_down(&self) {
        let (mut residents, done) = {
            let mut state = self.state.lock();
            // The end of the process frees static data of libraries, which a thread that opens a store may still use.
            let until = Instant::now() + OPENING;
            while state.opening > 0 && !self.opened.wait_until(&mut state, until).timed_out() {}
            state.closed = true;
            let done = std::mem::take(&mut state.done);
            (std::mem::take(&mut state.residents), done)
        };
        residents.sort_by_key(|(leaving, _)| *leaving);
        for resident in residents.iter().filter_map(|(_, resident)| resident.upgrade()) {
            resident.leave();
        }
        // Last, because stores among the results have been given back by now.
        drop(done);
    }

    fn take(&self) -> Vec<(CallId, Settled)> {
        let mut state = self.state.lock();
        state.scheduled = false;
        std::mem::take(&mut state.done)
    }

    fn settled(&self, env: sys::napi_env, done: &[(CallId, Settled)]) {
        let count = done.iter().filter(|(_, settled)| !matches!(settled, Settled::Progress(_))).count();
        let mut state = self.state.lock();
        state.waiting = state.waiting.saturating_sub(count);
        if state.waiting == 0 && !state.closed {
            // SAFETY: on the thread of `env`, and the function lives while `closed` is not set.
            unsafe { sys::napi_unref_threadsafe_function(env, self.function.0) };
        }
    }
}

unsafe extern "C" fn finalize(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: `data` is the context made in `new`; Node calls this once.
    drop(unsafe { Box::from_raw(data.cast::<Weak<Settler>>()) });
}

/// Gives all results to `settle`, in two arrays. It runs on the JavaScript thread.
unsafe extern "C" fn drain(env: sys::napi_env, settle: sys::napi_value, context: *mut c_void, _data: *mut c_void) {
    if env.is_null() || settle.is_null() {
        return;
    }
    // SAFETY: the context lives until `finalize`, which comes after the last call.
    let Some(settler) = (unsafe { &*context.cast::<Weak<Settler>>() }).upgrade() else { return };
    let done = settler.take();
    if done.is_empty() {
        return;
    }
    settler.settled(env, &done);
    // SAFETY: called by Node on the thread of `env` inside a handle scope.
    unsafe {
        if call_settle(env, settle, done).is_err() {
            // The facade's settle function does not throw, and the callbacks of its promises run later.
            let mut pending = false;
            sys::napi_is_exception_pending(env, &raw mut pending);
        }
    }
}

unsafe fn call_settle(env: sys::napi_env, settle: sys::napi_value, done: Vec<(CallId, Settled)>) -> Result<()> {
    let arguments = arrays(env, done)?;
    let mut this = ptr::null_mut();
    // SAFETY: `env` is valid on this thread; the out-pointer lives through the call.
    unsafe {
        check_status!(sys::napi_get_undefined(env, &raw mut this))?;
        check_status!(sys::napi_call_function(env, this, settle, 2, arguments.as_ptr(), ptr::null_mut()))
    }
}
