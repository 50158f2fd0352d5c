"""Which models are recorded, and what their modules and inputs are called."""

from __future__ import annotations

import fnmatch
import inspect

import torch

from .presets import PRESETS

#: What wrappers put into the names of the modules inside them.
_WRAPPERS = ("_orig_mod", "_checkpoint_wrapped_module")


def recordable(model):
    """The module inside DistributedDataParallel, DataParallel and ``torch.compile``.

    Raises ValueError where no forward of one process can be recorded.
    """
    if not isinstance(model, torch.nn.Module):
        raise ValueError(f"the model is a {type(model).__name__}; expected a torch.nn.Module")
    refuse_sharded(model)
    model = _unwrapped(model)
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError("the model is TorchScript, whose modules call no Python while they run; "
                         "record the torch.nn.Module that it was made of")
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if torch.nn.parameter.is_lazy(tensor):
            raise ValueError(f"{name} has no values yet: its module is lazily initialized; call "
                             "the model once, as `model(x[:2])`, before the recorder is made")
        if tensor.is_meta:
            raise ValueError(f"{name} is on the meta device and has no values; load or "
                             "initialize the weights (`model.to_empty(device=…)`) first")
    return model


def refuse_sharded(model):
    """Raises on every process where a forward needs all of them: rank 0 records alone."""
    fsdp = torch.distributed.is_available() and _is_fsdp
    for module in model.modules():
        if fsdp and fsdp(module):
            raise ValueError(SHARDED.format("FSDP"))
    for parameter in model.parameters():
        if hasattr(parameter, "ds_id"):
            raise ValueError(SHARDED.format("DeepSpeed ZeRO-3"))
        if type(parameter.data).__name__ == "DTensor":
            raise ValueError(SHARDED.format("DTensor"))


#: Why a sharded model is refused; of what kind it is goes into the braces.
SHARDED = ("the model's parameters are spread over processes ({}), so that each forward needs all "
            "of them, and rank 0 records alone; train with DistributedDataParallel, or record "
            "from checkpoints: stratagram.record_checkpoints")


def _is_fsdp(module):
    from torch.distributed import fsdp

    kinds = [fsdp.FullyShardedDataParallel, getattr(fsdp, "FSDPModule", None)]
    return isinstance(module, tuple(kind for kind in kinds if kind))


def _unwrapped(model):
    while True:
        if hasattr(model, "_orig_mod"):
            model = model._orig_mod
        elif isinstance(model, (torch.nn.parallel.DistributedDataParallel,
                                torch.nn.DataParallel)):
            model = model.module
        else:
            return model


def rank():
    """This process's number among those that train together."""
    distributed = torch.distributed
    ready = distributed.is_available() and distributed.is_initialized()
    return distributed.get_rank() if ready else 0


def device_of(model):
    """Where the model is: where its first parameter or buffer is."""
    first = next(model.parameters(), None)
    first = next(model.buffers(), None) if first is None else first
    return torch.device("cpu") if first is None else first.device


def named_modules(model):
    """``{name: module}``, the names without what wrappers inside the model add to them.

    Parts that are TorchScript are left out: they call no Python while they run.
    """
    named = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            continue
        plain = plain_name(name)
        if plain:
            named[plain] = module  # of a wrapper and what is in it, the latter
    return named


def plain_name(name):
    """A name without what wrappers inside the model add to it."""
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def presets(model):
    """``{preset: names of modules}`` of those that the model has."""
    modules = named_modules(model)
    found = {preset: find(modules) for preset, find in PRESETS.items()}
    return {preset: names for preset, names in found.items() if names}


def matching(model, layers):
    """``{name: whether it is named itself, not by a glob or a preset}`` of the modules to record."""
    names = list(named_modules(model))
    if isinstance(layers, str) and layers in PRESETS:
        found = presets(model).get(layers)
        if found:
            return dict.fromkeys(found, False)
        if layers not in names:
            raise ValueError(f"layers is {layers!r}, and the model has none that are called so (of "
                             "ResNets and transformers in torchvision, timm and transformers it "
                             "does); give names or globs of named_modules()")
    if not names:
        raise ValueError(f"the model is a {type(model).__name__} without modules in it; record "
                         "torch.nn.Sequential(model)")
    chosen = {}
    for pattern in [layers] if isinstance(layers, str) else list(layers):
        found = [name for name in names if name == pattern or fnmatch.fnmatchcase(name, pattern)]
        if not found:
            raise ValueError(f"`layers` names {pattern!r}, which is no module; there are "
                             f"{', '.join(names[:40])}")
        chosen.update((name, chosen.get(name, False) or name == pattern) for name in found)
    return chosen


class Inputs:
    """The arguments of a model's forward: what a dict of examples can be."""

    #: Columns of a batch that are answers, not inputs.
    LABELS = ("labels", "label", "label_ids", "targets", "target")
    #: What keys are taken for groups where a forward does not say what it takes.
    GROUPS = {"test", "train", "train-clean", "train-corrupted"}

    def __init__(self, model):
        try:
            parameters = inspect.signature(model.forward).parameters.values()
        except (TypeError, ValueError):  # a forward that Python cannot look into
            parameters = ()
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        self.names = [p.name for p in named]
        self.takes_any = not parameters or any(p.kind == p.VAR_KEYWORD for p in parameters)

    def are(self, keys):
        """Whether ``keys`` are arguments, rather than groups of examples."""
        if not self.names:
            return not set(keys) <= self.GROUPS
        return all(key in self.names for key in keys)

    def columns(self, batch):
        """The inputs in a batch of named columns: a dict, or the tensor that is the only one."""
        found = {k: v for k, v in batch.items() if k in self.names and k not in self.LABELS}
        if self.takes_any:
            found = {k: v for k, v in batch.items() if k not in self.LABELS}
        if found:
            return found
        left = [k for k in batch if k not in self.LABELS]
        if len(left) == 1:
            return batch[left[0]]
        raise ValueError(f"a batch has {', '.join(map(str, batch))}, and the model's forward takes "
                         f"{', '.join(self.names)}; rename the columns, or give the examples as a "
                         "tuple")
