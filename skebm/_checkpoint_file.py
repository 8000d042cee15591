"""Files of checkpoints: written in one step, and read without running any code."""

import hashlib
import io
import os
import pickle
import re
import uuid
from contextlib import suppress

import numpy as np
from sklearn.base import BaseEstimator

from .core.backend import device_of, is_torch_array, to_numpy

# The first line of a checkpoint has this and a number; the second one is the digest of
# what follows.
MAGIC, FORMAT = b"skebm checkpoint ", 5

# Kinds of dtypes whose entries are what their bytes say: numbers, times and text.
PLAIN_KINDS = "biufcmMSU"

# Types of which there may be any: estimators, and the types of numbers.
KINDS = (BaseEstimator, np.number, np.bool_)

# What reading a file may come to that nobody wrote as it is.
BROKEN = (
    AttributeError,
    EOFError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)

# Modules of scikit-learn that hold no estimators for users.
LEFT_OUT = {"__main__", "conftest", "externals", "tests", "_testing"}


# What stands in files for itself, beside tensors.
OF_NUMPY = (np.ndarray, np.generic, np.random.RandomState)


class Writing(pickle.Pickler):
    """Writes an estimator, with arrays by their bytes, shapes and dtypes.

    NumPy's own way to pickle them would let a file make references out of bytes.
    """

    def __init__(self, *args, **params):
        super().__init__(*args, **params)
        self.written = {}  # an array that is there twice is written once

    def persistent_id(self, value):
        """What stands for an array, a number of NumPy's or a generator; else None."""
        if not (isinstance(value, OF_NUMPY) or is_torch_array(value)):
            return None
        if id(value) not in self.written:
            self.written[id(value)] = in_words(value), value
        return self.written[id(value)][0]


def in_words(value):
    """What stands for a value in a file: a kind and plain values; None if nothing."""
    if is_torch_array(value):
        return "tensor", to_numpy(value), str(device_of(value))
    if type(value) is np.random.RandomState:
        return "generator", value.get_state()
    if isinstance(value, np.ma.MaskedArray) or not hasattr(value, "dtype"):
        return None
    if value.dtype.kind == "O":
        return "objects", value.shape, value.ravel().tolist()
    if value.dtype.kind not in PLAIN_KINDS:
        return None
    if isinstance(value, np.generic):
        return "number", value.dtype.str, value.tobytes()
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    return "array", value.dtype.str, value.shape, order, value.tobytes(order)


def of_words(kind, *values):
    """The value that stands for itself in a file."""
    if kind == "tensor":
        import torch

        array, device = values
        return torch.asarray(array, device=device)
    if kind == "generator":
        made = np.random.RandomState()
        made.set_state(*values)
        return made
    if kind == "objects":
        shape, entries = values
        made = np.empty(len(entries), dtype=object)
        made[:] = entries
        return made.reshape(shape)
    dtype, *values = values
    dtype = np.dtype(dtype)
    if dtype.kind not in PLAIN_KINDS:
        raise pickle.UnpicklingError(f"an array of {dtype}")
    if kind == "number":
        return np.frombuffer(*values, dtype=dtype)[0]
    shape, order, content = values
    return np.frombuffer(bytearray(content), dtype).reshape(shape, order=order)


class Reading(pickle.Unpickler):
    """Reads estimators of skebm and scikit-learn, plain containers and arrays.

    Any other class or function that a file names is an error, before it is called, but
    for those of `trusted`.
    """

    def __init__(self, file, trusted):
        super().__init__(file)
        self.trusted = {(x.__module__, x.__qualname__): x for x in trusted}

    def find_class(self, module, name):
        """What a file names, if it may be used."""
        if (module, name) in self.trusted:
            return self.trusted[module, name]
        package, *rest = module.split(".")
        ours = package in (__package__, "sklearn") and not LEFT_OUT.intersection(rest)
        if (ours or module == "numpy") and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and issubclass(found, KINDS):
                return found
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, value):
        """The value that stands for itself."""
        return of_words(*value)


def dumps(estimator):
    """The estimator as bytes."""
    file = io.BytesIO()
    Writing(file, protocol=pickle.HIGHEST_PROTOCOL).dump(estimator)
    return file.getvalue()


def loads(payload, path, trusted):
    """The estimator in these bytes, of the file `path`."""
    try:
        return Reading(io.BytesIO(payload), trusted).load()
    except BROKEN as error:
        raise ValueError(
            f"The checkpoint {str(path)!r} cannot be read: {error}. Fit anew, or use a "
            "copy of an earlier checkpoint."
        ) from error
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"The checkpoint {str(path)!r} holds {error}, which is no estimator of "
            "skebm or scikit-learn, array or number, and could run any code. If you "
            "know it, name it: Checkpoint(path, trusted=[...])."
        ) from None


def identity(path):
    """What tells a file from others of its name, or None if there is none."""
    if not path.exists():
        return None
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def write_checkpoint(path, estimator, new=False, trusted=()):
    """Write the estimator to `path`, in one step as seen from outside.

    With `new`, a file that is there already is an error, and so is what could not be
    read again.
    """
    payload = dumps(estimator)
    if new:
        loads(payload, path, trusted)
    digest = hashlib.sha256(payload).hexdigest().encode() + b"\n"
    # A new name, so that no link that someone has put there is followed.
    beside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with open(beside, "xb") as file:
            file.writelines([MAGIC, b"%d\n" % FORMAT, digest, payload])
            file.flush()
            os.fsync(file.fileno())
        rename(beside, path, new)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):
        # The renaming, too, is to survive a power cut. Not all file systems can do
        # that, and the file is whole in any case.
        with suppress(OSError):
            folder = os.open(path.parent, os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def rename(beside, path, new):
    """Give a file its name; with `new`, only if there is none of that name."""
    if not new:
        os.replace(beside, path)
        return
    try:
        os.link(beside, path)
    except FileExistsError:
        raise
    except OSError:  # there are file systems without links
        path.touch(exist_ok=False)
        try:
            os.replace(beside, path)
        except OSError:
            path.unlink(missing_ok=True)
            raise
    else:
        with suppress(OSError):
            beside.unlink()


def read_checkpoint(path, trusted=()):
    """The estimator in a checkpoint."""
    file = io.BytesIO(path.read_bytes())
    if not file.getbuffer().nbytes:
        raise ValueError(
            f"The checkpoint {str(path)!r} is empty: its fit was killed before the "
            "first one was written. Delete it, and fit anew."
        )
    found = re.fullmatch(re.escape(MAGIC) + rb"(\d{1,9})\n", file.readline())
    if found is None:
        raise ValueError(
            f"{str(path)!r} is not a checkpoint of skebm. Give the path of a file that "
            "Checkpoint wrote."
        )
    if int(found[1]) != FORMAT:
        raise ValueError(
            f"The checkpoint {str(path)!r} is of another version of skebm, which wrote "
            f"format {int(found[1])}; this one reads format {FORMAT}. Go on with the "
            "version that wrote it, or fit anew."
        )
    digest, payload = file.readline().strip(), file.read()
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        raise ValueError(
            f"The checkpoint {str(path)!r} is damaged: it is cut off or was changed. "
            "Fit anew, or use a copy of an earlier checkpoint."
        )
    estimator = loads(payload, path, trusted)
    if not hasattr(estimator, "_resume_fit"):
        raise ValueError(f"{str(path)!r} holds no estimator of skebm, but {estimator}.")
    return estimator
