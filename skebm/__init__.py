"""Boltzmann machines with the interface of scikit-learn."""

from ._callbacks import Checkpoint, HistoryMonitor
from .dbn import DBN
from .rbm import BernoulliRBM

__version__ = "0.1.0.dev0"

__all__ = ["DBN", "BernoulliRBM", "Checkpoint", "HistoryMonitor", "__version__"]
