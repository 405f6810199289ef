//! Splits Rust source into code and comments, line by line.
//!
//! The rules look for words such as `unsafe`; a word in a string or in a comment is not code. A full parser would be
//! the heaviest dependency of this program, and the four states below are all that the rules need. Invariant: the code
//! of a line keeps everything but the contents of strings, characters and comments.

/// One line of a source file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The code, with the contents of literals left out.
    pub code: String,
    /// The text of the comments on it, without their marks.
    pub comment: String,
    /// Whether the line is inside an item that only tests compile.
    pub test: bool,
}

#[derive(Clone, Copy)]
enum State {
    Code,
    LineComment,
    /// Rust's block comments nest.
    BlockComment(usize),
    /// A string; the number of `#` that must follow its quote, or `None` where backslashes escape.
    Text(Option<usize>),
}

/// The lines of a file, the first of which is line 1 for a reader.
pub fn lines(source: &str) -> Vec<Line> {
    let mut state = State::Code;
    let mut lines: Vec<Line> = Vec::new();
    for text in source.lines() {
        let mut line = Line::default();
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        while at < chars.len() {
            at += step(&mut state, &chars[at..], &mut line);
        }
        if matches!(state, State::LineComment) {
            state = State::Code;
        }
        lines.push(line);
    }
    mark_tests(&mut lines);
    lines
}

/// Consumes at least one character of `rest` and returns how many.
fn step(state: &mut State, rest: &[char], line: &mut Line) -> usize {
    let starts = |text: &str| text.chars().enumerate().all(|(i, c)| rest.get(i) == Some(&c));
    match *state {
        State::LineComment => {
            line.comment.extend(rest);
            rest.len()
        }
        State::BlockComment(depth) if starts("*/") => {
            *state = if depth == 1 { State::Code } else { State::BlockComment(depth - 1) };
            2
        }
        State::BlockComment(depth) if starts("/*") => {
            *state = State::BlockComment(depth + 1);
            2
        }
        State::BlockComment(_) => {
            line.comment.push(rest[0]);
            1
        }
        State::Text(None) if rest[0] == '\\' => 2,
        State::Text(hashes) => {
            let hashes = hashes.unwrap_or(0);
            let closed = rest[0] == '"' && (1..=hashes).all(|i| rest.get(i) == Some(&'#'));
            if !closed {
                return 1;
            }
            *state = State::Code;
            line.code.push('"');
            1 + hashes
        }
        State::Code => code(state, rest, line),
    }
}

fn code(state: &mut State, rest: &[char], line: &mut Line) -> usize {
    let second = rest.get(1).copied();
    match rest[0] {
        '/' if second == Some('/') => {
            *state = State::LineComment;
            2
        }
        '/' if second == Some('*') => {
            *state = State::BlockComment(1);
            2
        }
        '"' => {
            line.code.push('"');
            *state = State::Text(None);
            1
        }
        'r' if !line.code.ends_with(|c: char| c.is_alphanumeric() && c != 'b' || c == '_') => {
            let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
            if rest.get(1 + hashes) != Some(&'"') {
                line.code.push('r');
                return 1;
            }
            line.code.push('"');
            *state = State::Text(Some(hashes));
            2 + hashes
        }
        '\'' => {
            line.code.push('\'');
            character(rest)
        }
        other => {
            line.code.push(other);
            1
        }
    }
}

/// The length of a character literal, or 1 for the mark of a lifetime.
fn character(rest: &[char]) -> usize {
    match (rest.get(1), rest.get(2)) {
        (Some('\\'), Some(_)) => {
            let close = rest[3..].iter().position(|c| *c == '\'');
            close.map_or(rest.len(), |close| 4 + close)
        }
        (Some(_), Some('\'')) => 3,
        _ => 1,
    }
}

/// Marks the lines of every item under `#[cfg(test)]`: to its closing brace, or to its semicolon.
fn mark_tests(lines: &mut [Line]) {
    let mut depth: Option<usize> = None;
    for line in lines {
        if depth.is_none() && (line.code.contains("#[cfg(test)]") || line.code.contains("#[cfg(all(test")) {
            depth = Some(0);
        }
        let Some(mut open) = depth else { continue };
        line.test = true;
        let mut ended = false;
        for c in line.code.chars() {
            match c {
                '{' => open += 1,
                '}' => {
                    open = open.saturating_sub(1);
                    ended |= open == 0;
                }
                ';' => ended |= open == 0,
                _ => (),
            }
        }
        depth = if ended { None } else { Some(open) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(source: &str) -> Vec<(String, String)> {
        lines(source).into_iter().map(|line| (line.code, line.comment)).collect()
    }

    #[test]
    fn literals_and_comments_are_not_code() {
        let cases = [
            ("let a = \"un//safe\"; // why", "let a = \"\"; ", " why"),
            ("let a = r#\"dbg!(\"x\")\"#;", "let a = \"\";", ""),
            ("let a = br\"\\\"; b", "let a = b\"\"; b", ""),
            ("f('\"', '\\'', 'x', \"\\\"\")", "f(', ', ', \"\")", ""),
            ("impl<'a> A<'a> {}", "impl<'a> A<'a> {}", ""),
            ("a /* b /* c */ d */ e", "a  e", " b  c  d "),
            ("//! header", "", "! header"),
        ];
        for (source, code, comment) in cases {
            assert_eq!(split(source), [(code.to_string(), comment.to_string())], "{source}");
        }
    }

    #[test]
    fn a_string_over_several_lines_stays_a_string() {
        let codes: Vec<_> = split("let a = \"x\nunsafe {\n\"; b").into_iter().map(|line| line.0).collect();
        assert_eq!(codes, ["let a = \"", "", "\"; b"]);
    }

    #[test]
    fn items_for_tests_are_marked_to_their_end() {
        let source =
            "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() { c() }\n}\nfn d() {}\n#[cfg(test)]\nmod e;\nfn f() {}";
        let marks: Vec<_> = lines(source).iter().map(|line| line.test).collect();
        assert_eq!(marks, [false, true, true, true, true, false, true, true, false]);
    }
}
