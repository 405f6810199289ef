//! Text and bytes made safe for an HTML page that refers to nothing outside itself.

use std::fmt::Write;

/// Text for element content and for quoted attributes. Control characters have no place in HTML and become U+FFFD.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A `data:` address that holds the bytes themselves (RFC 2397).
pub fn data_uri(media_type: &str, bytes: &[u8]) -> String {
    let mut uri = format!("data:{media_type};base64,");
    base64(bytes, &mut uri);
    uri
}

/// Standard base64 with padding, RFC 4648 section 4.
fn base64(bytes: &[u8], out: &mut String) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for sextet in 0..4 {
            let index = (bits >> (18 - 6 * sextet)) & 63;
            let padding = sextet > group.len();
            out.push(if padding { '=' } else { ALPHABET[index as usize] as char });
        }
    }
}

/// Width and height of a PNG, from its IHDR chunk (PNG specification, 3rd ed., section 11.2.1).
pub fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header: &[u8] = bytes.get(..24)?;
    if !header.starts_with(b"\x89PNG\r\n\x1a\n") || &header[12..16] != b"IHDR" {
        return None;
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    Some((number(16), number(20)))
}

/// A duration in words: `48 s`, `5 min 52 s`.
pub fn duration(seconds: f64) -> String {
    let mut text = String::new();
    let whole = seconds.round() as u64;
    if whole >= 60 {
        let _ = write!(text, "{} min ", whole / 60);
    }
    if whole < 10 {
        let _ = write!(text, "{seconds:.1} s");
    } else {
        let _ = write!(text, "{} s", whole % 60);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_text_stays_text() {
        assert_eq!(
            escape("<b a=\"1\">O'Hara & Co</b>\0\n"),
            "&lt;b a=&quot;1&quot;&gt;O&#39;Hara &amp; Co&lt;/b&gt;\u{fffd}\n"
        );
    }

    #[test]
    fn base64_gives_the_vectors_of_rfc_4648() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in vectors {
            assert_eq!(data_uri("x/y", plain.as_bytes()), format!("data:x/y;base64,{coded}"));
        }
    }

    #[test]
    fn a_pngs_size_is_read_and_other_bytes_have_none() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend([0, 0, 1, 2, 0, 0, 0, 3]);
        assert_eq!(png_size(&png), Some((258, 3)));
        assert_eq!(png_size(&png[..23]), None);
        assert_eq!(png_size(b"<svg xmlns='a'> a drawing, not a picture </svg>"), None);
    }

    #[test]
    fn durations_read_as_a_person_says_them() {
        for (seconds, text) in [(0.4, "0.4 s"), (47.6, "48 s"), (59.7, "1 min 0 s"), (352.2, "5 min 52 s")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
