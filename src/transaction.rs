//! A transaction, and the stores as it sees them.

use std::sync::Arc;

use holdfast_core::transaction::Transaction;
use napi::Env;
use napi_derive::napi;

use crate::error::thrown;
use crate::settle::{CallId, Settled, Settler};
use crate::store::{NativeStore, Shared, inline};
use crate::text::Outbound;

/// An open transaction.
#[napi]
pub struct NativeTransaction {
    transaction: Arc<Transaction>,
    settler: Arc<Settler>,
}

impl NativeTransaction {
    pub fn new(transaction: Arc<Transaction>, settler: Arc<Settler>) -> Self {
        NativeTransaction { transaction, settler }
    }
}

#[napi]
impl NativeTransaction {
    /// A store as the transaction sees it. `name` is what recovery will find its engine by.
    #[napi(catch_unwind)]
    pub fn on(&self, name: String, store: &NativeStore) -> NativeStore {
        let part = self.transaction.on(&name, &store.shared.engine);
        NativeStore { shared: Shared::part(part, &store.shared) }
    }

    /// True: committed. `undefined`: queue it.
    #[napi(catch_unwind)]
    pub fn try_commit(&self) -> napi::Result<Outbound> {
        inline(self.transaction.try_commit().map(|result| result.map(|()| Settled::Bool(true))))
    }

    /// Commits behind the calls made before.
    #[napi(catch_unwind)]
    pub fn submit_commit(&self, env: Env, id: CallId) {
        self.settler.expect(&env);
        let settler = self.settler.clone();
        self.transaction.commit(Box::new(move |result| {
            settler.post(id, result.map_or_else(|error| Settled::Failed(Box::new(error)), |()| Settled::Bool(true)));
        }));
    }

    /// Drops what was written, at once.
    #[napi(catch_unwind)]
    pub fn rollback(&self) -> napi::Result<()> {
        self.transaction.rollback().map_err(|error| thrown(&error))
    }
}
