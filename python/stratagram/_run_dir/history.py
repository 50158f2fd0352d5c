"""``history.csv``: the numbers that a training logs, and the errors that accuracies stand for."""

from __future__ import annotations

import math
import re
import warnings

import numpy as np

_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: The words in which tools call a set of examples, as `stratagram phases` reads them in logs.
_SETS = {"train_error": ("train", "training", "tr"),
         "test_error": ("test", "testing", "te", "val", "valid", "validation", "va", "eval",
                        "evaluation", "dev", "heldout")}
_ACCURACY, _ERROR = ("acc", "accuracy"), ("error", "err")
#: Words that change nothing about what a column holds.
_FILLING = ("epoch", "top", "1", "top1", "mean", "avg", "average", "rate", "score", "overall")
#: Above 1 by more than rounding, an accuracy is in percent.
_ROUNDING = 1e-6


def number(name, value):
    """``value`` as a float; NaN where it is None. A float32 is what it shows: 0.999, not
    0.9990000128746033.
    """
    if value is None:
        return math.nan
    is_single = str(getattr(value, "dtype", "")).endswith("float32")
    value = value.item() if hasattr(value, "item") else value
    value = float(str(np.float32(value))) if is_single else value
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        raise ValueError(f"{name} is {value!r}, a {type(value).__name__}; expected a number")
    return float(value)


def position(epoch, step):
    """Epoch and step as numbers from 0 on, the step a whole one."""
    epoch, whole = number("epoch", epoch), number("step", step)
    if not (math.isfinite(epoch) and epoch >= 0):
        raise ValueError(f"epoch is {epoch}; expected a number from 0 on")
    if not (math.isfinite(whole) and whole >= 0 and whole == int(whole)):
        raise ValueError(f"step is {step}; expected a whole number from 0 on")
    return epoch, int(step)


def checked(values):
    """The numbers of a row by name; refuses what a column of ``history.csv`` cannot hold."""
    numbers = {name: number(name, value) for name, value in values.items()}
    for name, value in numbers.items():
        if not _COLUMN.fullmatch(name) or name in ("step", "epoch"):
            raise ValueError(f"{name!r} cannot be a column of history.csv")
        if name.endswith("_error") and value == value and not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; errors are fractions from 0 to 1 (divide "
                             "percentages by 100)")
        if _is_accuracy(name) and value == value and not 0 <= value <= 100:
            raise ValueError(f"{name} is {value}; expected a fraction from 0 to 1, or percent")
    return numbers


def columns(metrics, renamed, refused):
    """Numbers that another program logs, as columns: ``val/acc`` is ``val_acc``.

    What cannot be one is left out, and said once; ``refused`` holds what was said.
    """
    values = {}
    for metric, value in metrics.items():
        column = renamed.get(metric) or re.sub(r"\W", "_", metric, flags=re.ASCII)
        try:
            values.update(checked({column: value}))
        except ValueError as error:
            if metric not in refused:
                refused.add(metric)
                warnings.warn(f"{metric!r} is not recorded: {error}", stacklevel=3)
    return values


def table(rows):
    """The text of ``history.csv`` of ``{step: {column: number}}``, what is derived last."""
    names = [name for name in _names(rows) if name != "epoch"]
    sources = {error: _source(error, names) for error in _SETS if error not in names}
    derived = {error: _errors(source, rows) for error, source in sources.items() if source}
    lines = [["step", "epoch", *names, *derived]]
    for step, row in sorted(rows.items()):
        numbers = [row.get(name, math.nan) for name in ["epoch", *names]]
        numbers += [errors[step] for errors in derived.values()]
        lines.append([str(step), *("" if math.isnan(v) else _shortest(v) for v in numbers)])
    return "".join(",".join(line) + "\n" for line in lines)


def say_derived(rows, said):
    """Warns, once for each, of the errors that are derived; ``said`` holds what was said."""
    names = _names(rows)
    for error in _SETS:
        source = None if error in names else _source(error, names)
        how = source and _formula(source, rows)
        if how and (error, how) not in said:
            said.add((error, how))
            warnings.warn(f"history.csv: {error} = {how}", stacklevel=4)


def _names(rows):
    return list(dict.fromkeys(name for row in rows.values() for name in row))


def _said(name, kinds):
    """The words of a column that is a fraction of these kinds, None of any other column."""
    words = name.lower().split("_")
    rest = [word for word in words if word not in (*kinds, *_FILLING)]
    return rest if len(words) > len(rest) and any(word in kinds for word in words) else None


def _is_accuracy(name):
    rest = _said(name, _ACCURACY)
    return rest is not None and (not rest or any(rest == [own] for sets in _SETS.values()
                                                 for own in sets))


def _source(error, names):
    """The column that stands for an error that is not logged itself.

    Keras says of the test set alone which set it is: a bare ``accuracy`` is that of training.
    """
    for own in _SETS[error]:
        for kinds in (_ERROR, _ACCURACY):
            for name in names:
                if _said(name, kinds) == [own]:
                    return name
    if error == "train_error" and _source("test_error", names):
        return next((name for name in names if _said(name, _ACCURACY) == []), None)
    return None


def _is_percent(rows):
    """Whether accuracies are in percent: where one exceeds 1, all are, in all rows."""
    return any(value > 1 + _ROUNDING for row in rows.values() for name, value in row.items()
               if _is_accuracy(name))


def _formula(source, rows):
    if not _is_accuracy(source):
        return source
    return f"1 - {source}" + (" / 100 (percent)" if _is_percent(rows) else "")


def _errors(source, rows):
    """The error of each row."""
    scale = 100 if _is_percent(rows) else 1
    values = {step: row.get(source, math.nan) for step, row in rows.items()}
    if not _is_accuracy(source):
        return values
    # Twelve digits: 1 − 0.999 must be 0.001, not 0.0010000000000000009, which exceeds it.
    return {step: round(1 - min(value / scale, 1), 12) if value == value else math.nan
            for step, value in values.items()}


def _shortest(value):
    is_whole = math.isfinite(value) and value == int(value) and abs(value) < 1e15
    return str(int(value)) if is_whole else repr(value)
