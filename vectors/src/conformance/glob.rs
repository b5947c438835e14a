//! Patterns for case ids: `*` stands for any text.

/// Whether `text` fits `pattern`, in a time that grows with the product of their lengths at most.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let (between, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inside = text.strip_prefix(head).and_then(|text| text.strip_suffix(tail));
    let Some(mut inside) = inside else { return false };
    // What stands between stars is found as far left as possible, which leaves the most for the rest.
    between.split('*').all(|part| match inside.split_once(part) {
        Some((_, rest)) => {
            inside = rest;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn stars_stand_for_any_text() {
        assert!(glob("EP-*", "EP-LOAD-001[a]") && glob("*", "") && glob("a*c*", "abcd"));
        assert!(!glob("EP-*", "EDU-LOAD-001") && !glob("a", "ab") && !glob("*a", "ab"));
        assert!(glob("a**b", "ab") && !glob("ab*ba", "aba") && !glob("a*c*b", "ab"));
        assert!(glob("*学*", "学籍卡"));
    }

    #[test]
    fn many_stars_take_no_longer() {
        assert!(!glob(&"*a".repeat(50), &"a".repeat(49)));
        assert!(!glob(&format!("{}b", "*".repeat(60)), &"a".repeat(200)));
    }
}
