//! The session of one environment: it opens stores, hosts and transaction logs.

mod clock;
mod options;
pub(crate) mod transaction_log;

use std::sync::Arc;
use std::time::Duration;

use holdfast_core::engine::registry::Lease;
use holdfast_core::error::Result;
use holdfast_core::glob::Glob;
use holdfast_core::threads::{self, guarded};
use napi::Env;
use napi::bindgen_prelude::{Function, Unknown};
use napi::threadsafe_function::{ThreadsafeCallContext, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use self::options::Listener;
use self::transaction_log::{NativeTransactionLog, Recovery};
use crate::boundary::error::thrown;
use crate::boundary::settle::{CallId, Found, Opening, Settled, Settler};
use crate::boundary::text::Text;
use crate::host::NativeHost;
use crate::store::{NativeStore, OpenStore};

/// The version of the addon. The facade refuses a version other than its own.
#[napi]
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Tells for each of `keys` whether it matches the glob.
#[napi(catch_unwind)]
pub(crate) fn match_keys(pattern: String, keys: Vec<String>) -> Vec<bool> {
    let glob = Glob::new(&pattern);
    keys.iter().map(|key| glob.matches(key)).collect()
}

/// One environment: a thread's main context, a worker, an Electron window.
#[napi]
pub struct NativeSession {
    settler: Arc<Settler>,
}

/// Starts the session of the environment. `settle(ids, results)` is called whenever queued calls are done. The id of a
/// failed call is negative, and its result is the JSON text of the error.
#[napi(catch_unwind)]
pub(crate) fn init(env: Env, settle: Unknown) -> napi::Result<NativeSession> {
    Ok(NativeSession { settler: Settler::new(&env, &settle)? })
}

#[napi]
impl NativeSession {
    /// Opens an engine. Settles with a store, after the transactions that a crash left in it are finished. `listener`
    /// receives the statements of sqlite, and from redis `up` or the JSON of the error that a connection ended with.
    /// `recovery` has the folder of the transaction logs, and the application's name of the engine.
    #[napi(catch_unwind)]
    pub fn open(
        &self,
        env: Env,
        id: CallId,
        engine: String,
        options: Text,
        listener: Option<Function<'_, String, ()>>,
        recovery: Option<Vec<String>>,
    ) -> napi::Result<()> {
        let listener = listener.map(|function| from_any_thread(&function)).transpose()?;
        let recovery = recovery.and_then(Recovery::new);
        self.settler.expect(&env);
        open_queued(id, self.settler.clone(), Some(self.settler.opening()), move || {
            open(&engine, &options, listener, recovery.as_ref())
        });
        Ok(())
    }

    /// Opens an engine on this thread, as [`open`](NativeSession::open) does. Blocks.
    #[napi(catch_unwind)]
    pub fn open_sync(
        &self,
        engine: String,
        options: Text,
        listener: Option<Function<'_, String, ()>>,
        recovery: Option<Vec<String>>,
    ) -> napi::Result<NativeStore> {
        let listener = listener.map(|function| from_any_thread(&function)).transpose()?;
        let recovery = recovery.and_then(Recovery::new);
        let (lease, recovered) = open(&engine, &options, listener, recovery.as_ref()).map_err(|e| thrown(&e))?;
        Ok(NativeStore::new(OpenStore::new(lease, recovered, self.settler.clone())))
    }

    /// Makes the host of an engine in JavaScript, which receives calls under the id `listener`. `traits` is the JSON of
    /// `{ name, atomicBatch, expiry, metadata }`.
    #[napi(catch_unwind)]
    pub fn custom(&self, listener: CallId, traits: Text) -> napi::Result<NativeHost> {
        NativeHost::new(listener, &traits.0, self.settler.clone()).map_err(|error| thrown(&error))
    }

    /// Spins for up to so many microseconds until there is a result. Returns `[ids, results]` for the settle function,
    /// or `undefined`.
    #[napi(catch_unwind)]
    pub fn look(&self, env: Env, microseconds: u32) -> napi::Result<Found> {
        self.settler.look(&env, Duration::from_micros(microseconds.into()))
    }

    /// Announces the end of the process, which frees static data of RocksDB. Blocks until no store is being opened or
    /// closed, at most for 5 s.
    #[napi(catch_unwind)]
    #[allow(clippy::unused_self, reason = "a method in JavaScript")]
    pub fn process_ends(&self) {
        holdfast_core::engine::leveldb::process_ends();
    }

    /// A share of the transaction log in `folder`.
    #[napi(catch_unwind)]
    #[allow(clippy::unused_self, reason = "a method in JavaScript")]
    pub fn transaction_log(&self, folder: String, durability: String) -> NativeTransactionLog {
        NativeTransactionLog::open(folder, &durability)
    }
}

/// Opens an engine, and finishes the transactions that a crash left in it. Blocks.
fn open(
    engine: &str,
    options: &Text,
    listener: Option<Listener>,
    recovery: Option<&Recovery>,
) -> Result<(Lease, Option<String>)> {
    recovered(options::open(engine, &String::from_utf8_lossy(&options.0), listener)?, recovery)
}

/// Opens a store on another thread, and settles the call with it. The end of the environment waits while `opening`
/// lives.
pub(crate) fn open_queued(
    id: CallId,
    settler: Arc<Settler>,
    opening: Option<Opening>,
    open: impl FnOnce() -> Result<(Lease, Option<String>)> + Send + 'static,
) {
    // On a thread that stays, because RocksDB's work at the end of a thread must not meet the end of the process.
    threads::waiting(move |started| {
        let _opening = opening;
        let settled = match started.and_then(|()| guarded(open)) {
            Ok((lease, recovered)) => {
                let store = OpenStore::new(lease, recovered, settler.clone());
                Settled::Object(Box::new(NativeStore::new(store)))
            }
            Err(error) => Settled::Failed(Box::new(error)),
        };
        settler.post(id, settled);
    });
}

/// Finishes the transactions that a crash left in a store. If that fails, gives the store back. Blocks.
pub(crate) fn recovered(lease: Lease, recovery: Option<&Recovery>) -> Result<(Lease, Option<String>)> {
    match recovery.map(|recovery| recovery.run(lease.engine())).transpose() {
        Ok(recovered) => Ok((lease, recovered)),
        Err(error) => {
            // The first error tells more than one of the close.
            let _ = lease.close();
            Err(error)
        }
    }
}

/// A function that receives texts from any thread. It does not keep the process alive.
fn from_any_thread(function: &Function<'_, String, ()>) -> napi::Result<Listener> {
    let function = function
        .build_threadsafe_function()
        .weak::<true>()
        .build_callback(|context: ThreadsafeCallContext<String>| Ok(context.value))?;
    Ok(Arc::new(move |text: &str| {
        function.call(text.to_owned(), ThreadsafeFunctionCallMode::NonBlocking);
    }))
}
