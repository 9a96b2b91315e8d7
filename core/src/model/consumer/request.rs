use serde::Deserialize;

/// A request of the model `consumer`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// Takes the name of a consumer.
    Claim(Claim),
    /// Gives a sign of life, and writes the cursor.
    Keep(Keep),
    /// Gives the name up.
    Release(Release),
    /// Moves a cursor ahead of what the consumer does not match.
    Advance(Advance),
}

/// The arguments of a claim.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Claim {
    pub(super) name: String,
    /// The new token of the one who claims.
    pub(super) token: String,
    /// The machine and process namespace in which `pid` is valid.
    pub(super) host: String,
    pub(super) pid: u32,
    /// For how many milliseconds the name stays taken without a sign of life.
    pub(super) timeout: u64,
    /// The sign of a holder that is known to be dead.
    pub(super) dead: Option<Sign>,
}

/// The latest sign of life of a holder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sign {
    pub(super) token: String,
    pub(super) beat: u64,
}

/// The arguments of a sign of life.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Keep {
    pub(super) name: String,
    pub(super) token: String,
    /// The place up to which everything is done; absent if it is where it was.
    pub(super) cursor: Option<String>,
}

/// The arguments of a release.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    pub(super) name: String,
    pub(super) token: String,
    /// The cursor goes, too.
    #[serde(default)]
    pub(super) forget: bool,
}

/// The arguments of an advance.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Advance {
    pub(super) cursor: String,
    /// The glob of the consumer.
    pub(super) pattern: String,
}
