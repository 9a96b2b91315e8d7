//! One environment's use of the addon: opens stores, hosts and transaction logs.

mod options;
pub mod transaction_log;

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

use self::options::Verbose;
use self::transaction_log::{NativeTransactionLog, Recovery};
use crate::boundary::error::thrown;
use crate::boundary::settle::{CallId, Found, Opening, Settled, Settler};
use crate::boundary::text::Text;
use crate::host::NativeHost;
use crate::store::{NativeStore, OpenStore};

/// The version of the addon; the facade refuses another than its own.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Which of `keys` match the glob.
#[napi(catch_unwind)]
pub fn match_keys(pattern: String, keys: Vec<String>) -> Vec<bool> {
    let glob = Glob::new(&pattern);
    keys.iter().map(|key| glob.matches(key)).collect()
}

/// One environment: a thread's main context, a worker, an Electron window.
#[napi]
pub struct NativeSession {
    settler: Arc<Settler>,
}

/// Starts the environment's session. `settle(ids, results)` is called whenever queued calls are done;
/// the id of a failed call is negative, its result the JSON text of the error.
#[napi(catch_unwind)]
pub fn init(env: Env, settle: Unknown) -> napi::Result<NativeSession> {
    Ok(NativeSession { settler: Settler::new(&env, &settle)? })
}

#[napi]
impl NativeSession {
    /// Opens an engine; settles with a store. What a crash left of its transactions is finished first, as
    /// `recovery` says: the folder of the logs, and what the application calls the engine.
    #[napi(catch_unwind)]
    pub fn open(
        &self,
        env: Env,
        id: CallId,
        engine: String,
        options: Text,
        verbose: Option<Function<'_, String, ()>>,
        recovery: Option<Vec<String>>,
    ) -> napi::Result<()> {
        let verbose = verbose.map(|function| listener(&function)).transpose()?;
        let recovery = recovery.and_then(Recovery::new);
        self.settler.expect(&env);
        open_queued(id, self.settler.clone(), Some(self.settler.opening()), move || {
            open(&engine, &options, verbose, recovery.as_ref())
        });
        Ok(())
    }

    /// Opens an engine on this thread.
    #[napi(catch_unwind)]
    pub fn open_sync(
        &self,
        engine: String,
        options: Text,
        verbose: Option<Function<'_, String, ()>>,
        recovery: Option<Vec<String>>,
    ) -> napi::Result<NativeStore> {
        let verbose = verbose.map(|function| listener(&function)).transpose()?;
        let recovery = recovery.and_then(Recovery::new);
        let (lease, recovered) = open(&engine, &options, verbose, recovery.as_ref()).map_err(|e| thrown(&e))?;
        Ok(NativeStore::new(OpenStore::new(lease, recovered, self.settler.clone())))
    }

    /// An engine that JavaScript carries out, whose calls are told under the id `listener`. `traits` is the JSON of
    /// `{ name, atomicBatch, expiry, metadata }`.
    #[napi(catch_unwind)]
    pub fn custom(&self, listener: CallId, traits: Text) -> napi::Result<NativeHost> {
        NativeHost::new(listener, &traits.0, self.settler.clone()).map_err(|error| thrown(&error))
    }

    /// Waits up to so many microseconds, without a sleep, for what is done next: `[ids, results]` for the settle function.
    #[napi(catch_unwind)]
    pub fn look(&self, env: Env, microseconds: u32) -> napi::Result<Found> {
        self.settler.look(&env, Duration::from_micros(microseconds.into()))
    }

    /// A share of the log in `folder`.
    #[napi(catch_unwind)]
    pub fn transaction_log(&self, folder: String, durability: String) -> NativeTransactionLog {
        NativeTransactionLog::open(folder, &durability)
    }
}

/// Opens an engine and finishes what a crash left of its transactions. Blocks.
fn open(
    engine: &str,
    options: &Text,
    verbose: Option<Verbose>,
    recovery: Option<&Recovery>,
) -> Result<(Lease, Option<String>)> {
    recovered(options::open(engine, &String::from_utf8_lossy(&options.0), verbose)?, recovery)
}

/// Opens a store off the JavaScript thread and settles the call with it. The end of the environment waits while `opening` lives.
pub fn open_queued(
    id: CallId,
    settler: Arc<Settler>,
    opening: Option<Opening>,
    open: impl FnOnce() -> Result<(Lease, Option<String>)> + Send + 'static,
) {
    // On a thread that stays: RocksDB's part in the end of a thread must not meet the end of the process.
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

/// Finishes what a crash left in a store. One for which that fails is given back. Blocks.
pub fn recovered(lease: Lease, recovery: Option<&Recovery>) -> Result<(Lease, Option<String>)> {
    match recovery.map(|recovery| recovery.run(lease.engine())).transpose() {
        Ok(recovered) => Ok((lease, recovered)),
        Err(error) => {
            // The first error is the one that tells.
            let _ = lease.close();
            Err(error)
        }
    }
}

/// A function of the user's that hears of statements, from any thread, and keeps nothing alive.
fn listener(function: &Function<'_, String, ()>) -> napi::Result<Verbose> {
    let function = function
        .build_threadsafe_function()
        .weak::<true>()
        .build_callback(|context: ThreadsafeCallContext<String>| Ok(context.value))?;
    Ok(Arc::new(move |statement: &str| {
        function.call(statement.to_owned(), ThreadsafeFunctionCallMode::NonBlocking);
    }))
}
