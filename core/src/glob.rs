//! Globs of Redis over code points: `*` `?` `[abc]` `[a-z]` `[^a]`, and `\` before a character that means itself.
//!
//! A match takes at most length of the pattern times length of the key steps, for any pattern: a failed match goes back
//! to the latest `*` alone, never to an earlier one.
//! Source: <https://redis.io/docs/latest/commands/keys/>.

/// A compiled pattern.
///
/// # Examples
///
/// ```
/// use holdfast_core::glob::Glob;
///
/// let glob = Glob::new("user:[0-9]*:name");
/// assert!(glob.matches("user:42:name"));
/// assert!(!glob.matches("user:ada:name"));
/// assert_eq!(glob.literal_prefix(), "user:");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    Any,
    Star,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Glob {
    /// Compiles `pattern`. Every text is a pattern: a class without `]` ends where the pattern ends, as in Redis.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        let mut tokens = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            let token = match c {
                '*' => {
                    if tokens.last() == Some(&Token::Star) {
                        continue;
                    }
                    Token::Star
                }
                '?' => Token::Any,
                '[' => class(&mut chars),
                '\\' => Token::Literal(chars.next().unwrap_or('\\')),
                c => Token::Literal(c),
            };
            tokens.push(token);
        }
        Glob { tokens }
    }

    /// True if the whole of `text` matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut rest = text;
        let mut at = 0;
        let mut retry: Option<(usize, &str)> = None;
        loop {
            let step = match self.tokens.get(at) {
                Some(Token::Star) => {
                    at += 1;
                    retry = Some((at, rest));
                    continue;
                }
                Some(token) => {
                    let mut chars = rest.chars();
                    match chars.next() {
                        Some(c) if token.accepts(c) => Some(chars.as_str()),
                        _ => None,
                    }
                }
                None if rest.is_empty() => return true,
                None => None,
            };
            if let Some(after) = step {
                rest = after;
                at += 1;
                continue;
            }
            let Some((token, from)) = retry else { return false };
            let mut chars = from.chars();
            if chars.next().is_none() {
                return false;
            }
            rest = chars.as_str();
            at = token;
            retry = Some((token, rest));
        }
    }

    /// The text that every match starts with.
    #[must_use]
    pub fn literal_prefix(&self) -> String {
        self.tokens
            .iter()
            .map_while(|token| match token {
                Token::Literal(c) => Some(*c),
                _ => None,
            })
            .collect()
    }

    /// True if the pattern matches one text only.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.tokens.iter().all(|token| matches!(token, Token::Literal(_)))
    }

    /// True if the pattern is a literal beginning and one `*` behind it.
    #[must_use]
    pub fn is_prefix(&self) -> bool {
        match self.tokens.split_last() {
            Some((Token::Star, head)) => head.iter().all(|token| matches!(token, Token::Literal(_))),
            _ => false,
        }
    }
}

impl Token {
    fn accepts(&self, c: char) -> bool {
        match self {
            Token::Literal(literal) => *literal == c,
            Token::Any => true,
            Token::Star => false,
            Token::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

/// Reads a class behind its `[`. A range whose ends are in the wrong order is swapped, as in Redis.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Token {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while let Some(c) = chars.next() {
        let low = match c {
            ']' => break,
            '\\' => chars.next().unwrap_or('\\'),
            c => c,
        };
        let mut ahead = chars.clone();
        if ahead.next() == Some('-') && ahead.peek().is_some_and(|c| *c != ']') {
            chars.next();
            let high = match chars.next() {
                Some('\\') => chars.next().unwrap_or('\\'),
                Some(c) => c,
                None => low,
            };
            ranges.push((low.min(high), low.max(high)));
        } else {
            ranges.push((low, low));
        }
    }
    Token::Class { negated, ranges }
}

#[cfg(test)]
mod tests {
    use super::Glob;
    use proptest::prelude::*;

    #[test]
    fn the_redis_examples_hold() {
        for (pattern, text, expected) in [
            ("h?llo", "hallo", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("h[ae]llo", "hello", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("a*/b", "a/x/y/b", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[\\]]", "]", true),
            ("[a-]", "-", true),
            ("?", "\u{1F600}", true),
            ("[\u{E0}-\u{FF}]", "\u{E9}", true),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("[abc", "b", true),
            ("a\\", "a\\", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_pattern_built_to_explode_takes_pattern_times_key_steps() {
        let glob = Glob::new(&"a*".repeat(2000));
        let mut key = "a".repeat(4095);
        key.push('b');
        assert!(glob.matches(&key));
        assert!(!Glob::new(&format!("{}c", "a*".repeat(2000))).matches(&key));
    }

    /// The definition, by recursion. It takes exponential time, so it is for short texts only.
    fn model(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|n| model(rest, &text[n..])),
            Some(('?', rest)) => !text.is_empty() && model(rest, &text[1..]),
            Some((c, rest)) => text.first() == Some(c) && model(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_its_definition(pattern in "[ab*?]{0,8}", text in "[abc]{0,8}") {
            let p: Vec<char> = pattern.chars().collect();
            let t: Vec<char> = text.chars().collect();
            prop_assert_eq!(Glob::new(&pattern).matches(&text), model(&p, &t));
        }

        #[test]
        fn every_match_starts_with_the_literal_prefix(
            pattern in "[ab*?\\[\\]^\\\\-]{0,8}",
            text in "[ab\\[\\]-]{0,8}",
        ) {
            let glob = Glob::new(&pattern);
            if glob.matches(&text) {
                prop_assert!(text.starts_with(&glob.literal_prefix()));
            }
        }
    }
}
