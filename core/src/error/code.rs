/// The kinds of errors, one line each: `retryable` marks those after which the same call may succeed when it is made again.
/// `ts/errors/codes.ts` is written from this table, by the test `the_facade_has_the_same_tables` in `core/tests/facade.rs`.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal $($retryable:ident)?,)*) => {
        /// What went wrong, stable across releases. The text form is the public API's `code`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The upper-case name users match on.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)* }
            }

            /// The code of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Code::$variant),)* _ => None }
            }

            /// True where the same call may succeed when it is made again.
            #[must_use]
            pub const fn retryable(self) -> bool {
                match self { $(Code::$variant => codes!(@retryable $($retryable)?),)* }
            }
        }
    };
    (@retryable) => { false };
    (@retryable retryable) => { true };
}

codes! {
    /// No engine of that name is registered.
    EngineNotFound = "ENGINE_NOT_FOUND",
    /// A wrong type, an unknown option or an impossible combination.
    InvalidArgument = "INVALID_ARGUMENT",
    /// Empty, over-long, ill-formed or reserved key.
    InvalidKey = "INVALID_KEY",
    /// A value the codec refuses.
    UnsupportedValue = "UNSUPPORTED_VALUE",
    /// A value or batch over its limit.
    ValueTooLarge = "VALUE_TOO_LARGE",
    /// The engine does not offer this.
    NotSupported = "NOT_SUPPORTED",
    /// The engine was closed.
    Closed = "CLOSED",
    /// Another process holds the store, or a transaction its keys.
    Locked = "LOCKED" retryable,
    /// The operating system refused.
    Io = "IO",
    /// The disk, quota or memory limit is full.
    NoSpace = "NO_SPACE",
    /// A write to a store opened read-only, or on a read-only medium.
    ReadOnly = "READ_ONLY",
    /// Stored bytes that cannot be what was written.
    Corrupted = "CORRUPTED",
    /// A store of another program or a newer version.
    UnsupportedFormat = "UNSUPPORTED_FORMAT",
    /// The server could not be reached or hung up.
    Connection = "CONNECTION" retryable,
    /// No answer in time.
    Timeout = "TIMEOUT" retryable,
    /// The caller gave up.
    Aborted = "ABORTED",
    /// A condition of the batch did not hold.
    Conflict = "CONFLICT" retryable,
    /// No open transaction has that id.
    TransactionNotFound = "TRANSACTION_NOT_FOUND",
    /// The transaction was committed or rolled back before.
    TransactionCompleted = "TRANSACTION_COMPLETED",
    /// The transaction was idle for too long and rolled back.
    TransactionTimeout = "TRANSACTION_TIMEOUT",
    /// No document has that id.
    DocumentNotFound = "DOCUMENT_NOT_FOUND",
    /// A unique index holds the key already.
    DuplicateKey = "DUPLICATE_KEY",
    /// A value breaks its schema.
    ValidationFailed = "VALIDATION_FAILED",
    /// No object has that key.
    ObjectNotFound = "OBJECT_NOT_FOUND",
    /// The state that the call builds on is not there (any more).
    PreconditionFailed = "PRECONDITION_FAILED",
    /// No node has that id.
    NodeNotFound = "NODE_NOT_FOUND",
    /// No edge has that id.
    EdgeNotFound = "EDGE_NOT_FOUND",
    /// No backup lies there.
    BackupNotFound = "BACKUP_NOT_FOUND",
    /// The bytes of a backup cannot be what was written.
    BackupCorrupted = "BACKUP_CORRUPTED",
    /// The key does not fit, or the bytes were changed.
    DecryptionFailed = "DECRYPTION_FAILED",
    /// Another migrator runs.
    MigrationLocked = "MIGRATION_LOCKED",
    /// A migration that was applied is changed, missing or out of order.
    MigrationChanged = "MIGRATION_CHANGED",
    /// A migration threw or did not finish.
    MigrationFailed = "MIGRATION_FAILED",
    /// Whether the write was applied cannot be known.
    UnknownOutcome = "UNKNOWN_OUTCOME",
}
