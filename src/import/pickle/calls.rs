//! The names that a pickle may call, and the storages and tensors that come of it.

use super::{Global, Machine, StorageRef, StorageType, TensorRef, Value};
use crate::error::Result;

/// The most axes of a tensor.
const MAX_AXES: usize = 32;

impl<'a> Machine<'a, '_> {
    /// The value of a name: one of the list, or an opaque one.
    pub(super) fn global(&mut self, module: &'a str, name: &'a str) -> Value<'a> {
        let known = match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("collections", "defaultdict") => Some(Global::DefaultDict),
            // Before version 0.4 without the two last arguments, which are passed over.
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => {
                Some(Global::RebuildTensor)
            }
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Some(Global::RebuildParameter)
            }
            ("torch._tensor", "_rebuild_from_type_v2") => Some(Global::RebuildFromType),
            ("torch", name) => StorageType::of(name).map(Global::Storage),
            _ => None,
        };
        known.map_or_else(|| self.class(module, name), Value::Global)
    }

    fn class(&mut self, module: &'a str, name: &'a str) -> Value<'a> {
        let next = self.out.classes.len();
        let index = *self.class_of.entry((module, name)).or_insert(next);
        if index == next {
            self.out.classes.push(format!("{module}.{name}"));
        }
        Value::Class(index)
    }

    /// What a class and arguments that are on the stack would make.
    pub(super) fn new_object(&mut self, code: u8) -> Result<Value<'a>> {
        let class = match code {
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                self.take_marked()?;
                self.global(module, name)
            }
            b'o' => {
                let marked = self.take_marked()?;
                let first = marked.first().copied();
                first.ok_or_else(|| self.refuse("finds no class"))?
            }
            _ => {
                if code == 0x92 {
                    self.pop()?;
                }
                self.arguments()?;
                self.pop()?
            }
        };
        match class {
            Value::Class(class) => Ok(Value::Object(class)),
            Value::Global(Global::OrderedDict | Global::DefaultDict) => {
                Ok(self.new_dict(vec![]))
            }
            _ => Err(self.refuse("makes an object of no class")),
        }
    }

    pub(super) fn arguments(&mut self) -> Result<Vec<Value<'a>>> {
        match self.pop()? {
            Value::Tuple(list) => Ok(self.out.lists[list].clone()),
            _ => Err(self.refuse("finds no arguments")),
        }
    }

    pub(super) fn reduce(&mut self) -> Result<Value<'a>> {
        let arguments = self.arguments()?;
        match (self.pop()?, &arguments[..]) {
            (Value::Global(Global::OrderedDict), [])
            | (Value::Global(Global::DefaultDict), _) => Ok(self.new_dict(vec![])),
            (Value::Class(class), _) => Ok(Value::Object(class)),
            // A method of an object, or what a function has given.
            (Value::Object(of), _) => Ok(Value::Object(of)),
            (
                Value::Global(Global::RebuildParameter),
                [object @ Value::Object(_), ..],
            ) => Ok(*object),
            (
                Value::Global(Global::RebuildFromType),
                &[Value::Global(Global::RebuildTensor), _, Value::Tuple(inner), ..],
            ) => {
                let inner = self.out.lists[inner].clone();
                self.rebuild(&inner)
            }
            (
                Value::Global(Global::RebuildParameter),
                [tensor @ Value::Tensor(_), ..],
            ) => Ok(*tensor),
            (Value::Global(Global::RebuildTensor), _) => self.rebuild(&arguments),
            (Value::Global(known), _) => {
                Err(self.refuse(&format!("calls {known:?} with other arguments")))
            }
            _ => Err(self.refuse("calls what is no function")),
        }
    }

    /// The tensor that the arguments of `_rebuild_tensor_v2` describe.
    fn rebuild(&mut self, arguments: &[Value<'a>]) -> Result<Value<'a>> {
        match *arguments {
            [
                Value::Storage(storage),
                Value::Int(offset),
                Value::Tuple(shape),
                Value::Tuple(strides),
                ..,
            ] => self.tensor(storage, offset, [shape, strides]),
            [object @ Value::Object(_), ..] => Ok(object),
            _ => Err(self.refuse("calls RebuildTensor with other arguments")),
        }
    }

    /// Checks that the elements lie inside the storage and that none is there twice.
    pub(super) fn tensor(
        &mut self,
        storage: usize,
        offset: i64,
        [shape, strides]: [usize; 2],
    ) -> Result<Value<'a>> {
        let natural = |list: &[Value<'_>]| -> Option<Vec<usize>> {
            let one = |value: &Value<'_>| match value {
                Value::Int(i) => usize::try_from(*i).ok(),
                _ => None,
            };
            list.iter().map(one).collect()
        };
        let lists = &self.out.lists;
        let (shape, strides) = (natural(&lists[shape]), natural(&lists[strides]));
        let (Some(shape), Some(strides), Ok(offset)) =
            (shape, strides, usize::try_from(offset))
        else {
            return Err(self.refuse("makes a tensor of a negative size"));
        };
        if shape.len() != strides.len() || shape.len() > MAX_AXES {
            let (n, m) = (shape.len(), strides.len());
            return Err(self.refuse(&format!("makes a tensor of {n} axes, {m} strides")));
        }
        let held = self.out.storages[storage].elements;
        let tensor = TensorRef { storage, offset, shape, strides };
        match tensor.end() {
            Some(end) if end <= held && tensor.elements() <= held => {}
            _ => {
                let found = format!(
                    "makes a tensor of shape {:?} and strides {:?} from element {offset} of {held}",
                    tensor.shape, tensor.strides
                );
                return Err(self.refuse(&found));
            }
        }
        if tensor.repeats() {
            let found = format!(
                "makes a tensor of shape {:?} whose strides {:?} repeat elements",
                tensor.shape, tensor.strides
            );
            return Err(self.refuse(&found));
        }
        self.out.tensors.push(tensor);
        Ok(Value::Tensor(self.out.tensors.len() - 1))
    }

    /// `('storage', type, key, location, elements)`, and in the old format a view, which must
    /// be none.
    pub(super) fn persistent(&mut self) -> Result<Value<'a>> {
        let id = self.arguments()?;
        // Elements of a type that no net here has.
        if let [Value::Text("storage"), Value::Class(class), ..] = id[..] {
            return Ok(Value::Object(class));
        }
        let (&[
            Value::Text("storage"),
            Value::Global(Global::Storage(of)),
            Value::Text(key),
            Value::Text(_),
            Value::Int(elements),
        ]
        | &[
            Value::Text("storage"),
            Value::Global(Global::Storage(of)),
            Value::Text(key),
            Value::Text(_),
            Value::Int(elements),
            Value::None,
        ]) = &id[..]
        else {
            return Err(self.refuse("names no storage"));
        };
        let Ok(elements) = usize::try_from(elements) else {
            return Err(self.refuse(&format!("names a storage of {elements} elements")));
        };
        let found = StorageRef { key, of, elements };
        let next = self.out.storages.len();
        let index = *self.storage_of.entry(key).or_insert(next);
        if index == next {
            self.out.storages.push(found);
        } else if self.out.storages[index] != found {
            return Err(self.refuse("names a storage a second time, otherwise"));
        }
        Ok(Value::Storage(index))
    }
}

impl TensorRef {
    /// The number of elements, if it is a number; at most `usize::MAX`.
    pub(in crate::import) fn elements(&self) -> usize {
        self.shape.iter().fold(1, |n: usize, &length| n.saturating_mul(length))
    }

    /// One past the last element's position in the storage.
    pub(in crate::import) fn end(&self) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(self.offset);
        }
        let axes = self.shape.iter().zip(&self.strides);
        let last = axes.into_iter().try_fold(self.offset, |at, (&length, &stride)| {
            at.checked_add((length - 1).checked_mul(stride)?)
        });
        last?.checked_add(1)
    }

    /// Whether an element may be there twice: an axis steps over less than what those of
    /// smaller strides span.
    fn repeats(&self) -> bool {
        let mut axes: Vec<(usize, usize)> = self
            .strides
            .iter()
            .copied()
            .zip(self.shape.iter().copied())
            .filter(|&(_, length)| length > 1)
            .collect();
        axes.sort_unstable();
        let mut span = 0;
        for (stride, length) in axes {
            if stride <= span {
                return true;
            }
            span += (length - 1) * stride;
        }
        false
    }
}

impl StorageType {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "LongStorage" => Self::I64,
            "IntStorage" => Self::I32,
            "ShortStorage" => Self::I16,
            "CharStorage" => Self::I8,
            "ByteStorage" => Self::U8,
            "BoolStorage" => Self::Bool,
            _ => return None,
        })
    }
}
