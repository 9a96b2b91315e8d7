mod db;

pub(super) use self::db::{Entry, Intent, Ledger, Sidecar};
