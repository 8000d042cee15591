"""Boltzmann machines with the interface of scikit-learn."""

from .rbm import BernoulliRBM

__version__ = "0.1.0.dev0"

__all__ = ["BernoulliRBM", "__version__"]
