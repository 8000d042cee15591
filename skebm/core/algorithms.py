"""How the model's side of the gradient is estimated.

An algorithm's `phases` takes a machine, rows of data with their weights, and chains; it
returns stacked layers of data rows and model rows, the same as they stand below another
layer (see `rao_blackwellised`), their weights, which sum to zero, and the chains for
the next batch. Before an epoch `prepared` gives the algorithm the inverse temperatures
of the chains, and after it `adjusted` says what they are to be; all but parallel
tempering have a single one. Where a machine has more than one hidden layer, those of
the data rows are found by mean field, as `inference` says.
"""

from typing import NamedTuple

from .backend import device_of, like, namespace, zeros
from .machine import EVEN, ODD, draw, field, means, odd_only
from .sampling import USUAL, alternate, mean_field
from .tempering import acceptance, base_biases, gain, swapped, tempered_sample

# Inverse temperatures that parallel tempering begins with, and how many it may come to.
FIRST_BETAS, MAX_BETAS = (1.0, 0.75, 0.5, 0.25, 0.0), 64

# Mean probability of a swap below which a temperature is put in between, and above
# which the one in between is not needed.
LOW_RATE, HIGH_RATE = 0.25, 0.6


def data_and_model(machine, rows, model, inference):
    """Stacked layers of data rows and of model rows, of which the even ones are given.

    The odd layers of the model rows are means given the even ones. With one hidden
    layer a single product serves the rows of both kinds.
    """
    concat = namespace(rows).concat
    if len(machine.units) == 2:
        layers = means(machine, [concat([rows, model[0]]), None], ODD)
    else:
        positive = mean_field(machine, rows, *inference).layers
        negative = means(machine, model, ODD)
        layers = [concat(pair) for pair in zip(positive, negative, strict=True)]
    return layers


def rao_blackwellised(machine, layers, n_rows, samples):
    """Stacked layers for the gradient: above others, as means, and below, as samples.

    For products with the layer below, each hidden layer of the model rows is its mean
    given a sample of that layer, which has less variance than a sample of both. The odd
    layers are such means already. The even ones are made so from `samples`, of odd
    layers given the even ones: a state of the chains too. With one hidden layer there
    are none, and both lists are `layers`.
    """
    if len(layers) == 2:
        return layers, layers
    above, below, concat = list(layers), list(layers), namespace(layers[0]).concat
    for index in range(ODD, len(layers), 2):
        below[index] = concat([layers[index][:n_rows, ...], samples[index]])
    for index in range(EVEN + 2, len(layers), 2):
        mean = machine.units[index].mean(field(machine.params, samples, index))
        above[index] = concat([layers[index][:n_rows, ...], mean])
    return above, below


def balanced(weights, n_chains):
    """Weights of data rows and of chains, which sum to zero."""
    xp = namespace(weights)
    against = zeros(n_chains, weights) - xp.sum(weights) / n_chains
    return xp.concat([weights, against])


class ContrastiveDivergence(NamedTuple):
    """CD-k: the chains start anew at the rows of each batch [Hinton 2002].

    For machines of one hidden layer: the chains start from exact hidden units.
    """

    n_steps: int

    first_betas = (1.0,)

    def prepared(self, machine, visible_mean, betas):
        """Itself: there is nothing to prepare."""
        return self

    def adjusted(self, machine, chains, betas, stream):
        """The chains and betas as they are."""
        return chains, betas

    def phases(self, machine, rows, weights, chains, stream, inference=None):
        """Stacked layers, the same below others, weights that sum to zero, chains."""
        positive = means(machine, [rows, None], ODD)
        start = draw(machine, positive, ODD, stream)
        negative = means(machine, alternate(machine, start, self.n_steps, stream), ODD)
        chains = draw(machine, negative, ODD, stream)
        concat = namespace(rows).concat
        layers = [concat(pair) for pair in zip(positive, negative, strict=True)]
        return layers, layers, concat([weights, -weights]), [None, chains[1]]


class PersistentChains(NamedTuple):
    """PCD-k: the chains go on from batch to batch [Tieleman 2008].

    The hidden means that enter the gradient are those given the *new* visible states,
    and the next step starts from a sample of these very means.
    """

    n_steps: int

    first_betas = (1.0,)

    def prepared(self, machine, visible_mean, betas):
        """Itself: there is nothing to prepare."""
        return self

    def adjusted(self, machine, chains, betas, stream):
        """The chains and betas as they are."""
        return chains, betas

    def phases(self, machine, rows, weights, chains, stream, inference=USUAL):
        """Stacked layers, the same below others, weights that sum to zero, chains."""
        model = alternate(machine, chains, self.n_steps, stream)
        layers = data_and_model(machine, rows, model, inference)
        fresh = [x[rows.shape[0] :, ...] for x in layers]
        chains = odd_only(draw(machine, fresh, ODD, stream))
        stacked = rao_blackwellised(machine, layers, rows.shape[0], chains)
        return *stacked, balanced(weights, model[0].shape[0]), chains


class ParallelTempering(NamedTuple):
    """Persistent chains at several inverse temperatures, which change places.

    [Desjardins, Courville, Bengio, Vincent & Delalleau 2010; Cho, Raiko & Ilin 2010].
    Chains at low inverse temperatures move freely between modes, and carry this up to
    the machine itself. `base` and `betas` (n_rows, 1) are set by `prepared`.
    """

    n_steps: int
    base: tuple = ()
    betas: object = None

    first_betas = FIRST_BETAS

    def prepared(self, machine, visible_mean, betas):
        """The algorithm with these inverse temperatures, as a column."""
        base = base_biases(machine.units, machine.params, visible_mean)
        return self._replace(base=base, betas=like(betas, visible_mean)[:, None])

    def phases(self, machine, rows, weights, chains, stream, inference=USUAL):
        """Stacked layers, the same below others, weights that sum to zero, chains."""
        model = self._advanced(machine, chains, self.n_steps, stream)
        model = swapped(machine, self.base, self.betas, model, stream)
        n_chains = model[0].shape[0] // self.betas.shape[0]
        coldest = [x[:n_chains, ...] for x in model]
        layers = data_and_model(machine, rows, coldest, inference)
        stacked = rao_blackwellised(machine, layers, rows.shape[0], coldest)
        return *stacked, balanced(weights, n_chains), odd_only(model)

    def _advanced(self, machine, chains, n_steps, stream):
        """All layers of the chains, Gibbs steps on from odd ones."""
        n_chains = chains[ODD].shape[0] // self.betas.shape[0]
        beta = namespace(self.betas).repeat(self.betas, n_chains, axis=0)
        for _ in range(n_steps):
            for parity in (EVEN, ODD):
                chains = tempered_sample(
                    machine, self.base, beta, chains, parity, stream
                )
        return chains

    def adjusted(self, machine, chains, betas, stream):
        """Chains and betas, more of these where swaps are rare, fewer where not.

        New chains start as copies of those at the next lower inverse temperature.
        """
        layers = self._advanced(machine, chains, 1, stream)
        xp = namespace(layers[0])
        shape = (len(betas), layers[0].shape[0] // len(betas))
        gains = xp.reshape(gain(machine, self.base, layers), shape)

        def rate(cold, hot):
            pair = slice(cold, cold + 1), slice(hot, hot + 1)
            return float(xp.mean(acceptance(gains, self.betas, *pair)))

        kept, last = [(betas[0], 0)], len(betas) - 1
        for k in range(1, last + 1):
            previous = kept[-1][1]
            if k < last and rate(previous, k + 1) > HIGH_RATE:
                continue
            if rate(previous, k) < LOW_RATE and len(betas) < MAX_BETAS:
                kept.append(((kept[-1][0] + betas[k]) / 2.0, k))
            kept.append((betas[k], k))
        numbers = xp.arange(layers[0].shape[0], device=device_of(layers[0]))
        places = xp.reshape(numbers, shape)
        rows = xp.concat([places[k, ...] for _, k in kept])
        chains = [None if x is None else xp.take(x, rows, axis=0) for x in chains]
        return chains, tuple(beta for beta, _ in kept)
