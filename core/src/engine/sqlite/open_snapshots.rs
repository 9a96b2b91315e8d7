//! Tells whether the snapshots that were open at a moment have ended.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// Counts the snapshots of this process. Each holds a token, which all have in common that begin between two looks.
#[derive(Default)]
pub(super) struct OpenSnapshots(Mutex<Tokens>);

#[derive(Default)]
struct Tokens {
    current: Arc<()>,
    earlier: Vec<Weak<()>>,
}

/// The snapshots that were open at a look.
pub(super) struct SeenSnapshots(Vec<Weak<()>>);

impl OpenSnapshots {
    /// The token for a snapshot that begins.
    pub(super) fn token(&self) -> Arc<()> {
        self.0.lock().current.clone()
    }

    /// The snapshots that are open now.
    pub(super) fn look(&self) -> SeenSnapshots {
        let mut tokens = self.0.lock();
        let current = Arc::downgrade(&std::mem::take(&mut tokens.current));
        tokens.earlier.push(current);
        tokens.earlier.retain(|token| token.strong_count() > 0);
        SeenSnapshots(tokens.earlier.clone())
    }
}

impl SeenSnapshots {
    /// True if there was one.
    pub(super) fn were_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// True if one of them has not ended.
    pub(super) fn are_open(&self) -> bool {
        self.0.iter().any(|token| token.strong_count() > 0)
    }
}
