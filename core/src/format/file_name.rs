//! The path of a key's file below the base folder: an injective, reversible escaping into lower-case ASCII names.
//! Every file system keeps them apart, with or without case folding and Unicode normalisation.
//!
//! `docs/formats/file.md` states the rules. A name that is not what its key would get belongs to no key.

/// The ending of a record's file.
const ENDING: &str = ".json";

/// The longest name of a file or folder, in bytes. Most file systems take 255.
const MAX_NAME: usize = 200;

/// The longest path below the base folder, in bytes.
const MAX_PATH: usize = 700;

/// The path of a file below the base folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath {
    path: String,
    /// The place in `path` where the name begins.
    name_at: usize,
}

impl FilePath {
    /// The file `name` in `folder`.
    #[must_use]
    pub fn new(folder: &str, name: &str) -> Self {
        if folder.is_empty() {
            return FilePath { path: name.to_owned(), name_at: 0 };
        }
        FilePath { path: format!("{folder}/{name}"), name_at: folder.len() + 1 }
    }

    /// The folder, without a slash at its end; "" is the base folder.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.path.get(..self.name_at.saturating_sub(1)).unwrap_or("")
    }

    /// The name of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.get(self.name_at..).unwrap_or("")
    }

    /// The whole path, with slashes between its names.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }
}

/// The path of the file of `key`; `None` if a name or the path would be too long.
///
/// # Examples
///
/// ```
/// use holdfast_core::format::file_name::path_of;
///
/// let path = path_of("users/Ada".as_bytes()).unwrap();
/// assert_eq!(path.as_str(), "users/%41da.json");
/// assert_eq!((path.folder(), path.name()), ("users", "%41da.json"));
/// ```
#[must_use]
pub fn path_of(key: &[u8]) -> Option<FilePath> {
    let mut path = String::with_capacity(key.len() + 16);
    let mut name_at = 0;
    let mut segments = key.split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let start = path.len();
        let is_file = segments.peek().is_none();
        escape(segment, is_file, &mut path);
        if path.len() - start > MAX_NAME || path.len() > MAX_PATH {
            return None;
        }
        if is_file {
            name_at = start;
        } else {
            path.push('/');
        }
    }
    Some(FilePath { path, name_at })
}

/// The segment of a key whose file has this name; `None` for a name that no key has.
#[must_use]
pub fn file_segment(name: &str) -> Option<String> {
    unescape(name, true)
}

/// The segment of a key whose folder has this name; `None` for a name that no key has.
#[must_use]
pub fn folder_segment(name: &str) -> Option<String> {
    unescape(name, false)
}

/// True if a file `name` in `folder` is short enough to be a key's.
#[must_use]
pub fn fits(folder: &str, name: &str) -> bool {
    name.len() <= MAX_NAME && folder.len() + 1 + name.len() <= MAX_PATH + usize::from(folder.is_empty())
}

/// True for the name of a temporary file.
#[must_use]
pub fn is_temporary(name: &str) -> bool {
    name.strip_prefix(TEMPORARY).is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The beginning of the name of a temporary file. No file of a key starts with a dot.
pub const TEMPORARY: &str = ".tmp-";

fn escape(segment: &[u8], is_file: bool, out: &mut String) {
    if segment.is_empty() {
        out.push('%');
    }
    let reserved = is_reserved(segment);
    let last = segment.len().saturating_sub(1);
    let ending = if !is_file && segment.ends_with(ENDING.as_bytes()) { segment.len() - ENDING.len() } else { last };
    for (at, byte) in segment.iter().enumerate() {
        let plain = match byte {
            b'a'..=b'z' | b'0'..=b'9' => !(reserved && at == 0),
            b'_' | b'-' | b',' | b'=' | b'@' | b'+' | b'(' | b')' | b'!' | b'#' | b'&' | b'\'' => true,
            b'.' => at != 0 && at != last && at != ending,
            _ => false,
        };
        if plain {
            out.push(char::from(*byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.extend(HEX.get(usize::from(digit)).map(|hex| char::from(*hex)));
            }
        }
    }
    if is_file {
        out.push_str(ENDING);
    }
}

/// The segment that has exactly this name.
fn unescape(name: &str, is_file: bool) -> Option<String> {
    let escaped = if is_file { name.strip_suffix(ENDING)? } else { name };
    let mut segment = Vec::with_capacity(escaped.len());
    if escaped != "%" {
        let mut rest = escaped.bytes();
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                segment.push(u8::try_from(high << 4 | low).ok()?);
            } else {
                segment.push(byte);
            }
        }
    }
    let mut canonical = String::with_capacity(name.len());
    escape(&segment, is_file, &mut canonical);
    if canonical != name || segment.contains(&b'/') {
        return None;
    }
    String::from_utf8(segment).ok()
}

/// True for the names that Windows reserves for devices, with any ending.
fn is_reserved(segment: &[u8]) -> bool {
    let stem = segment.split(|byte| *byte == b'.').next().unwrap_or(segment);
    match stem {
        b"con" | b"prn" | b"aux" | b"nul" => true,
        [rest @ .., digit] => (rest == b"com" || rest == b"lpt") && digit.is_ascii_digit(),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The key of a path, as a listing finds it.
    fn key(path: &str) -> Option<String> {
        let (folders, file) = path.rsplit_once('/').map_or((None, path), |(folders, file)| (Some(folders), file));
        let mut key = String::new();
        for folder in folders.into_iter().flat_map(|folders| folders.split('/')) {
            key += &folder_segment(folder)?;
            key.push('/');
        }
        Some(key + &file_segment(file)?)
    }

    fn path(key: &str) -> String {
        path_of(key.as_bytes()).unwrap().as_str().to_owned()
    }

    #[test]
    fn plain_keys_have_plain_paths() {
        assert_eq!(path("users/alice"), "users/alice.json");
        assert_eq!(path("a"), "a.json");
        assert_eq!(path("report.2026"), "report.2026.json");
    }

    #[test]
    fn what_file_systems_confuse_is_escaped() {
        for (key, expected) in [
            ("A", "%41.json"),
            ("..", "%2e%2e.json"),
            ("../x", "%2e%2e/x.json"),
            (".", "%2e.json"),
            ("/", "%/%.json"),
            ("a/", "a/%.json"),
            ("a//b", "a/%/b.json"),
            ("%", "%25.json"),
            ("con", "%63on.json"),
            ("con.txt", "%63on.txt.json"),
            ("com1/lpt9", "%63om1/%6cpt9.json"),
            ("console", "console.json"),
            ("x.json", "x.json.json"),
            ("x.json/y", "x%2ejson/y.json"),
            ("x./y", "x%2e/y.json"),
            (".holdfast/store.db", "%2eholdfast/store.db.json"),
            ("a b:c\\d", "a%20b%3ac%5cd.json"),
            ("\u{e9}", "%c3%a9.json"),
            ("e\u{301}", "e%cc%81.json"),
            ("a\0\n", "a%00%0a.json"),
            ("__proto__", "__proto__.json"),
        ] {
            assert_eq!(path(key), expected);
        }
    }

    #[test]
    fn a_name_that_no_key_has_is_no_key() {
        for name in ["A.json", "%61.json", "%2E.json", "a%2fb.json", ".a.json", "a", "%ff.json", "%4.json", "con.json"]
        {
            assert_eq!(file_segment(name), None, "{name}");
        }
        for name in ["x.json", "..", ".", "", ".holdfast", "a.", "%%"] {
            assert_eq!(folder_segment(name), None, "{name}");
        }
    }

    #[test]
    fn long_keys_have_no_path_of_their_own() {
        assert!(path_of(&[b'a'; 195]).is_some());
        assert!(path_of(&[b'a'; 196]).is_none());
        assert!(path_of("a/".repeat(347).as_bytes()).is_some());
        assert!(path_of("a/".repeat(348).as_bytes()).is_none());
        assert!(path_of("A/".repeat(2048).as_bytes()).is_none());
    }

    fn keys() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-zA-Z./%: ~\\-]{1,12}",
            "(con|nul|\\.\\.|x\\.json|COM1|\\.|/){1,4}",
            "\\PC{1,8}",
            any::<String>()
        ]
    }

    proptest! {
        #[test]
        fn every_key_comes_back_from_its_path(key_ in keys()) {
            if let Some(path) = path_of(key_.as_bytes()) {
                prop_assert_eq!(key(path.as_str()), Some(key_.clone()));
                prop_assert_eq!(FilePath::new(path.folder(), path.name()), path.clone());
                prop_assert!(fits(path.folder(), path.name()));
            }
        }

        #[test]
        fn paths_are_lower_case_ascii_below_the_base_folder(key in keys()) {
            if let Some(path) = path_of(key.as_bytes()) {
                prop_assert!(path.as_str().bytes().all(|b| matches!(b, b'!'..=b'~') && !b.is_ascii_uppercase()));
                prop_assert!(!path.as_str().contains(['\\', ':', '*', '?', '"', '<', '>', '|']));
                for name in path.as_str().split('/') {
                    prop_assert!(!name.is_empty() && !name.starts_with('.') && !name.ends_with('.'));
                }
            }
        }

        #[test]
        fn different_keys_never_meet_even_where_case_is_folded(a in keys(), b in keys()) {
            if let (Some(x), Some(y)) = (path_of(a.as_bytes()), path_of(b.as_bytes())) {
                let same = x.as_str().to_lowercase() == y.as_str().to_lowercase();
                prop_assert_eq!(same, a == b);
                prop_assert!(!x.folder().split('/').any(|folder| folder == y.name()), "a folder is no file");
            }
        }

        #[test]
        fn a_name_on_disk_is_at_most_one_keys(name in "[a-zA-Z0-9%./]{0,12}") {
            if let Some(key) = key(&name) {
                prop_assert_eq!(path(&key), name);
            }
        }
    }
}
