//! The names that a pickle may call, and the storages and tensors that come of it.

use super::{Global, Machine, StorageRef, StorageType, TensorRef, Value};
use crate::error::Result;

/// The most axes of a tensor.
const MAX_AXES: usize = 32;

impl<'a> Machine<'a, '_> {
    pub(super) fn global(&self, module: &str, name: &str) -> Result<Value<'a>> {
        let known = match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            // Before version 0.4 without the two last arguments, which are passed over.
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => {
                Some(Global::RebuildTensor)
            }
            ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
            ("torch", name) => StorageType::of(name).map(Global::Storage),
            _ => None,
        };
        known.map(Value::Global).ok_or_else(|| {
            let [module, name] = [module, name].map(crate::array_file::printable);
            self.refuse(&format!("names `{module}.{name}`, which is never run"))
        })
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
            (Value::Global(Global::OrderedDict), []) => Ok(self.new_dict(vec![])),
            (
                Value::Global(Global::RebuildParameter),
                [tensor @ Value::Tensor(_), ..],
            ) => Ok(*tensor),
            (
                Value::Global(Global::RebuildTensor),
                &[
                    Value::Storage(storage),
                    Value::Int(offset),
                    Value::Tuple(shape),
                    Value::Tuple(strides),
                    ..,
                ],
            ) => self.tensor(storage, offset, [shape, strides]),
            (Value::Global(known), _) => {
                Err(self.refuse(&format!("calls {known:?} with other arguments")))
            }
            _ => Err(self.refuse("calls what is no function")),
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
