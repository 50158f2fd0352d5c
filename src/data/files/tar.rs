//! A tar archive as a stream: members pass by in order, and nothing is ever unpacked.
//!
//! The old and the POSIX `ustar` header, all that the official archives use. Links, devices
//! and extended headers are members that a reader may skip but never follow.

use std::io::Read;
use std::path::Path;

use super::stored::Source;
use crate::error::Result;

/// Headers and contents start at multiples of this.
const BLOCK: u64 = 512;
/// All members together may be this long: an endless stream ends here.
const MOST_BYTES: u64 = 4 << 30;
const MOST_MEMBERS: usize = 10_000;

/// The stream of an archive.
pub(in crate::data) struct Tar<R> {
    source: Source<R>,
    n_members: usize,
}

/// What a header says.
#[derive(Debug)]
pub(in crate::data) struct Member {
    pub(in crate::data) name: String,
    pub(in crate::data) size: u64,
    pub(in crate::data) is_file: bool,
}

impl<R: Read> Tar<R> {
    pub(in crate::data) fn new(reader: R, place: &Path) -> Self {
        Self { source: Source::new(reader, place), n_members: 0 }
    }

    /// The next header; nothing at the end of the archive.
    pub(in crate::data) fn next_member(&mut self) -> Result<Option<Member>> {
        let start = self.source.offset();
        let mut header = [0; BLOCK as usize];
        self.source.fill(&mut header, "a header")?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        self.n_members += 1;
        if self.n_members > MOST_MEMBERS {
            return Err(self
                .source
                .wrong_at(start, "one more member")
                .expected(format!("at most {MOST_MEMBERS}")));
        }
        // The sum of all bytes, those of the sum itself taken as spaces.
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        let own: u64 = header[148..156].iter().map(|byte| u64::from(*byte)).sum();
        if octal(&header[148..156]) != Some(sum - own + 8 * u64::from(b' ')) {
            return Err(self
                .source
                .wrong_at(start, "a header with a wrong checksum")
                .expected("a tar archive")
                .fix("the archive is damaged or another kind of file: get it again"));
        }
        let size = octal(&header[124..136]).filter(|size| start + size <= MOST_BYTES);
        let Some(size) = size else {
            return Err(self
                .source
                .wrong_at(start, "a member of impossible size")
                .expected(format!("at most {MOST_BYTES} bytes in all")));
        };
        let mut name = text(&header[..100]);
        let prefix = text(&header[345..500]);
        if header[257..262] == *b"ustar" && !prefix.is_empty() {
            name = format!("{prefix}/{name}");
        }
        Ok(Some(Member { name, size, is_file: matches!(header[156], b'0' | 0) }))
    }

    /// The stream at the content of the member whose header was read last.
    pub(in crate::data) fn content(&mut self) -> &mut Source<R> {
        &mut self.source
    }

    /// Passes over the padding after a content that was read.
    pub(in crate::data) fn finish(&mut self, member: &Member) -> Result<()> {
        self.pass(member.size.next_multiple_of(BLOCK) - member.size, member)
    }

    /// Passes over the content of a member.
    pub(in crate::data) fn skip(&mut self, member: &Member) -> Result<()> {
        self.pass(member.size.next_multiple_of(BLOCK), member)
    }

    fn pass(&mut self, mut length: u64, member: &Member) -> Result<()> {
        let mut block = [0; BLOCK as usize];
        while length > 0 {
            let n = length.min(BLOCK);
            self.source.fill(&mut block[..n as usize], &format!("`{}`", member.name))?;
            length -= n;
        }
        Ok(())
    }
}

/// The text before the first zero; control codes and bytes that are not ASCII escaped.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes[..end].escape_ascii().to_string()
}

/// A number in octal digits, between spaces and zeros.
fn octal(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let digits = text.trim_matches(|c| c == ' ' || c == '\0');
    u64::from_str_radix(digits, 8).ok()
}
