//! The words of this SQL, out of parts of any size.

use crate::import::{Fault, Position};

/// Of a longer text only so much is kept; none that matters is as long.
pub const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// A line that may end a foreign delimiter is not longer.
const DELIMITER_LINE_MAX: usize = 256;

/// A word of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// A keyword, a number, a name without quotes.
    Word(&'a [u8]),
    /// What stood in `'…'` or `"…"`, without its escapes; and whether it is [cut](TOKEN_BYTES_MAX).
    Text(&'a [u8], bool),
    /// What stood in backticks.
    Name(&'a [u8]),
    /// Any other sign.
    Sign(u8),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    Word,
    /// After `-`, which may begin a comment.
    Dash,
    /// After `--`, which begins one if a space follows.
    Dashes,
    Slash,
    LineComment,
    BlockComment,
    BlockCommentStar,
    /// In quotes of this sort.
    Text(u8),
    /// After a backslash there.
    Escape(u8),
    /// After such a quote there: the end, or the first half of one that is meant.
    Quote(u8),
    Name,
    NameQuote,
    /// After `DELIMITER`, to the end of the line.
    Delimiter,
    /// Statements that end otherwise than by `;`, line by line, until a line gives that back its meaning.
    Foreign,
}

/// Takes words out of a text.
#[derive(Debug)]
pub struct Lexer {
    state: State,
    kept: Vec<u8>,
    is_cut: bool,
    /// Where the word that is being read began.
    began: Position,
    at: Position,
    /// No word of the statement was read yet.
    is_first: bool,
}

impl Default for Lexer {
    fn default() -> Self {
        Self { state: State::Plain, kept: Vec::new(), is_cut: false, began: Position::START, at: Position::START, is_first: true }
    }
}

type Taking<'a> = &'a mut dyn FnMut(Token<'_>, Position) -> Result<(), Fault>;

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"_$.@".contains(&byte)
}

impl Lexer {
    /// Takes the next part, and gives the words that end in it.
    pub fn feed(&mut self, bytes: &[u8], taking: Taking<'_>) -> Result<(), Fault> {
        for byte in bytes {
            self.step(*byte, taking)?;
            self.at.pass(*byte);
        }
        Ok(())
    }

    /// There is no more; answers where that is.
    pub fn end(&mut self, taking: Taking<'_>) -> Result<Position, Fault> {
        let open =
            |what: &str| Err(Fault::new(self.began, format!("{what} begins here and has no end: the dump is not whole; make it again")));
        match self.state {
            State::Text(_) | State::Escape(_) => return open("a text"),
            State::Name => return open("a name in backticks"),
            State::BlockComment | State::BlockCommentStar => return open("a comment"),
            // What is open ends with the text, as it would with a line.
            _ => self.step(b'\n', taking)?,
        }
        Ok(self.at)
    }

    fn begin(&mut self, state: State) {
        (self.state, self.is_cut, self.began) = (state, false, self.at);
        self.kept.clear();
    }

    fn keep(&mut self, byte: u8) {
        if self.kept.len() < TOKEN_BYTES_MAX {
            self.kept.push(byte);
        } else {
            self.is_cut = true;
        }
    }

    fn sign(&mut self, sign: u8, at: Position, taking: Taking<'_>) -> Result<(), Fault> {
        self.is_first = sign == b';';
        taking(Token::Sign(sign), at)
    }

    fn plain(&mut self, byte: u8, taking: Taking<'_>) -> Result<(), Fault> {
        match byte {
            _ if in_word(byte) => {
                self.begin(State::Word);
                self.keep(byte);
            }
            b'\'' | b'"' => self.begin(State::Text(byte)),
            b'`' => self.begin(State::Name),
            b'-' => self.begin(State::Dash),
            b'/' => self.begin(State::Slash),
            b'#' => self.begin(State::LineComment),
            _ if byte.is_ascii_whitespace() || byte == 0 => self.state = State::Plain,
            _ => {
                self.state = State::Plain;
                self.sign(byte, self.at, taking)?;
            }
        }
        Ok(())
    }

    /// The word ended before `byte`.
    fn word(&mut self, byte: u8, taking: Taking<'_>) -> Result<(), Fault> {
        if std::mem::take(&mut self.is_first) && self.kept.eq_ignore_ascii_case(b"DELIMITER") {
            self.is_first = true;
            self.begin(State::Delimiter);
            return self.step(byte, taking);
        }
        taking(Token::Word(&self.kept), self.began)?;
        self.plain(byte, taking)
    }

    fn step(&mut self, byte: u8, taking: Taking<'_>) -> Result<(), Fault> {
        match self.state {
            State::Plain => self.plain(byte, taking)?,
            State::Word if in_word(byte) => self.keep(byte),
            State::Word => self.word(byte, taking)?,
            State::Dash if byte == b'-' => self.state = State::Dashes,
            State::Dash => {
                self.sign(b'-', self.began, taking)?;
                self.plain(byte, taking)?;
            }
            State::Dashes | State::LineComment if byte == b'\n' => self.state = State::Plain,
            State::Dashes if byte.is_ascii_whitespace() => self.state = State::LineComment,
            State::Dashes => {
                self.sign(b'-', self.began, taking)?;
                self.sign(b'-', self.began, taking)?;
                self.plain(byte, taking)?;
            }
            State::Slash if byte == b'*' => self.state = State::BlockComment,
            State::Slash => {
                self.sign(b'/', self.began, taking)?;
                self.plain(byte, taking)?;
            }
            State::LineComment => {}
            State::BlockComment | State::BlockCommentStar => {
                self.state = match (self.state, byte) {
                    (State::BlockCommentStar, b'/') => State::Plain,
                    (_, b'*') => State::BlockCommentStar,
                    _ => State::BlockComment,
                }
            }
            State::Text(_) | State::Escape(_) | State::Quote(_) => self.in_text(byte, taking)?,
            State::Name if byte == b'`' => self.state = State::NameQuote,
            State::Name => self.keep(byte),
            State::NameQuote if byte == b'`' => {
                self.keep(byte);
                self.state = State::Name;
            }
            State::NameQuote => {
                self.is_first = false;
                taking(Token::Name(&self.kept), self.began)?;
                self.plain(byte, taking)?;
            }
            State::Delimiter if byte == b'\n' => {
                self.state = if self.kept.trim_ascii() == b";" { State::Plain } else { State::Foreign };
                self.kept.clear();
            }
            State::Foreign if byte == b'\n' => {
                let line = self.kept.trim_ascii();
                let is_over = line.len() > 9
                    && line.get(..9).is_some_and(|word| word.eq_ignore_ascii_case(b"DELIMITER"))
                    && line.get(9..).is_some_and(|rest| rest.trim_ascii() == b";");
                self.state = if is_over { State::Plain } else { State::Foreign };
                self.kept.clear();
            }
            State::Delimiter | State::Foreign => {
                if self.kept.len() < DELIMITER_LINE_MAX {
                    self.kept.push(byte);
                }
            }
        }
        Ok(())
    }

    fn in_text(&mut self, byte: u8, taking: Taking<'_>) -> Result<(), Fault> {
        match self.state {
            State::Text(quote) if byte == quote => self.state = State::Quote(quote),
            State::Text(quote) if byte == b'\\' => self.state = State::Escape(quote),
            State::Escape(quote) => {
                match byte {
                    b'0' => self.keep(0),
                    b'b' => self.keep(8),
                    b'n' => self.keep(b'\n'),
                    b'r' => self.keep(b'\r'),
                    b't' => self.keep(b'\t'),
                    b'Z' => self.keep(26),
                    // These two keep their backslash.
                    b'%' | b'_' => {
                        self.keep(b'\\');
                        self.keep(byte);
                    }
                    _ => self.keep(byte),
                }
                self.state = State::Text(quote);
            }
            State::Quote(quote) if byte == quote => {
                self.keep(byte);
                self.state = State::Text(quote);
            }
            State::Quote(_) => {
                self.is_first = false;
                taking(Token::Text(&self.kept, self.is_cut), self.began)?;
                self.plain(byte, taking)?;
            }
            _ => self.keep(byte),
        }
        Ok(())
    }
}
