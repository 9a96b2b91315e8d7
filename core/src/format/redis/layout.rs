use bytes::Bytes;

use crate::key::{Key, MAX_KEY_BYTES};

/// The part between the key prefix and the names of the library's own.
const OURS: &[u8] = b"\xffholdfast:";

/// The names of one store on the server.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The key prefix of the store.
    pub prefix: Vec<u8>,
    /// A counter: the number of the latest commit.
    pub seq: Vec<u8>,
    /// A string: the id of the server's process, the commit number at which that process began to count, and the latest
    /// one before.
    pub epoch: Vec<u8>,
    /// A hash: the times and metadata of user keys.
    pub companions: Vec<u8>,
    /// A sorted set, every score 0: the names of the internal keyspace.
    pub names: Vec<u8>,
    /// A hash: the values of the internal keyspace.
    pub values: Vec<u8>,
    /// The prefix under which `verify` puts damaged keys.
    pub damaged: Vec<u8>,
    /// A hash: the keys that intents hold. It is absent while there are none.
    pub held: Vec<u8>,
    /// A hash: the ranges that intents hold.
    pub ranges: Vec<u8>,
    /// A stream: the changes of each commit. It is absent while the change log is off.
    pub log: Vec<u8>,
    /// A stream: the latest commits with small values. It is absent while there is no watch.
    pub feed: Vec<u8>,
    /// A string: the [marker](super::Marker) of a replacement of the content. It is absent while none is under way.
    pub replacement: Vec<u8>,
}

impl Layout {
    /// The names of the store with a key prefix.
    #[must_use]
    pub fn new(key_prefix: &str) -> Self {
        let ours = |name: &[u8]| [key_prefix.as_bytes(), OURS, name].concat();
        Layout {
            prefix: key_prefix.as_bytes().to_vec(),
            seq: ours(b"seq"),
            epoch: ours(b"epoch"),
            companions: ours(b"companions"),
            names: ours(b"names"),
            values: ours(b"values"),
            damaged: ours(b"damaged:"),
            held: ours(b"held"),
            ranges: ours(b"ranges"),
            log: ours(b"log"),
            feed: ours(b"feed"),
            replacement: ours(b"replacement"),
        }
    }

    /// The names of the content that is staged to replace that of the store.
    #[must_use]
    pub fn staged(&self) -> StagedNames {
        let ours = |name: &[u8]| [self.prefix.as_slice(), OURS, name].concat();
        StagedNames {
            staging: ours(b"staging"),
            stager: ours(b"stager"),
            chunks: ours(b"staged:chunks:"),
            names: ours(b"staged:names"),
            values: ours(b"staged:values"),
            replaced: ours(b"replaced"),
        }
    }

    /// A hash: the replies to the latest commits of one connection.
    #[must_use]
    pub fn client(&self, id: u64) -> Vec<u8> {
        [&self.prefix, OURS, format!("client:{id:016x}").as_bytes()].concat()
    }

    /// A name of the store that no key has.
    #[must_use]
    pub fn absent(&self) -> Vec<u8> {
        [&self.prefix, OURS, b"absent"].concat()
    }

    /// The name of a user's key on the server.
    #[must_use]
    pub fn name<'a>(&'a self, key: &'a [u8]) -> Name<'a> {
        Name { prefix: &self.prefix, key }
    }

    /// The user's key of a name on the server; `None` if the name is not one of the store's users' keys.
    #[must_use]
    pub fn user_key(&self, name: &Bytes) -> Option<Key> {
        let key = name.strip_prefix(self.prefix.as_slice())?;
        (!key.is_empty() && key.len() <= MAX_KEY_BYTES && std::str::from_utf8(key).is_ok()).then(|| name.slice_ref(key))
    }
}

/// The names of the content that is staged to replace that of a store.
#[derive(Clone, Debug)]
pub struct StagedNames {
    /// A string: the id of the replacement.
    pub staging: Vec<u8>,
    /// A string that expires soon: the id again. It is there while the client that stages is alive.
    pub stager: Vec<u8>,
    /// The prefix of a list, in front of the id: an empty element, then the [chunks](super::Chunk) of user records.
    pub chunks: Vec<u8>,
    /// A sorted set, every score 0: the names of the internal keyspace.
    pub names: Vec<u8>,
    /// A hash: the values of the internal keyspace.
    pub values: Vec<u8>,
    /// A string: the latest replacement that is over.
    pub replaced: Vec<u8>,
}

impl StagedNames {
    /// The list of chunks of a replacement.
    #[must_use]
    pub fn chunks_of(&self, id: &str) -> Vec<u8> {
        [&self.chunks, id.as_bytes()].concat()
    }
}

/// The name of a user's key on the server, as one argument of a command.
pub struct Name<'a> {
    /// The key prefix of the store.
    pub prefix: &'a [u8],
    /// The user's key.
    pub key: &'a [u8],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_user_key_is_a_name_of_ours() {
        let layout = Layout::new("app:");
        let staged = layout.staged();
        for name in [
            &layout.seq,
            &layout.epoch,
            &layout.companions,
            &layout.names,
            &layout.values,
            &layout.damaged,
            &layout.held,
            &layout.ranges,
            &layout.log,
            &layout.client(7),
            &layout.replacement,
            &staged.staging,
            &staged.stager,
            &staged.chunks,
            &staged.names,
            &staged.values,
            &staged.replaced,
        ] {
            assert_eq!(layout.user_key(&Bytes::from(name.clone())), None);
            assert_eq!(Layout::new("").user_key(&Bytes::from(name.clone())), None);
        }
        assert_eq!(layout.user_key(&Bytes::from_static(b"app:k")).as_deref(), Some(&b"k"[..]));
        assert_eq!(layout.user_key(&Bytes::from_static(b"app:")), None);
        assert_eq!(layout.user_key(&Bytes::from_static(b"other")), None);
    }
}
