//! How long a value is, found without reading it.
//!
//! 64 bytes are looked at together: of each it is told by one bit whether it is a quotation mark, a
//! backslash or a bracket. What stands in strings, and how deep, is computed of these bits. That is
//! the way of simdjson's first stage (Langdale and Lemire, "Parsing Gigabytes of JSON per Second",
//! 2019), without instructions of a certain processor: the compiler makes the comparisons
//! vectors' by itself.

/// How many bytes are looked at together.
const BLOCK: usize = 64;

/// In each byte the lowest bit, moved by multiplication into the highest byte.
const GATHER: u64 = 0x0102_0408_1020_4080;

/// The length of the string that begins here, with its quotation marks.
pub(super) fn of_string(bytes: &[u8]) -> Option<usize> {
    let mut strings = Strings::default();
    blocks(bytes).enumerate().find_map(|(index, block)| {
        let outside = !strings.inside(&block);
        // The closing quotation mark is the first that does not stand inside.
        (outside != 0).then(|| after(index, outside))
    })
}

/// The length of the object or list that begins here.
///
/// That brackets come in pairs of a kind is not examined.
pub(super) fn of_nested(bytes: &[u8]) -> Option<usize> {
    let mut strings = Strings::default();
    let mut depth: u32 = 0;
    for (index, block) in blocks(bytes).enumerate() {
        let inside = strings.inside(&block);
        // This bit makes a bracket a brace, and nothing else.
        let opening = bits(&block, |byte| byte | 0x20 == b'{') & !inside;
        let closing = bits(&block, |byte| byte | 0x20 == b'}') & !inside;
        let closed = closing.count_ones();
        if closed < depth {
            depth = depth.checked_add(opening.count_ones())? - closed;
            continue;
        }
        let mut brackets = opening | closing;
        while brackets != 0 {
            let first = brackets & brackets.wrapping_neg();
            if opening & first != 0 {
                depth = depth.checked_add(1)?;
            } else {
                depth = depth.checked_sub(1)?;
            }
            if depth == 0 {
                return Some(after(index, brackets));
            }
            brackets ^= first;
        }
    }
    None
}

/// How much there is up to the first of some bytes, with it.
const fn after(index: usize, bits: u64) -> usize {
    index * BLOCK + bits.trailing_zeros() as usize + 1
}

/// All bytes in blocks. White space is put behind them, which says nothing.
fn blocks(bytes: &[u8]) -> impl Iterator<Item = [u8; BLOCK]> {
    bytes.chunks(BLOCK).map(|chunk| {
        chunk.try_into().unwrap_or_else(|_| {
            let mut block = [b' '; BLOCK];
            for (to, from) in block.iter_mut().zip(chunk) {
                *to = *from;
            }
            block
        })
    })
}

/// Of which bytes something is so, a bit for each, the first byte's the lowest.
#[inline]
fn bits(block: &[u8; BLOCK], is_so: impl Fn(u8) -> bool) -> u64 {
    let so = block.map(|byte| u8::from(is_so(byte)));
    let (eights, _) = so.as_chunks();
    eights.iter().rev().fold(0, |bits, eight| {
        bits << 8 | u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56
    })
}

/// Which bytes stand in strings, told of one block after the other.
#[derive(Default)]
struct Strings {
    /// All ones where the last block has ended in a string.
    inside: u64,
    /// One where the next byte is escaped.
    escaped: u64,
}

impl Strings {
    /// Which bytes stand in strings, with the quotation marks that begin them.
    #[inline]
    fn inside(&mut self, block: &[u8; BLOCK]) -> u64 {
        let quotes = bits(block, |byte| byte == b'"') & !self.escaped(block);
        // Each bit becomes whether an odd number of quotation marks is there up to it.
        let mut inside = quotes;
        for distance in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << distance;
        }
        inside ^= self.inside;
        self.inside = 0_u64.wrapping_sub(inside >> 63);
        inside
    }

    /// Which bytes have an odd number of backslashes before them.
    #[inline]
    fn escaped(&mut self, block: &[u8; BLOCK]) -> u64 {
        let is_backslash = |byte: &u8| *byte == b'\\';
        if !block
            .iter()
            .fold(false, |any, byte| any | is_backslash(byte))
        {
            return std::mem::take(&mut self.escaped);
        }
        let mut backslashes = bits(block, |byte| is_backslash(&byte)) & !self.escaped;
        let mut escaped = self.escaped;
        self.escaped = 0;
        // Each escapes what is behind it, and what is escaped escapes nothing.
        while backslashes != 0 {
            let first = backslashes & backslashes.wrapping_neg();
            self.escaped = first >> 63;
            escaped |= first << 1;
            backslashes &= !(first | first << 1);
        }
        escaped
    }
}
