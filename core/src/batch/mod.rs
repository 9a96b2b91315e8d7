//! The one primitive of writing: an atomic, conditional batch.
//!
//! A [`Batch`] holds operations ([`Op`]) and the checks ([`Check`], [`RangeCheck`]) that they depend on. An engine
//! applies a batch whole or not at all. Everything else is built of it: compare-and-set is a batch with one check, a
//! counter is a batch with one [`Op::Add`], clearing a prefix is a batch with one [`Op::DeleteRange`].

mod check;
pub mod codec;
mod op;
mod outcome;
mod role;

pub use check::{Check, RangeCheck};
pub use op::Op;
pub use outcome::{Commit, Outcome};
pub use role::{IntentId, Role};

use crate::error::{Code, Error, Result};

/// The limit of a batch: 64 MiB of keys, values and metadata ([`Batch::size`]).
pub const MAX_BATCH_BYTES: usize = 64 << 20;

/// Writes that take effect together or not at all.
///
/// The checks are made against the state before the batch. Then the operations apply in order: a later one sees the
/// effect of an earlier one.
///
/// # Examples
///
/// ```
/// use holdfast_core::engine::{EngineExt, memory};
/// use holdfast_core::{Batch, Check, Code, Op, Value};
///
/// let engine = memory::open(memory::MemoryOptions::default());
/// let sign_up = Batch::of([
///     Op::set("users/ada", Value::json(r#"{"name":"Ada"}"#)),
///     Op::add("counts/users", 1.0),
/// ])
/// .with_checks([Check::absent("users/ada")]);
///
/// engine.commit(sign_up.clone())?;
/// assert_eq!(engine.commit(sign_up).unwrap_err().code(), Code::Conflict);
/// # Ok::<(), holdfast_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Conditions on the versions of single keys.
    pub checks: Vec<Check>,
    /// Conditions on whole ranges of keys.
    pub range_checks: Vec<RangeCheck>,
    /// The writes, in the order in which they apply.
    pub ops: Vec<Op>,
    /// True if the caller wants [`Commit::outcomes`]. An engine may have to read before it writes to tell them.
    pub report: bool,
    /// The number of the commit that all checks were read at, if there is one. The checks hold while no commit came
    /// after it, so an engine may skip them then.
    pub as_of: Option<u64>,
    /// The role of the batch in a transaction over several engines.
    pub role: Role,
}

impl Batch {
    /// A batch of these writes, without conditions.
    ///
    /// # Examples
    ///
    /// ```
    /// use holdfast_core::{Batch, Op, Value};
    ///
    /// let batch = Batch::of([Op::set("a", Value::json("1")), Op::delete("b")]);
    /// assert_eq!(batch.ops.len(), 2);
    /// assert!(batch.is_blind());
    /// ```
    #[must_use]
    pub fn of(ops: impl IntoIterator<Item = Op>) -> Self {
        Batch { ops: ops.into_iter().collect(), ..Batch::default() }
    }

    /// A batch of one write, without conditions.
    #[must_use]
    pub fn one(op: Op) -> Self {
        Batch { ops: vec![op], ..Batch::default() }
    }

    /// Adds conditions on single keys.
    #[must_use]
    pub fn with_checks(mut self, checks: impl IntoIterator<Item = Check>) -> Self {
        self.checks.extend(checks);
        self
    }

    /// Adds conditions on ranges of keys.
    #[must_use]
    pub fn with_range_checks(mut self, checks: impl IntoIterator<Item = RangeCheck>) -> Self {
        self.range_checks.extend(checks);
        self
    }

    /// Asks for the outcome of each operation.
    #[must_use]
    pub fn reporting(mut self) -> Self {
        self.report = true;
        self
    }

    /// True if the batch only writes: an engine has nothing to check, nothing to read and nothing to report.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.role == Role::None
            && !self.report
            && self.checks.is_empty()
            && self.range_checks.is_empty()
            && !self.ops.iter().any(|op| match op {
                Op::Add { .. } => true,
                Op::DeleteRange { range, .. } => !range.is_whole_interval(),
                Op::Set { .. } | Op::Delete { .. } => false,
            })
    }

    /// The size of keys, values and metadata, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.ops.iter().map(Op::size).sum()
    }

    /// Checks the batch against [`MAX_BATCH_BYTES`].
    ///
    /// A batch of one write passes, because a single value has a limit of its own. A batch that carries out an intent
    /// passes, because it was measured when the intent was made.
    ///
    /// # Errors
    ///
    /// `VALUE_TOO_LARGE` if the batch is over the limit.
    pub fn check_size(&self) -> Result<()> {
        if self.ops.len() > 1 && !matches!(self.role, Role::Resolve(_)) && self.size() > MAX_BATCH_BYTES {
            return Err(Error::new(
                Code::ValueTooLarge,
                format!("a batch is at most {MAX_BATCH_BYTES} bytes; split it, or write the keys one by one"),
            ));
        }
        Ok(())
    }
}

impl From<Op> for Batch {
    fn from(op: Op) -> Self {
        Batch::one(op)
    }
}

impl From<Vec<Op>> for Batch {
    fn from(ops: Vec<Op>) -> Self {
        Batch { ops, ..Batch::default() }
    }
}

impl<const N: usize> From<[Op; N]> for Batch {
    fn from(ops: [Op; N]) -> Self {
        Batch::of(ops)
    }
}

impl FromIterator<Op> for Batch {
    fn from_iter<I: IntoIterator<Item = Op>>(ops: I) -> Self {
        Batch::of(ops)
    }
}
