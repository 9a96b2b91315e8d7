//! The SQL of the engine: a fixed set of statements, numbered so that a connection can keep each one prepared.

use crate::engine::Projection;
use crate::key::Space;

/// A statement. Its parameters are listed with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Query {
    Begin,
    BeginImmediate,
    Commit,
    Rollback,
    Savepoint,
    RollbackTo,
    Release,
    ReadMeta,
    /// Reads no row. The open transaction sees the database as it is now from then on.
    TakeSnapshot,
    /// 1 the commit number, 2 and 3 the last commits that deleted in either keyspace, 4 how often the standing intents
    /// have changed.
    WriteMeta,
    Point(Point, Space),
    /// 1 the start, 2 the end if the shape has one, 3 a time or commit number.
    Span(Span, Space, Shape),
}

/// A statement about one key (parameter 1) or about expired records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    Has,
    Get,
    Record,
    /// 2 value, 3 type, 4 time, 5 metadata, 6 version, 7 expiry.
    Put,
    Remove,
    /// 1 the time.
    AnyExpired,
    /// 1 the time, 2 the most records to free.
    Sweep,
    /// A record of a replacement: 2 value, 3 type, 4 time of creation, 5 metadata, 6 version, 7 expiry, 8 time of the
    /// write.
    Stage,
}

/// A statement about an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    Keys,
    Values,
    Records,
    Remove,
    Changed,
    Count,
}

/// How an interval is bounded and walked. An interval without a start begins at the empty key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub start_excluded: bool,
    pub end: End,
    pub reverse: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    None,
    Excluded,
    Included,
}

const FIXED: usize = 10;
const POINTS: usize = 8;
const SPANS: usize = 6;
const SHAPES: usize = 12;

impl Query {
    /// The statement's number.
    pub(super) fn index(self) -> usize {
        match self {
            Query::Begin => 0,
            Query::BeginImmediate => 1,
            Query::Commit => 2,
            Query::Rollback => 3,
            Query::Savepoint => 4,
            Query::RollbackTo => 5,
            Query::Release => 6,
            Query::ReadMeta => 7,
            Query::WriteMeta => 8,
            Query::TakeSnapshot => 9,
            Query::Point(point, space) => FIXED + space as usize * POINTS + point as usize,
            Query::Span(span, space, shape) => {
                let shape =
                    (usize::from(shape.start_excluded) * 3 + shape.end as usize) * 2 + usize::from(shape.reverse);
                FIXED + 2 * POINTS + (space as usize * SPANS + span as usize) * SHAPES + shape
            }
        }
    }
}

impl From<Projection> for Span {
    fn from(what: Projection) -> Self {
        match what {
            Projection::Keys => Span::Keys,
            Projection::Values => Span::Values,
            Projection::Records => Span::Records,
        }
    }
}

/// The quoted names of a store's tables. A subquery stands for a table that a read-only store lacks.
#[derive(Clone, Debug, Default)]
pub(super) struct Sql {
    pub user: String,
    pub internal: String,
    pub meta: String,
    /// The tables of a content that is staged, by keyspace.
    pub staged: [String; 2],
}

impl Sql {
    /// The number of statements.
    pub(super) const COUNT: usize = FIXED + 2 * (POINTS + SPANS * SHAPES);

    /// The text of a statement.
    pub(super) fn text(&self, query: Query) -> String {
        match query {
            Query::Begin => "BEGIN".into(),
            Query::BeginImmediate => "BEGIN IMMEDIATE".into(),
            Query::Commit => "COMMIT".into(),
            Query::Rollback => "ROLLBACK".into(),
            Query::Savepoint => "SAVEPOINT batch".into(),
            Query::RollbackTo => "ROLLBACK TO batch".into(),
            Query::Release => "RELEASE batch".into(),
            Query::ReadMeta => format!("SELECT seq, deleted_user, deleted_internal, intents FROM {}", self.meta),
            Query::TakeSnapshot => "SELECT 1 FROM sqlite_schema LIMIT 0".into(),
            Query::WriteMeta => {
                format!("UPDATE {} SET seq = ?1, deleted_user = ?2, deleted_internal = ?3, intents = ?4", self.meta)
            }
            Query::Point(point, space) => self.point(point, space),
            Query::Span(span, space, shape) => self.span(span, space, shape),
        }
    }

    /// The table of a keyspace.
    pub(super) fn table(&self, space: Space) -> &str {
        match space {
            Space::User => &self.user,
            Space::Internal => &self.internal,
        }
    }

    /// The table of a keyspace in a content that is staged.
    pub(super) fn staged_table(&self, space: Space) -> &str {
        let [user, internal] = &self.staged;
        if space == Space::User { user } else { internal }
    }

    fn point(&self, point: Point, space: Space) -> String {
        let table = self.table(space);
        match point {
            Point::Has => format!("SELECT key, expires_at FROM {table} WHERE key = ?1"),
            Point::Get => format!("SELECT key, expires_at, value, type FROM {table} WHERE key = ?1"),
            Point::Record => format!("SELECT {RECORD} FROM {table} WHERE key = ?1"),
            Point::Put => format!(
                "INSERT INTO {table} (key, value, type, created_at, updated_at, metadata, version, expires_at) \
                 VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7) ON CONFLICT (key) DO UPDATE SET \
                 value = excluded.value, type = excluded.type, \
                 created_at = CASE WHEN expires_at <= ?4 THEN ?4 ELSE created_at END, \
                 updated_at = excluded.updated_at, metadata = excluded.metadata, version = excluded.version, \
                 expires_at = excluded.expires_at"
            ),
            Point::Remove => format!("DELETE FROM {table} WHERE key = ?1"),
            Point::Stage => format!(
                "INSERT OR REPLACE INTO {} (key, value, type, created_at, updated_at, metadata, version, expires_at) \
                 VALUES (?1, ?2, ?3, ?4, ?8, ?5, ?6, ?7)",
                self.staged_table(space)
            ),
            Point::AnyExpired => format!("SELECT 1 FROM {table} WHERE expires_at <= ?1 LIMIT 1"),
            Point::Sweep => format!(
                "DELETE FROM {table} WHERE key IN (SELECT key FROM {table} WHERE expires_at <= ?1 LIMIT ?2) \
                 AND expires_at <= ?1 RETURNING key"
            ),
        }
    }

    fn span(&self, span: Span, space: Space, shape: Shape) -> String {
        let table = self.table(space);
        let start = if shape.start_excluded { "key > ?1" } else { "key >= ?1" };
        let end = match shape.end {
            End::None => "",
            End::Excluded => " AND key < ?2",
            End::Included => " AND key <= ?2",
        };
        let order = if shape.reverse { " ORDER BY key DESC" } else { " ORDER BY key" };
        match span {
            Span::Keys => format!("SELECT key, expires_at FROM {table} WHERE {start}{end}{order}"),
            Span::Values => format!("SELECT key, expires_at, value, type FROM {table} WHERE {start}{end}{order}"),
            Span::Records => format!("SELECT {RECORD} FROM {table} WHERE {start}{end}{order}"),
            Span::Remove => format!("DELETE FROM {table} WHERE {start}{end}"),
            Span::Changed => format!("SELECT 1 FROM {table} WHERE {start}{end} AND version > ?3 LIMIT 1"),
            Span::Count => format!(
                "SELECT count(*) FROM {table} WHERE {start}{end} \
                 AND (expires_at IS NULL OR expires_at > ?3) AND typeof(key) = '{}'",
                if space == Space::User { "text" } else { "blob" }
            ),
        }
    }
}

/// The columns of a record. Those of a key and of a value come first.
const RECORD: &str = "key, expires_at, value, type, created_at, updated_at, metadata, version";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_statement_has_a_number_of_its_own() {
        let mut all = vec![
            Query::Begin,
            Query::BeginImmediate,
            Query::Commit,
            Query::Rollback,
            Query::Savepoint,
            Query::RollbackTo,
            Query::Release,
            Query::ReadMeta,
            Query::WriteMeta,
            Query::TakeSnapshot,
        ];
        for space in [Space::User, Space::Internal] {
            let points = [Point::Has, Point::Get, Point::Record, Point::Put, Point::Remove, Point::AnyExpired];
            all.extend(points.map(|point| Query::Point(point, space)));
            all.extend([Point::Sweep, Point::Stage].map(|point| Query::Point(point, space)));
            for span in [Span::Keys, Span::Values, Span::Records, Span::Remove, Span::Changed, Span::Count] {
                for start_excluded in [false, true] {
                    for end in [End::None, End::Excluded, End::Included] {
                        for reverse in [false, true] {
                            all.push(Query::Span(span, space, Shape { start_excluded, end, reverse }));
                        }
                    }
                }
            }
        }
        let numbers: HashSet<usize> = all.iter().map(|query| query.index()).collect();
        assert_eq!(numbers.len(), all.len());
        assert_eq!(all.len(), Sql::COUNT);
        assert_eq!(numbers.iter().max(), Some(&(all.len() - 1)));
    }
}
