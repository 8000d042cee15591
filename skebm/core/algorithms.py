"""How the model's side of the gradient is estimated.

An algorithm makes the chains, and knows what they are; nothing else does. It starts
them, says of chains that were saved whether they can go on, and which are those of the
machine itself; `starts_at_rows` says whether each batch has chains that start at its
rows. Before an epoch `prepared` gives it what the epoch needs, and after it
`adjusted` changes the chains. `batch` says which rows of a minibatch are taken. Its
`phases` takes a machine, rows of data with their weights, and chains, and returns
:class:`Phases`. Where a machine has more than one hidden layer, those of the data rows
are found by mean field, as `inference` says.
"""

from typing import NamedTuple

from .backend import device_of, like, namespace, to_numpy, zeros
from .machine import (
    EVEN,
    ODD,
    field,
    gradient,
    odd_only,
    sample_from_means,
    to_means,
)
from .sampling import USUAL, alternate, mean_field
from .tempering import (
    acceptance,
    base_biases,
    log_density_ratio,
    swapped,
    tempered_sample,
)

# Inverse temperatures that parallel tempering begins with, and how many it may come to.
FIRST_BETAS, MAX_BETAS = (1.0, 0.75, 0.5, 0.25, 0.0), 64

# Mean probability of a swap below which a temperature is put in between, and above
# which the one in between is not needed.
LOW_RATE, HIGH_RATE = 0.25, 0.6


class Phases(NamedTuple):
    """Rows of data and of the model, stacked, whose weighted sum is the gradient.

    `up` are the layers as they stand above another, and `down` as they stand below one:
    see :func:`rao_blackwellised`. The `weights` of the rows sum to zero. The `chains`
    are those for the next batch.
    """

    up: list
    down: list
    weights: object
    chains: object

    def gradient(self, layers, offsets):
        """Centred gradient, where `layers` are those of `up`, or made from them."""
        return gradient(layers, self.weights, offsets, self.down)


class Tempered(NamedTuple):
    """Odd layers of chains at several inverse temperatures, one after the other."""

    layers: list
    betas: tuple

    @property
    def n_chains(self):
        """Chains at each inverse temperature."""
        return self.layers[ODD].shape[0] // len(self.betas)

    def column(self):
        """The inverse temperatures as an array, (n_betas, 1)."""
        return like(self.betas, self.layers[ODD])[:, None]


def data_and_model(machine, rows, model, inference):
    """Stacked layers of data rows and of model rows, of which the even ones are given.

    The odd layers of the model rows are means given the even ones. With one hidden
    layer a single product serves the rows of both kinds.
    """
    concat = namespace(rows).concat
    if len(machine.units) == 2:
        layers = to_means(machine, [concat([rows, model[0]]), None], ODD)
    else:
        positive = mean_field(machine, rows, inference).layers
        negative = to_means(machine, model, ODD)
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


def has_shapes(layers, n_rows, sizes):
    """Whether odd layers have so many rows, of units of these numbers."""
    return [x if x is None else x.shape for x in layers] == [
        (n_rows, n) if index % 2 == ODD else None for index, n in enumerate(sizes)
    ]


class PersistentChains(NamedTuple):
    """PCD-k: the chains go on from batch to batch [Tieleman 2008].

    The hidden means that enter the gradient are those given the *new* visible states,
    and the next step starts from a sample of these very means. Chains are odd layers.
    """

    n_steps: int

    starts_at_rows = False

    def start(self, n_chains, draw):
        """Chains to begin with. `draw` gives odd layers of so many rows."""
        return draw(n_chains)

    def adapted(self, chains, n_chains, sizes, draw):
        """The chains, if they are so many and of such layers, or else new ones."""
        fit = has_shapes(chains, n_chains, sizes)
        return chains if fit else self.start(n_chains, draw)

    def samples(self, chains):
        """Odd layers of the chains of the machine itself."""
        return chains

    def companions(self, chains):
        """What is to be saved of the other chains: there are none."""
        return None

    def joined(self, samples, companions):
        """The chains, from those of the machine and the others."""
        return samples

    def n_rows(self, chains):
        """Rows of which a Gibbs step is taken."""
        return chains[ODD].shape[0]

    def prepared(self, machine, data_mean):
        """Itself: there is nothing to prepare."""
        return self

    def batch(self, rows, weights, chains, stream):
        """Rows and weights as the phases take them: as they are."""
        return rows, weights

    def adjusted(self, machine, chains, stream):
        """The chains as they are."""
        return chains

    def phases(self, machine, rows, weights, chains, stream, inference=USUAL):
        """The phases of one batch."""
        model = alternate(machine, chains, self.n_steps, stream)
        layers = data_and_model(machine, rows, model, inference)
        fresh = [x[rows.shape[0] :, ...] for x in layers]
        chains = odd_only(sample_from_means(machine, fresh, ODD, stream))
        up, down = rao_blackwellised(machine, layers, rows.shape[0], chains)
        return Phases(up, down, balanced(weights, model[0].shape[0]), chains)


class ContrastiveDivergence(PersistentChains):
    """CD-k: the chains start anew at the rows of each batch [Hinton 2002].

    For machines of one hidden layer: the chains start from exact hidden units.
    """

    __slots__ = ()

    starts_at_rows = True

    def phases(self, machine, rows, weights, chains, stream, inference=USUAL):
        """The phases of one batch."""
        positive = to_means(machine, [rows, None], ODD)
        start = sample_from_means(machine, positive, ODD, stream)
        model = alternate(machine, start, self.n_steps, stream)
        negative = to_means(machine, model, ODD)
        chains = odd_only(sample_from_means(machine, negative, ODD, stream))
        concat = namespace(rows).concat
        layers = [concat(pair) for pair in zip(positive, negative, strict=True)]
        return Phases(layers, layers, concat([weights, -weights]), chains)


class EvenDivergence(ContrastiveDivergence):
    """CD-k from rows that are drawn by their weights, one for each chain.

    So a row of weight 2 is exactly the row twice, whose chains start apart. The draws
    are evenly spaced in an order of the rows by size, which does not depend on that in
    which they come. Where there are as many chains as rows, and these weigh the same,
    each is drawn once.
    """

    __slots__ = ()

    def batch(self, rows, weights, chains, stream):
        """Rows of equal weight, as many as there are chains."""
        xp, n_chains = namespace(rows), chains[ODD].shape[0]
        sizes = xp.astype(1.0 + stream.uniform((rows.shape[1],)), rows.dtype)
        order = xp.argsort(rows @ sizes)
        reached = xp.cumulative_sum(xp.astype(xp.take(weights, order), xp.float64))
        total = reached[-1]
        numbers = xp.arange(n_chains, dtype=xp.float64, device=device_of(rows))
        offset = xp.astype(stream.uniform((1,)), xp.float64)
        places = xp.searchsorted(
            reached, (numbers + offset) * (total / n_chains), side="right"
        )
        taken = xp.take(order, xp.clip(places, 0, rows.shape[0] - 1))
        equal = xp.astype(xp.ones_like(numbers) * (total / n_chains), weights.dtype)
        return xp.take(rows, taken, axis=0), equal


class ParallelTempering(NamedTuple):
    """Persistent chains at several inverse temperatures, which change places.

    [Desjardins, Courville, Bengio, Vincent & Delalleau 2010; Cho, Raiko & Ilin 2010].
    Chains at low inverse temperatures move freely between modes, and carry this up to
    the machine itself. Chains are `Tempered`. `base` is set by `prepared`.
    """

    n_steps: int
    base: tuple = ()

    starts_at_rows = False

    def start(self, n_chains, draw):
        """Chains to begin with. `draw` gives odd layers of so many rows."""
        return Tempered(draw(n_chains * len(FIRST_BETAS)), FIRST_BETAS)

    def adapted(self, chains, n_chains, sizes, draw):
        """The chains, or else new ones at the same temperatures, if there were any."""
        if chains is None:
            return self.start(n_chains, draw)
        n_rows = n_chains * len(chains.betas)
        fit = has_shapes(chains.layers, n_rows, sizes)
        return chains if fit else chains._replace(layers=draw(n_rows))

    def samples(self, chains):
        """Odd layers of the chains of the machine itself."""
        n = chains.n_chains
        return [x if x is None else x[:n, ...] for x in chains.layers]

    def companions(self, chains):
        """What is to be saved of the other chains, and the inverse temperatures."""
        n = chains.n_chains
        others = [x if x is None else x[n:, ...] for x in chains.layers]
        return {"layers": others, "betas": list(chains.betas)}

    def joined(self, samples, companions):
        """The chains, from those of the machine and the others; None without others."""
        if companions is None:
            return None
        pairs = zip(samples, companions["layers"], strict=True)
        layers = [x if x is None else namespace(x).concat([x, y]) for x, y in pairs]
        return Tempered(layers, tuple(companions["betas"]))

    def n_rows(self, chains):
        """Rows of which a Gibbs step is taken."""
        return chains.layers[ODD].shape[0]

    def batch(self, rows, weights, chains, stream):
        """Rows and weights as the phases take them: as they are."""
        return rows, weights

    def prepared(self, machine, data_mean):
        """The algorithm with the biases of the base machine."""
        base = base_biases(machine.units, machine.params, data_mean)
        return self._replace(base=base)

    def phases(self, machine, rows, weights, chains, stream, inference=USUAL):
        """The phases of one batch."""
        n_chains, betas = chains.n_chains, chains.column()
        model = self._advanced(machine, chains, self.n_steps, stream)
        model = swapped(machine, self.base, betas, model, stream)
        coldest = [x[:n_chains, ...] for x in model]
        layers = data_and_model(machine, rows, coldest, inference)
        up, down = rao_blackwellised(machine, layers, rows.shape[0], coldest)
        chains = chains._replace(layers=odd_only(model))
        return Phases(up, down, balanced(weights, n_chains), chains)

    def _advanced(self, machine, chains, n_steps, stream):
        """All layers of the chains, Gibbs steps on from odd ones."""
        layers, column = chains.layers, chains.column()
        beta = namespace(column).repeat(column, chains.n_chains, axis=0)
        for _ in range(n_steps):
            for parity in (EVEN, ODD):
                layers = tempered_sample(
                    machine, self.base, beta, layers, parity, stream
                )
        return layers

    def adjusted(self, machine, chains, stream):
        """The chains at more temperatures where swaps are rare, at fewer where not.

        New chains start as copies of those at the next lower inverse temperature.
        """
        betas, column = chains.betas, chains.column()
        layers = self._advanced(machine, chains, 1, stream)
        xp = namespace(layers[0])
        shape = (len(betas), chains.n_chains)
        log_ratios = xp.reshape(log_density_ratio(machine, self.base, layers), shape)

        def rates_from(cold):
            pairs = slice(cold, cold + 1), slice(None)
            return xp.mean(acceptance(log_ratios, column, *pairs), axis=1)

        # All at once, as each look at a device takes time.
        rates = to_numpy(xp.stack([rates_from(k) for k in range(len(betas))]))
        kept, last = [(betas[0], 0)], len(betas) - 1
        for k in range(1, last + 1):
            previous = kept[-1][1]
            if k < last and rates[previous, k + 1] > HIGH_RATE:
                continue
            if rates[previous, k] < LOW_RATE and len(betas) < MAX_BETAS:
                kept.append(((kept[-1][0] + betas[k]) / 2.0, k))
            kept.append((betas[k], k))
        numbers = xp.arange(layers[0].shape[0], device=device_of(layers[0]))
        places = xp.reshape(numbers, shape)
        rows = xp.concat([places[k, ...] for _, k in kept])
        layers = [x if x is None else xp.take(x, rows, axis=0) for x in chains.layers]
        return Tempered(layers, tuple(beta for beta, _ in kept))
