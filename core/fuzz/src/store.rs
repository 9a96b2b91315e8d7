//! The bytes in the folders of the leveldb and file engines and of the transaction logs.

use bytes::Bytes;
use holdfast_core::format::file_name::{FilePath, file_segment, fits, folder_segment, is_temporary, path_of};
use holdfast_core::format::file_text::{self, Encoding};
use holdfast_core::format::leveldb::{Header, decode, encode, expiry_key, read_expiry_key};
use holdfast_core::format::transaction_log;

/// Any bytes as a stored record or an entry of the expiry index: refused, or the same when it is written again.
pub fn leveldb(bytes: &[u8]) {
    if let Some((at, space, key)) = read_expiry_key(bytes) {
        assert_eq!(expiry_key(at, space, key), bytes);
    }
    let bytes = Bytes::copy_from_slice(bytes);
    let header = Header::read(&bytes);
    let Ok(record) = decode(&bytes) else {
        assert!(header.is_err());
        return;
    };
    assert_eq!(header.unwrap().expires_at, record.expires_at);
    let encoded = encode(b"key", &record, record.version.seq().unwrap());
    assert_eq!(*encoded.record, record);
    assert_eq!((encoded.key(), &encoded.shared_key()[..]), (&b"key"[..], &b"key"[..]));
    assert_eq!(decode(&Bytes::copy_from_slice(encoded.bytes())).unwrap(), record);
}

/// Any text as a key, and as a path found on disk: a key has one path, a path has one key, and no path leaves the
/// folder.
pub fn file_name(bytes: &[u8]) {
    // A user's key is UTF-8. Other bytes have a path, too, and must not cause a panic.
    let place = path_of(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(place) = place {
        assert_eq!(key_of(place.as_str()).as_deref(), Some(text));
        assert!(fits(place.folder(), place.name()));
        assert_eq!(FilePath::new(place.folder(), place.name()), place);
        for name in place.as_str().split('/') {
            assert!(!name.is_empty() && !name.starts_with('.') && !name.ends_with('.') && !is_temporary(name));
            assert!(
                name.bytes()
                    .all(|b| matches!(b, b'!'..=b'~') && !b.is_ascii_uppercase() && !b"\\:*?\"<>|".contains(&b))
            );
        }
    }
    if let Some(key) = key_of(text) {
        let (folder, name) = text.rsplit_once('/').unwrap_or(("", text));
        assert_eq!(
            path_of(key.as_bytes()).map(|path| path.as_str().to_owned()),
            fits(folder, name).then(|| text.to_owned())
        );
    }
}

fn key_of(path: &str) -> Option<String> {
    let (folders, file) = path.rsplit_once('/').map_or((None, path), |(folders, file)| (Some(folders), file));
    let mut key = String::new();
    for folder in folders.into_iter().flat_map(|folders| folders.split('/')) {
        key += &folder_segment(folder)?;
        key.push('/');
    }
    Some(key + &file_segment(file)?)
}

/// Any bytes as the content of a record's file: refused, or the same when it is written again.
pub fn file_text(bytes: &[u8]) {
    for encoding in [Encoding::Utf8, Encoding::Utf16Le] {
        let Ok(value) = file_text::decode(bytes.to_vec(), encoding) else { continue };
        holdfast_core::value::validate(&value.to_text()).unwrap();
        let again = file_text::decode(file_text::encode(&value, encoding), encoding).unwrap();
        assert_eq!(again, value);
    }
}

/// Any bytes as a transaction log, as its entries, and behind it: refused, or the same when it is written again.
pub fn transaction_log(bytes: &[u8]) {
    const ID: u64 = 7;
    let _ = transaction_log::read(ID, &Bytes::copy_from_slice(bytes));
    let log = |body: &[u8]| {
        let mut log = transaction_log::header(ID);
        let frame = transaction_log::frame(ID, log.len() as u64, body);
        log.extend_from_slice(&frame);
        log
    };
    let whole = log(bytes);
    let Ok(contents) = transaction_log::read(ID, &Bytes::from(whole.clone())) else { return };
    let contents = contents.unwrap();
    assert_eq!(contents.end, whole.len() as u64);
    let mut body = Vec::new();
    for entry in &contents.entries {
        transaction_log::put(&mut body, entry);
    }
    let again = transaction_log::read(ID, &log(&body).into()).unwrap().unwrap();
    let texts = [&contents.entries, &again.entries].map(|entries| format!("{entries:?}"));
    assert_eq!(texts[0], texts[1]);
    // Bytes behind the log are a torn end or damage. They never change the whole frames before them.
    let torn = [whole.as_slice(), bytes].concat();
    if let Ok(torn) = transaction_log::read(ID, &torn.into()) {
        assert!(torn.unwrap().entries.len() >= contents.entries.len());
    }
}
