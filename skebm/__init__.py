"""Boltzmann machines with the interface of scikit-learn."""

from ._callbacks import Checkpoint, HistoryMonitor
from .rbm import BernoulliRBM

__version__ = "0.1.0.dev0"

__all__ = ["BernoulliRBM", "Checkpoint", "HistoryMonitor", "__version__"]
