//! A transaction, and how it comes to its stores.

use std::sync::Arc;

use holdfast_core::transaction::Transaction;
use napi::Env;
use napi_derive::napi;

use crate::error::thrown;
use crate::settle::{CallId, Settled, Settler};
use crate::store::{NativeStore, inline};
use crate::text::{Outbound, Text};

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
    /// Makes the calls of `place`, a store for transactions, those of this one. `name` is what recovery will find the
    /// engine by.
    #[napi(catch_unwind)]
    pub fn enter(&self, name: Text, place: &NativeStore) -> napi::Result<()> {
        let place = place.shared.place.as_ref();
        let place = place.ok_or_else(|| napi::Error::from_reason("expected a store for transactions"))?;
        let name = String::from_utf8_lossy(&name.0);
        place.enter(self.transaction.on(&name, &place.beneath.engine));
        Ok(())
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
