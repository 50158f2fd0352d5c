//! Mutated inputs of every parser, in this process: each is read or refused, without a panic,
//! soon. What a mutation may do is in [`mutate`]. Where a container has checksums, which refuse
//! nearly all, what is in it is mutated too, and packed right.

mod inputs;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Random, made, times};
use inputs::all;

/// A parser: a valid input, the file that it is in, and what reads it; true where it is accepted.
struct Parser {
    name: &'static str,
    file: &'static str,
    seed: Vec<u8>,
    read: Box<dyn Fn(&Path) -> bool>,
    /// Whether a checksum lets hardly any other input pass.
    is_sealed: bool,
}

fn parser(
    name: &'static str,
    file: &'static str,
    seed: Vec<u8>,
    read: impl Fn(&Path) -> bool + 'static,
) -> Parser {
    Parser { name, file, seed, read: Box::new(read), is_sealed: false }
}

fn sealed(parser: Parser) -> Parser {
    Parser { is_sealed: true, ..parser }
}

/// What mutations put in.
const TOKENS: [&[u8]; 30] = [
    b"nan",
    b"inf",
    b"-1",
    b"1e308",
    b"18446744073709551615",
    b"4294967296",
    b"[",
    b"]",
    b"{",
    b"}",
    b"'",
    b"\"",
    b",",
    b"(",
    b")",
    b"\n",
    b"\0",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\0\0\0\0",
    b"shape",
    b"data_offsets",
    b"True",
    b"<f8",
    b"|O",
    b"PK\x03\x04",
    b"\x80\x02",
    b"*",
    b"=",
    b"1e-320",
    b"\xf0\x9f\x98\x80",
];

/// Changes a valid input at up to six places, mostly near its ends, where headers are.
fn mutate(random: &mut Random, seed: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(6) {
        if bytes.is_empty() {
            bytes.push(0);
        }
        let n = bytes.len();
        let at = match random.below(4) {
            0 => n - 1 - random.below(n.min(300)),
            1 => random.below(n),
            _ => random.below(n.min(400)),
        };
        let end = (at + 1 + random.below(16)).min(n);
        match random.below(9) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 | 4 => {
                let token = TOKENS[random.below(TOKENS.len())];
                let until =
                    if random.below(2) == 0 { at } else { (at + token.len()).min(n) };
                bytes.splice(at..until, token.iter().copied());
            }
            5 => drop(bytes.drain(at..end)),
            6 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            7 => bytes[at] = bytes[at].wrapping_add(1),
            _ => bytes.swap(at, random.below(n)),
        }
    }
    bytes
}

#[test]
#[ignore = "seconds for each parser: scripts/check --all"]
fn mutated_inputs_are_read_or_refused_without_a_panic() {
    let folder = made(&["run f.toml --out r"]);
    let mut wrong = vec![];
    for parser in all(folder.path()) {
        wrong.extend(fuzz(&parser, Duration::from_secs(times(5, 60) as u64)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Mutates and reads for some time; the panics, inputs over ten seconds, and parsers that accept
/// nothing, of which only the first lines were tried.
fn fuzz(parser: &Parser, time: Duration) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(parser.file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut random = Random(7);
    let (mut n, mut accepted, mut wrong) = (0, 0, vec![]);
    let mut slowest = Duration::ZERO;
    fs::write(&path, &parser.seed).unwrap();
    if !(parser.read)(&path) {
        wrong.push(format!("{}: refuses what nothing was done to", parser.name));
    }
    let began = Instant::now();
    // Where few are accepted, longer.
    let lacks = |accepted| accepted == 0 && !parser.is_sealed;
    while began.elapsed() < time
        || lacks(accepted) && began.elapsed() < Duration::from_mins(2)
    {
        let bytes = mutate(&mut random, &parser.seed);
        if bytes == parser.seed {
            continue;
        }
        fs::write(&path, &bytes).unwrap();
        let started = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| (parser.read)(&path))) {
            Ok(is_accepted) => accepted += usize::from(is_accepted),
            Err(_) => wrong.push(format!("{}: input {n} panics", parser.name)),
        }
        slowest = slowest.max(started.elapsed());
        n += 1;
    }
    if slowest > Duration::from_secs(10) {
        wrong.push(format!("{}: {slowest:?}", parser.name));
    }
    if lacks(accepted) {
        wrong.push(format!("{}: no mutant was accepted", parser.name));
    }
    println!("{}: {n} inputs, {accepted} accepted, slowest {slowest:?}", parser.name);
    wrong
}
