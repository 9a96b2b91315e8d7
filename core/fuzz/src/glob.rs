//! Globs against the simplest matcher.

use holdfast_core::KeyRange;
use holdfast_core::glob::Glob;

/// A pattern, a NUL, a text: the match agrees with the model, and so do the statements about the pattern.
pub fn glob(bytes: &[u8]) {
    let Ok(input) = std::str::from_utf8(bytes) else { return };
    let Some((pattern, text)) = input.split_once('\0') else { return };
    if pattern.len() > 200 || text.len() > 200 {
        return;
    }
    let glob = Glob::new(pattern);
    let chars: Vec<char> = text.chars().collect();
    let expected = model(&pieces(pattern), &chars);
    assert_eq!(glob.matches(text), expected, "{pattern:?} on {text:?}");
    let literal = glob.literal_prefix();
    assert!(!expected || text.starts_with(&literal));
    if glob.is_literal() {
        assert_eq!(expected, text == literal);
    }
    if glob.is_prefix() {
        assert_eq!(expected, text.starts_with(&literal));
    }
    assert_eq!(KeyRange::glob(pattern).contains(text.as_bytes()), expected, "{pattern:?} on {text:?}");
}

enum Piece {
    Star,
    /// The set of one code point; `None` for any code point.
    One(Option<Set>),
}

struct Set {
    inverted: bool,
    spans: Vec<(char, char)>,
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            '*' => pieces.push(Piece::Star),
            '?' => pieces.push(Piece::One(None)),
            '[' => {
                let (set, end) = set(&chars, at + 1);
                pieces.push(Piece::One(Some(set)));
                at = end;
                continue;
            }
            _ => {
                let (c, end) = literal(&chars, at);
                pieces.push(Piece::One(Some(Set { inverted: false, spans: vec![(c, c)] })));
                at = end;
                continue;
            }
        }
        at += 1;
    }
    pieces
}

/// The character at `at`, which may have a backslash before it, and the place of the next one.
fn literal(chars: &[char], at: usize) -> (char, usize) {
    match (chars[at], chars.get(at + 1)) {
        ('\\', Some(next)) => (*next, at + 2),
        (c, _) => (c, at + 1),
    }
}

fn set(chars: &[char], mut at: usize) -> (Set, usize) {
    let inverted = chars.get(at) == Some(&'^');
    at += usize::from(inverted);
    let mut spans = Vec::new();
    while at < chars.len() {
        if chars[at] == ']' {
            return (Set { inverted, spans }, at + 1);
        }
        let (low, end) = literal(chars, at);
        at = end;
        let mut high = low;
        if chars.get(at) == Some(&'-') && chars.get(at + 1).is_some_and(|c| *c != ']') {
            (high, at) = literal(chars, at + 1);
        }
        spans.push((low.min(high), low.max(high)));
    }
    (Set { inverted, spans }, at)
}

/// True if the pieces match the text. It follows the places at which each piece can end, one piece after the other.
fn model(pieces: &[Piece], text: &[char]) -> bool {
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for piece in pieces {
        let mut next = vec![false; text.len() + 1];
        for from in (0..=text.len()).filter(|from| ends[*from]) {
            match piece {
                Piece::Star => next[from..].fill(true),
                Piece::One(set) => {
                    let fits = |c: &char| {
                        set.as_ref()
                            .is_none_or(|set| set.spans.iter().any(|(low, high)| low <= c && c <= high) != set.inverted)
                    };
                    if text.get(from).is_some_and(fits) {
                        next[from + 1] = true;
                    }
                }
            }
        }
        ends = next;
    }
    ends[text.len()]
}
