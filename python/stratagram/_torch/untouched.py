"""Leaves a training as it was: generators, modules and PyTorch's switches, put back after use."""

from __future__ import annotations

import contextlib
import random

import numpy as np
import torch


@contextlib.contextmanager
def untouched(model):
    """Evaluation mode without gradients, on copies of the model's buffers.

    Modes, attributes, buffers, submodules and parameters that a forward sets or replaces are
    those of before at the end, also after an error; so are all random generators. Modes are set
    without ``eval()``, which some models override to do more (merging adapters into weights).
    """
    before = [_Scripted(module) if isinstance(module, torch.jit.ScriptModule) else _State(module)
              for module in model.modules()]
    copies = {}
    try:
        with generators_kept(), torch.no_grad(), _plain_forward():
            for state in before:
                state.lend(copies)
            yield
    finally:
        for state in before:
            state.restore()


class _State:
    """What a module holds itself: attributes, and tables of tensors and submodules."""

    TABLES = ("_parameters", "_buffers", "_modules")

    def __init__(self, module):
        self.module = module
        self.attributes = dict(vars(module))
        self.tables = {name: dict(vars(module)[name]) for name in self.TABLES}

    def lend(self, copies):
        """Evaluation mode, and copies in place of buffers and of tensors that are attributes."""
        own = vars(self.module)
        own["training"] = False
        for table in (own["_buffers"], own):
            for name, value in list(table.items()):
                if isinstance(value, torch.Tensor):
                    if id(value) not in copies:
                        copies[id(value)] = value.detach().clone()
                    table[name] = copies[id(value)]

    def restore(self):
        own = vars(self.module)
        _put_back(own, self.attributes)
        for name, table in self.tables.items():
            _put_back(own[name], table)


class _Scripted:
    """The same of a part that is TorchScript, whose tables are not Python's: buffers are put back."""

    def __init__(self, module):
        self.module, self.mode = module, module.training
        self.buffers = [(b, b.detach().clone()) for b in module.buffers(recurse=False)]

    def lend(self, _copies):
        self.module.training = False

    def restore(self):
        self.module.training = self.mode
        for buffer, value in self.buffers:
            buffer.data.copy_(value)


def _put_back(table, saved):
    """Makes ``table`` what it was; what did not change is not touched (compiled code watches)."""
    if list(table) != list(saved):
        table.clear()
    for name, value in saved.items():
        if name not in table or table[name] is not value:
            table[name] = value


@contextlib.contextmanager
def generators_kept(*others):
    """All global random generators, and ``others`` of torch, as they were."""
    others = {id(generator): generator for generator in others if generator is not None}
    own = [(generator, generator.get_state()) for generator in others.values()]
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)
        for generator, state in own:
            generator.set_state(state)


@contextlib.contextmanager
def _plain_forward():
    """Modules run as they are written, so that hooks are called and outputs are rows.

    Modules that were compiled in place run uncompiled; transformers without the fast path, which
    calls no submodules and packs padded examples into nested tensors. Weights that autocast
    has converted here, without gradients, must not be those of the next training step.
    """
    mha = getattr(torch.backends, "mha", None)  # since 2.2
    fast, cached = mha and mha.get_fastpath_enabled(), torch.is_autocast_cache_enabled()
    stance = getattr(getattr(torch, "compiler", None), "set_stance", None)  # since 2.6
    torch.set_autocast_cache_enabled(False)
    if mha:
        mha.set_fastpath_enabled(False)
    try:
        with stance("force_eager") if stance else contextlib.nullcontext():
            yield
    finally:
        torch.set_autocast_cache_enabled(cached)
        if mha:
            mha.set_fastpath_enabled(fast)


@contextlib.contextmanager
def exact_products():
    """Products in full float32: TF32 has ten bits of mantissa."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
