/// The kinds of errors, one line each. `retryable` marks a kind after which the same call may succeed when it is made
/// again. The test `the_facade_has_the_same_tables` in `core/tests/facade.rs` writes `ts/errors/codes.ts` from this
/// table.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal $($retryable:ident)?,)*) => {
        /// The kind of an error, stable across releases. Its name is the `code` of the public API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The name, in capitals, such as `NO_SPACE`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)* }
            }

            /// The code of a name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Code::$variant),)* _ => None }
            }

            /// True if the same call may succeed when it is made again.
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
    /// An argument has a wrong type, an unknown option or options that exclude each other.
    InvalidArgument = "INVALID_ARGUMENT",
    /// A key is empty, too long, ill-formed or reserved.
    InvalidKey = "INVALID_KEY",
    /// The codec has no form for a value.
    UnsupportedValue = "UNSUPPORTED_VALUE",
    /// A value or a batch is over its limit.
    ValueTooLarge = "VALUE_TOO_LARGE",
    /// The engine does not have this ability.
    NotSupported = "NOT_SUPPORTED",
    /// The engine was closed.
    Closed = "CLOSED",
    /// Another process holds the store, or a transaction its keys.
    Locked = "LOCKED" retryable,
    /// The operating system refused a call.
    Io = "IO",
    /// The disk, quota or memory limit is full.
    NoSpace = "NO_SPACE",
    /// The store was opened read-only, or its medium is read-only.
    ReadOnly = "READ_ONLY",
    /// Stored bytes are not those that were written.
    Corrupted = "CORRUPTED",
    /// The store was written by another program or by a newer version.
    UnsupportedFormat = "UNSUPPORTED_FORMAT",
    /// The server could not be reached or hung up.
    Connection = "CONNECTION" retryable,
    /// There was no answer in time.
    Timeout = "TIMEOUT" retryable,
    /// The caller gave up the call.
    Aborted = "ABORTED",
    /// A condition of the batch did not hold.
    Conflict = "CONFLICT" retryable,
    /// No open transaction has that id.
    TransactionNotFound = "TRANSACTION_NOT_FOUND",
    /// The transaction was committed or rolled back before the call.
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
    /// The state on which the call depends is not there, or not any more.
    PreconditionFailed = "PRECONDITION_FAILED",
    /// No node has that id.
    NodeNotFound = "NODE_NOT_FOUND",
    /// No edge has that id.
    EdgeNotFound = "EDGE_NOT_FOUND",
    /// There is no backup at that place.
    BackupNotFound = "BACKUP_NOT_FOUND",
    /// The bytes of a backup are not those that were written.
    BackupCorrupted = "BACKUP_CORRUPTED",
    /// The encryption key is another one, or the bytes were changed.
    DecryptionFailed = "DECRYPTION_FAILED",
    /// Another process runs migrations.
    MigrationLocked = "MIGRATION_LOCKED",
    /// A migration that was applied has changed, is missing or is out of order.
    MigrationChanged = "MIGRATION_CHANGED",
    /// A migration threw or did not finish.
    MigrationFailed = "MIGRATION_FAILED",
    /// It cannot be known whether the write was applied.
    UnknownOutcome = "UNKNOWN_OUTCOME",
}
