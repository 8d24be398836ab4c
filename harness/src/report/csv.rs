//! Comma-separated values.

/// A field, as RFC 4180 has it.
pub(super) fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_field_or_a_line_is_quoted() {
        assert_eq!(field("plain"), "plain");
        assert_eq!(["a,b", "a\nb", "a\rb"].map(field), ["\"a,b\"", "\"a\nb\"", "\"a\rb\""]);
        assert_eq!(field("say \"a\""), "\"say \"\"a\"\"\"");
    }
}
