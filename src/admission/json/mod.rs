//! JSON as API servers write it, read only where it matters.
//!
//! A review is mostly what nobody here wants to know: managed fields, a pod template, a status. To
//! read it as JSON takes a pass over each byte of it; to jump over what is not wanted takes a
//! fraction of that, and nothing at all is the quickest.
//!
//! Go's `encoding/json` writes no white space. Whatever is written in another way is [`Unusual`],
//! and left to `serde_json`; so nothing is ever refused here. What is jumped over is not examined:
//! that it is JSON is believed of whoever sends it.

mod length;

use std::borrow::Cow;

use memchr::memchr2;
use serde::Deserialize;

/// It is not as API servers write it, or is no JSON at all. `serde_json` will say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Unusual;

/// What stands in a text, from some place on.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    /// Whether an object has just begun.
    begun: bool,
    rest: &'a [u8],
}

/// What can be read without looking at all of it.
pub(crate) trait Skim<'a>: Sized {
    /// Reads it. Where nothing is read after it, it need not be read to its end.
    fn skim(reader: &mut Reader<'a>) -> Result<Self, Unusual>;
}

/// A text that is borrowed where it can be.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl<'a> Reader<'a> {
    pub(crate) const fn new(rest: &'a [u8]) -> Self {
        Self { begun: false, rest }
    }

    /// Goes into the object that begins here.
    pub(crate) fn enter(&mut self) -> Result<(), Unusual> {
        self.expect(b'{')?;
        self.begun = true;
        Ok(())
    }

    /// The next key of the object in which this is; nothing behind its last member, which is then
    /// left. The value comes next, and must be read or jumped over.
    pub(crate) fn key(&mut self) -> Result<Option<&'a [u8]>, Unusual> {
        let begun = std::mem::take(&mut self.begun);
        if self.rest.first() == Some(&b'}') {
            self.expect(b'}')?;
            return Ok(None);
        }
        if !begun {
            self.expect(b',')?;
        }
        self.expect(b'"')?;
        // One with a backslash could still be one that is wanted, written in another way.
        let end = memchr2(b'"', b'\\', self.rest);
        let key = self.take(end.ok_or(Unusual)?)?;
        self.expect(b'"')?;
        self.expect(b':')?;
        Ok(Some(key))
    }

    /// Jumps over a value, and returns it.
    pub(crate) fn jump(&mut self) -> Result<&'a [u8], Unusual> {
        let is_scalar = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let length = match self.rest.first() {
            Some(b'{' | b'[') => length::of_nested(self.rest),
            Some(b'"') => length::of_string(self.rest),
            _ => self.rest.iter().position(|byte| !is_scalar(byte)),
        };
        self.take(length.filter(|&length| length > 0).ok_or(Unusual)?)
    }

    /// Reads a value as `serde_json` does.
    pub(crate) fn value<T: Deserialize<'a>>(&mut self) -> Result<T, Unusual> {
        serde_json::from_slice(self.jump()?).map_err(|_| Unusual)
    }

    /// Reads a text as `serde_json` does.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>, Unusual> {
        let value = self.jump()?;
        // Nearly all are like this, and there is nothing to be done to them.
        if let [b'"', text @ .., b'"'] = value
            && text
                .iter()
                .fold(true, |plain, &byte| plain & is_plain(byte))
            && let Ok(text) = str::from_utf8(text)
        {
            return Ok(Cow::Borrowed(text));
        }
        let read = serde_json::from_slice(value);
        read.map(|Text(text)| text).map_err(|_| Unusual)
    }

    /// Reads a value, and nothing where that is `null`.
    pub(crate) fn optional<T: Skim<'a>>(&mut self) -> Result<Option<T>, Unusual> {
        if let Some(rest) = self.rest.strip_prefix(b"null") {
            self.rest = rest;
            return Ok(None);
        }
        T::skim(self).map(Some)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unusual> {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                Ok(())
            }
            _ => Err(Unusual),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Unusual> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Unusual)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Whether a byte of a string stands for itself alone.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')
}

/// Notes what was read of a member. A member that is there twice is [`Unusual`].
pub(crate) fn once<T>(member: &mut Option<T>, value: T) -> Result<(), Unusual> {
    match member.replace(value) {
        None => Ok(()),
        Some(_) => Err(Unusual),
    }
}

#[cfg(test)]
mod tests;
