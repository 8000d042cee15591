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
MAGIC, FORMAT = b"skebm checkpoint ", 4

# What arrays, numbers and generators of NumPy are made by when they are read.
OF_NUMPY = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.{core}.multiarray", "_reconstruct"),
    ("numpy.{core}.multiarray", "scalar"),
    ("numpy.{core}.numeric", "_frombuffer"),
    ("numpy.random._pickle", "__randomstate_ctor"),
    ("numpy.random._pickle", "__bit_generator_ctor"),
    ("numpy.random._mt19937", "MT19937"),
}
KNOWN = {
    (module.format(core=core), name)
    for module, name in OF_NUMPY
    for core in ("core", "_core")
}


# Types of which there may be any: those of our estimators, scikit-learn's and NumPy's.
KINDS = (BaseEstimator, np.generic)


class Writing(pickle.Pickler):
    """Writes an estimator, with tensors of PyTorch as arrays and their devices."""

    def persistent_id(self, value):
        """What stands for a tensor; None for all else."""
        if is_torch_array(value):
            return to_numpy(value), str(device_of(value))
        return None


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
        if (module, name) in KNOWN:
            return super().find_class(module, name)
        package, *rest = module.split(".")
        ours = package in (__package__, "sklearn") and "__main__" not in rest
        if (ours or module == "numpy") and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and issubclass(found, KINDS):
                return found
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, value):
        """A tensor on the device where it was."""
        import torch

        array, device = value
        return torch.asarray(array, device=device)


def dumps(estimator):
    """The estimator as bytes."""
    file = io.BytesIO()
    Writing(file, protocol=pickle.HIGHEST_PROTOCOL).dump(estimator)
    return file.getvalue()


def loads(payload, path, trusted):
    """The estimator in these bytes, of the file `path`."""
    try:
        return Reading(io.BytesIO(payload), trusted).load()
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
