//! How long a value is, found without reading it.
//!
//! 64 bytes are looked at together: of each it is told by one bit whether it is a quotation mark, a
//! backslash or a bracket. What stands in strings, and how deep, is computed of these bits. That is
//! the way of simdjson's first stage (Langdale and Lemire, "Parsing Gigabytes of JSON per Second",
//! 2019).

use wide::u8x16;

/// How many bytes are looked at together.
const BLOCK: usize = 64;

/// Every other bit, from the second on.
const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;

/// This bit makes a bracket a brace, and nothing else.
const BRACE: u8 = 0x20;

/// The length of the string that begins here, with its quotation marks.
pub(super) fn of_string(bytes: &[u8]) -> Option<usize> {
    let mut strings = Strings::default();
    let (blocks, rest) = bytes.as_chunks();
    for (index, block) in blocks.iter().chain([&filled(rest)]).enumerate() {
        // The closing quotation mark is the first that does not stand inside.
        let outside = !strings.inside(&Block::of(block));
        if outside != 0 {
            return Some(through(index, outside));
        }
    }
    None
}

/// The length of the object or list that begins here.
///
/// That brackets come in pairs of a kind is not examined.
pub(super) fn of_nested(bytes: &[u8]) -> Option<usize> {
    let mut strings = Strings::default();
    let mut depth: u32 = 0;
    let (blocks, rest) = bytes.as_chunks();
    for (index, block) in blocks.iter().chain([&filled(rest)]).enumerate() {
        let block = Block::of(block);
        let inside = strings.inside(&block);
        let block = block.map(|byte| byte | u8x16::splat(BRACE));
        let opening = block.bits(b'{') & !inside;
        let closing = block.bits(b'}') & !inside;
        let mut brackets = opening | closing;
        if brackets == 0 && depth > 0 {
            continue;
        }
        let closed = closing.count_ones();
        if closed < depth {
            // It does not end here, in whatever order they come.
            depth = depth.checked_add(opening.count_ones())? - closed;
            continue;
        }
        while brackets != 0 {
            let first = brackets & brackets.wrapping_neg();
            depth = if opening & first == 0 {
                depth.checked_sub(1)?
            } else {
                depth.checked_add(1)?
            };
            if depth == 0 {
                return Some(through(index, first));
            }
            brackets ^= first;
        }
    }
    None
}

/// How much there is up to the first of some bytes of a block, with it.
const fn through(index: usize, bits: u64) -> usize {
    index * BLOCK + bits.trailing_zeros() as usize + 1
}

/// The last bytes, which are too few for a block, and white space, which says nothing.
fn filled(bytes: &[u8]) -> [u8; BLOCK] {
    let mut block = [b' '; BLOCK];
    for (to, from) in block.iter_mut().zip(bytes) {
        *to = *from;
    }
    block
}

/// Bytes that are looked at together.
struct Block([u8x16; 4]);

impl Block {
    #[inline]
    fn of(bytes: &[u8; BLOCK]) -> Self {
        let (parts, _) = bytes.as_chunks();
        let mut block = [u8x16::default(); 4];
        for (to, from) in block.iter_mut().zip(parts) {
            *to = u8x16::new(*from);
        }
        Self(block)
    }

    #[inline]
    fn map(self, change: impl Fn(u8x16) -> u8x16) -> Self {
        Self(self.0.map(change))
    }

    /// Which bytes are this one, a bit for each, the first byte's the lowest.
    #[inline]
    fn bits(&self, byte: u8) -> u64 {
        let Self(parts) = self;
        let wanted = u8x16::splat(byte);
        parts.iter().rev().fold(0, |bits, part| {
            bits << 16 | u64::from(part.simd_eq(wanted).to_bitmask())
        })
    }
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
    fn inside(&mut self, block: &Block) -> u64 {
        let quotes = block.bits(b'"') & !self.escaped(block.bits(b'\\'));
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
    fn escaped(&mut self, backslashes: u64) -> u64 {
        if backslashes == 0 {
            return std::mem::take(&mut self.escaped);
        }
        // A subtraction borrows through each row of backslashes, so that in it every other bit is
        // another than in `ODD`: of those, and of what is behind them, every second is escaped.
        let first = backslashes & !self.escaped;
        let turned = (first << 1 | ODD).wrapping_sub(first) ^ ODD;
        let escaped = turned ^ (backslashes | self.escaped);
        self.escaped = (turned & backslashes) >> 63;
        escaped
    }
}
