"""The epochs of a machine that learns classes beside the features."""

import math

from ._machine_epochs import MachineEpochs
from .core import monitor
from .core.backend import device_of, namespace
from .core.classes import class_scores, has_class, with_classes_expected
from .core.early_stopping import weighted_mean
from .core.rows import take_rows


class ClassEpochs(MachineEpochs):
    """The same epochs, with the classes of the rows that are watched."""

    def __init__(self, *args, classes):
        super().__init__(*args)
        self.classes = classes

    def attributes(self):
        """The fitted attributes: of the best epoch, if rows were held out."""
        return self.estimator._attributes(self.run, self.settings, self.classes)

    def _watch(self, state):
        """What is seen of the rows that are watched, of their classes, and chains."""
        machine, objective = state.machine, self.settings.objective
        dtype, n_classes = state.params.biases[0].dtype, objective.n_classes
        rows = take_rows(state.rows(self.data[0]), self.watched.rows, dtype)
        xp = namespace(rows)
        labelled = has_class(rows[:, -n_classes:])[:, 0]
        measured = {"accuracy": math.nan, "log_proba": math.nan}
        if bool(xp.any(labelled)):
            labelled = xp.astype(labelled, dtype)
            scores = class_scores(machine, rows, n_classes, dtype)
            measured["accuracy"] = weighted_mean(scores[:, 0], labelled)
            measured["log_proba"] = weighted_mean(scores[:, 1], labelled)
        chains = self.settings.algorithm.samples(state.chains)
        watched = self.watched._replace(
            rows=xp.arange(rows.shape[0], device=device_of(rows))
        )
        rows = with_classes_expected(machine, rows, n_classes)
        measured |= monitor.measure(machine, rows, watched, chains)
        if objective.generative == 0.0:
            del measured["chain_error"]  # of chains that are not used
        return measured

    def progress(self):
        """What to print after an epoch."""
        history = self.run.history
        words = f"log p(y|x) = {history['log_proba'][-1]:.4f}"
        if self.stopping is None:
            return words
        return (
            f"{words}, validation accuracy = {history['validation_accuracy'][-1]:.4f}"
        )

    def early_end(self):
        """What to print where the stage is over before the rates are used up."""
        n, epoch = self.run.progress.n_against, self.run.progress.best.epoch
        return (
            f"Stopped early: no gain in {n} epochs. The parameters of epoch {epoch} "
            "are kept."
        )
