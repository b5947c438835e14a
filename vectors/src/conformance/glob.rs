//! Patterns for case ids: `*` stands for any text.

/// Whether `text` fits `pattern`.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            ends.into_iter().any(|at| rest.get(at..).is_some_and(|rest| glob(tail, rest)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn stars_stand_for_any_text() {
        assert!(glob("EP-*", "EP-LOAD-001[a]") && glob("*", "") && glob("a*c*", "abcd"));
        assert!(!glob("EP-*", "EDU-LOAD-001") && !glob("a", "ab") && !glob("*a", "ab"));
    }
}
