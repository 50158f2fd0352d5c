//! Pickles of PyTorch's checkpoints, read by an interpreter that can only make plain values and
//! descriptions of tensors.
//!
//! A pickle is a program for a stack machine, and Python's machine can be told to call any
//! function. This one knows the opcodes that `torch.save` writes and a closed list of names
//! ([`Global`]). Any other name is opaque: what calling it would give is an object of which only
//! the name is known, so no input can run, read or write anything.
//! Objects lie in lists and refer to each other by position: no cycle or depth of nesting
//! costs recursion, and every opcode adds at most one value.

mod bytes;
mod calls;

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Result;

/// The longest pickle: descriptions of 100,000 tensors take about 20 MB.
const MAX_PICKLE: usize = 32 << 20;

/// Values that may be made, and memo entries.
const MAX_VALUES: usize = 1_000_000;

/// Lists, tuples and dictionaries, each with memory of its own: ten for each of 20,000 tensors.
const MAX_CONTAINERS: usize = 200_000;

/// Marks that may be open at once: how deep `torch.save` nests is far below.
const MAX_MARKS: usize = 200;

/// A value; objects are positions in [`Unpickled`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    /// Bytes, or a whole number of more than 64 bits: nothing that a checkpoint needs.
    Other,
    Tuple(usize),
    List(usize),
    Dict(usize),
    Global(Global),
    /// A class or function that is not on the list; a position in [`Unpickled::classes`].
    Class(usize),
    /// What is made by one.
    Object(usize),
    Storage(usize),
    Tensor(usize),
}

/// The names that a pickle may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    /// A dictionary that makes its missing values.
    DefaultDict,
    RebuildTensor,
    RebuildParameter,
    /// A tensor of a class of its own.
    RebuildFromType,
    Storage(StorageType),
}

/// Element types of PyTorch's storages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) enum StorageType {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

/// What a pickle says of a storage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StorageRef<'a> {
    pub(super) key: &'a str,
    pub(super) of: StorageType,
    pub(super) elements: usize,
}

/// What a pickle says of a tensor; its elements are inside the storage, each once.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TensorRef {
    pub(super) storage: usize,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// A pickle's value and the objects it refers to.
#[derive(Debug)]
pub(super) struct Unpickled<'a> {
    pub(super) root: Value<'a>,
    /// Tuples and lists.
    pub(super) lists: Vec<Vec<Value<'a>>>,
    pub(super) dicts: Vec<Vec<(Value<'a>, Value<'a>)>>,
    pub(super) storages: Vec<StorageRef<'a>>,
    pub(super) tensors: Vec<TensorRef>,
    /// Names that are not on the list, such as `argparse.Namespace`.
    pub(super) classes: Vec<String>,
    /// Bytes that were read.
    pub(super) length: usize,
}

/// Where a pickle stands, for errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    /// The archive's member, or nothing.
    pub(super) member: &'a str,
    /// Position of the pickle's first byte in it.
    pub(super) start: usize,
}

/// Interprets the pickle at the start of `bytes`.
///
/// # Errors
/// If it is malformed, too large, or uses an opcode that is not on the list; the message names
/// the byte and the opcode.
pub(super) fn unpickle<'a>(bytes: &'a [u8], place: Place<'_>) -> Result<Unpickled<'a>> {
    let mut machine = Machine {
        bytes,
        at: 0,
        op: 0,
        place,
        stack: vec![],
        marks: vec![],
        memo: vec![],
        made: 0,
        storage_of: BTreeMap::new(),
        class_of: BTreeMap::new(),
        out: Unpickled {
            root: Value::None,
            lists: vec![],
            dicts: vec![],
            storages: vec![],
            tensors: vec![],
            classes: vec![],
            length: 0,
        },
    };
    while !machine.step()? {}
    machine.out.length = machine.at;
    Ok(machine.out)
}

struct Machine<'a, 'p> {
    bytes: &'a [u8],
    at: usize,
    /// Position of the opcode at work.
    op: usize,
    place: Place<'p>,
    stack: Vec<Value<'a>>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    memo: Vec<Option<Value<'a>>>,
    made: usize,
    /// Positions of the storages by key.
    storage_of: BTreeMap<&'a str, usize>,
    /// Positions of the opaque names.
    class_of: BTreeMap<(&'a str, &'a str), usize>,
    out: Unpickled<'a>,
}

impl<'a> Machine<'a, '_> {
    /// One opcode; says whether it was the last.
    fn step(&mut self) -> Result<bool> {
        self.op = self.at;
        if self.at > MAX_PICKLE {
            return Err(self.refuse(&format!("is over {} MiB", MAX_PICKLE >> 20)));
        }
        let [code] = self.array()?;
        if code == b'.' {
            self.out.root = self.pop()?;
            return Ok(true);
        }
        if !self.rearrange(code)? {
            let value = self.value(code)?;
            self.made += 1;
            if self.made > MAX_VALUES {
                let found = format!("makes more than {MAX_VALUES} values");
                return Err(self.refuse(&found));
            }
            if self.out.lists.len() + self.out.dicts.len() > MAX_CONTAINERS {
                let found = format!("makes more than {MAX_CONTAINERS} lists");
                return Err(self.refuse(&found));
            }
            self.stack.push(value);
        }
        Ok(false)
    }

    /// An opcode that leaves no new value on the stack; says whether it was one.
    fn rearrange(&mut self, code: u8) -> Result<bool> {
        match code {
            0x80 => {
                let [version] = self.array()?;
                if !(2..=5).contains(&version) {
                    return Err(self.refuse(&format!("is of protocol {version}")));
                }
            }
            0x95 => {
                let length = u64::from_le_bytes(self.array()?);
                if length > (self.bytes.len() - self.at) as u64 {
                    return Err(self.refuse(&format!("is a frame of {length} bytes")));
                }
            }
            b'(' => {
                if self.marks.len() == MAX_MARKS {
                    return Err(self.refuse("nests too deeply"));
                }
                self.marks.push(self.stack.len());
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.take_marked()?),
            b'q' | b'r' | 0x94 => self.memoize(code)?,
            b'a' | b'e' | 0x90 => self.append(code != b'a')?,
            b's' | b'u' => self.set_items(code == b'u')?,
            b'b' => self.build()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The value that an opcode makes.
    fn value(&mut self, code: u8) -> Result<Value<'a>> {
        Ok(match code {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' => Value::Int(self.array::<1>()?[0].into()),
            b'M' => Value::Int(u16::from_le_bytes(self.array()?).into()),
            b'J' => Value::Int(i32::from_le_bytes(self.array()?).into()),
            0x8a => self.long()?,
            b'G' => Value::Float(f64::from_be_bytes(self.array()?)),
            0x8c | b'X' | 0x8d | b'U' | b'T' => self.text(code)?,
            b'C' | b'B' | 0x8e | 0x96 => {
                self.counted(code)?;
                Value::Other
            }
            b')' | b't' | 0x85 | 0x86 | 0x87 => self.tuple(code)?,
            // A set, which nothing here needs, is a list of its items.
            b']' | b'l' | 0x8f | 0x91 => {
                let is_empty = matches!(code, b']' | 0x8f);
                let items = if is_empty { vec![] } else { self.take_marked()? };
                self.out.lists.push(items);
                Value::List(self.out.lists.len() - 1)
            }
            b'}' | b'd' => {
                let items = if code == b'd' { self.take_marked()? } else { vec![] };
                let pairs = self.pairs(&items)?;
                self.new_dict(pairs)
            }
            b'h' => {
                let [index] = self.array()?;
                self.recall(index.into())?
            }
            b'j' => {
                let index = u32::from_le_bytes(self.array()?);
                self.recall(index as usize)?
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (module, name) {
                    (Value::Text(module), Value::Text(name)) => self.global(module, name),
                    _ => return Err(self.refuse("names no name")),
                }
            }
            b'R' => self.reduce()?,
            0x81 | 0x92 | b'o' | b'i' => self.new_object(code)?,
            b'Q' => self.persistent()?,
            _ => return Err(self.refuse("is not an opcode that tensors need")),
        })
    }

    fn pop(&mut self) -> Result<Value<'a>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(self.refuse("finds the stack empty"));
        }
        Ok(self.stack.pop().expect("is not empty"))
    }

    /// Everything above the last mark.
    fn take_marked(&mut self) -> Result<Vec<Value<'a>>> {
        let Some(mark) = self.marks.pop() else {
            return Err(self.refuse("finds no mark"));
        };
        Ok(self.stack.split_off(mark))
    }

    fn memoize(&mut self, code: u8) -> Result<()> {
        let index = match code {
            b'q' => self.array::<1>()?[0].into(),
            b'r' => u32::from_le_bytes(self.array()?) as usize,
            _ => self.memo.len(),
        };
        let value = self.pop()?;
        self.stack.push(value);
        // Picklers number their entries without gaps.
        if index > self.memo.len() || index >= MAX_VALUES {
            let n = self.memo.len();
            return Err(self.refuse(&format!("writes entry {index} of a memo of {n}")));
        }
        if index == self.memo.len() {
            self.memo.push(None);
        }
        self.memo[index] = Some(value);
        Ok(())
    }

    fn recall(&self, index: usize) -> Result<Value<'a>> {
        let found = self.memo.get(index).copied().flatten();
        found.ok_or_else(|| {
            self.refuse(&format!("reads entry {index}, which is not there"))
        })
    }

    fn append(&mut self, many: bool) -> Result<()> {
        let items = if many { self.take_marked()? } else { vec![self.pop()?] };
        match self.stack.last() {
            Some(Value::List(list)) => {
                self.out.lists[*list].extend(items);
                Ok(())
            }
            Some(Value::Object(_)) => Ok(()),
            _ => Err(self.refuse("finds no list")),
        }
    }

    fn pairs(&self, items: &[Value<'a>]) -> Result<Vec<(Value<'a>, Value<'a>)>> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.refuse("finds a key without a value"));
        }
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    }

    fn set_items(&mut self, many: bool) -> Result<()> {
        let items = if many {
            self.take_marked()?
        } else {
            let value = self.pop()?;
            vec![self.pop()?, value]
        };
        let pairs = self.pairs(&items)?;
        match self.stack.last() {
            Some(Value::Dict(dict)) => {
                self.out.dicts[*dict].extend(pairs);
                Ok(())
            }
            Some(Value::Object(_)) => Ok(()),
            _ => Err(self.refuse("finds no dict")),
        }
    }

    fn new_dict(&mut self, pairs: Vec<(Value<'a>, Value<'a>)>) -> Value<'a> {
        self.out.dicts.push(pairs);
        Value::Dict(self.out.dicts.len() - 1)
    }

    fn tuple(&mut self, code: u8) -> Result<Value<'a>> {
        let items = match code {
            b')' => vec![],
            b't' => self.take_marked()?,
            _ => {
                let mut items = vec![];
                for _ in 0x84..code {
                    items.push(self.pop()?);
                }
                items.reverse();
                items
            }
        };
        self.out.lists.push(items);
        Ok(Value::Tuple(self.out.lists.len() - 1))
    }

    /// Attributes of an `OrderedDict` (`_metadata`: versions of modules), a parameter and an
    /// opaque object are passed over.
    fn build(&mut self) -> Result<()> {
        self.pop()?;
        match self.stack.last() {
            Some(Value::Dict(_) | Value::Object(_) | Value::Tensor(_)) => Ok(()),
            _ => Err(self.refuse("sets the state of an object")),
        }
    }
}
