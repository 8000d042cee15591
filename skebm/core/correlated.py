"""Real-valued units whose rows have correlated columns, given the hidden units."""

from .backend import c_ordered_copy, namespace
from .gaussian import LEAST_SCALE, MOST_STEP, SCALE_RATE, Gaussian
from .units import Held, refuse_other_border


class CorrelatedGaussian(Gaussian):
    """Real numbers: states of variance 1, of rows that are whitened at the border.

    A row is location + unit L z, with the standard deviations of the columns as `unit`,
    and a square matrix L, `mixing`. Given the hidden units, the states z are
    independent, and rows have the covariance L L^T, in these units. As that of a scale,
    the gradient is without log Z, and no chain is needed. For L (1 + e) it is

        d log p / d e = (z - b - W . E[h | z]) z^T - 1 .

    A variance of `least` (n_columns,) counts as added to that of each column: so L does
    not become singular where columns determine each other.
    """

    learns = True

    def __init__(self, location=None, unit=None, mixing=None, least=None):
        self.location, self.unit = location, unit
        self.mixing, self.least = mixing, least

    def fitted(self, X, sample_weight):
        """The kind with each column by itself: correlations are still to be learnt."""
        plain = Gaussian().fitted(X, sample_weight)
        xp, unit = namespace(plain.scale), plain.scale
        mixing = xp.eye(unit.shape[0], dtype=unit.dtype)
        varies = plain.least < unit
        least = xp.where(varies, xp.full_like(unit, LEAST_SCALE**2), mixing[0, 0])
        return CorrelatedGaussian(plain.location, unit, mixing, least)

    def trainable(self):
        """A copy whose border training may change in place."""
        mixing = c_ordered_copy(self.mixing)
        return CorrelatedGaussian(self.location, self.unit, mixing, self.least)

    def saved(self):
        """Location, units and mixing of the columns, and their least variances."""
        names = ("location", "unit", "mixing", "least")
        return {name: getattr(self, name) for name in names}

    def restored(self, saved):
        """The kind with what was saved."""
        refuse_other_border(self, saved, {"location", "unit", "mixing", "least"})
        return CorrelatedGaussian(**saved)

    def _learn(self, states, back, row_weights, learning_rate):
        """A step of the mixing, in place, up the log-likelihood of the rows."""
        xp, whitening = namespace(states), inverse(self.mixing)
        slope = (states - back).T @ (row_weights[:, None] * states)
        slope -= xp.eye(states.shape[1], dtype=states.dtype)
        slope += whitening @ (self.least[:, None] * whitening.T)
        step = SCALE_RATE * learning_rate * slope
        size = float(xp.linalg.vector_norm(step))
        self.mixing += self.mixing @ (step * (MOST_STEP / max(size, MOST_STEP)))

    @property
    def covariance(self):
        """Covariance matrix of the rows given the hidden units."""
        spread = self.unit[:, None] * self.mixing
        return spread @ spread.T

    @property
    def log_jacobian(self):
        """What a log-density of rows has beside that of states."""
        if self.mixing is None:
            return 0.0
        xp = namespace(self.mixing)
        log_volume = xp.linalg.slogdet(double(self.mixing))[1]
        return -float(log_volume) - float(xp.sum(xp.log(self.unit)))

    def encode(self, rows):
        """Whitened rows. Entries that are missing count as at their location."""
        return self._deviations(rows) @ self._like(inverse(self.mixing), rows).T

    def decode(self, states):
        """Rows in the units that they had."""
        mixed = states @ self._like(self.mixing, states).T
        return mixed * self._like(self.unit, states) + self._like(self.location, states)

    def held(self, rows):
        """What keeps the entries of rows that are not NaN: each is of all states.

        Given that L_o z = o, a draw or a mean z comes to z + L_o^+ (o - L_o z), with
        the pseudo-inverse of the rows of L that belong to these entries.
        """
        xp = namespace(rows)
        known = xp.astype(~xp.isnan(rows), xp.float64)
        L = known[:, :, None] * double(self.mixing)
        turned = xp.matrix_transpose(L)
        one = xp.eye(rows.shape[1], dtype=xp.float64)
        gram = L @ turned + one * (1.0 - known)[:, None, :]
        off = double(self._deviations(rows))[:, :, None]
        solved = turned @ xp.linalg.solve(gram, xp.concat([L, off], axis=-1))
        keep = xp.astype(one - solved[:, :, :-1], rows.dtype)
        values = xp.astype(solved[:, :, -1], rows.dtype)
        nowhere = xp.zeros_like(values, dtype=xp.bool)
        return Held(nowhere, values, ((slice(0, rows.shape[1]), keep),))

    def _deviations(self, rows):
        """Standardised rows, of whose missing entries nothing is known: they are 0."""
        xp = namespace(rows)
        off = (rows - self._like(self.location, rows)) / self._like(self.unit, rows)
        return xp.where(xp.isnan(off), 0.0, off)


def double(x):
    """The values in double precision, in which matrices are solved."""
    xp = namespace(x)
    return xp.astype(x, xp.float64)


def inverse(matrix):
    """The inverse of a matrix, in its dtype."""
    xp = namespace(matrix)
    return xp.astype(xp.linalg.inv(double(matrix)), matrix.dtype)
