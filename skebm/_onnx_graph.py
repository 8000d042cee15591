"""Nodes of an ONNX graph, by the names of what they compute."""

import numpy as np
from onnx import TensorProto
from onnx.helper import make_graph, make_node
from onnx.helper import make_tensor_value_info as info
from skl2onnx.common.data_types import DoubleTensorType, guess_proto_type

BOOL, INT64 = TensorProto.BOOL, TensorProto.INT64
ZERO = np.array(0.0)


class Nodes:
    """What adds nodes to a graph. Values go by their names."""

    def __call__(self, kind, *inputs, result=None, **attributes):
        """The name of what a node of this kind computes of names and constants."""
        inputs = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        name = result or self.new_name(kind.lower())
        self.add(kind, inputs, [name], attributes)
        return name

    def add(self, kind, inputs, outputs, attributes):
        """Add a node with these names."""
        raise NotImplementedError

    def new_name(self, about):
        """A name that nothing has."""
        raise NotImplementedError

    def constant(self, values):
        """The name of a constant; floats are of the precision of the graph."""
        raise NotImplementedError

    def affine(self, x, W, b):
        """x W + b."""
        return self("Add", self("MatMul", x, W), b)

    def cast(self, x):
        """The numbers in the precision of the graph."""
        return self("Cast", x, to=self.type)

    def exceeds(self, x, y, tol):
        """Where two values differ by more than `tol`."""
        return self("Greater", self("Abs", self("Sub", x, y)), np.array(tol))

    def total(self, x, axis, keepdims=0):
        """Sums along an axis."""
        return self("ReduceSum", x, np.array([axis]), keepdims=keepdims)


class Graph(Nodes):
    """The graph of a converter, with the rows as `input`.

    Numbers are of the type of the rows; rows of integers are computed in single
    precision, as the estimators do.
    """

    def __init__(self, scope, operator, container):
        self.scope, self.container = scope, container
        given = operator.inputs[0]
        is_double = isinstance(given.type, DoubleTensorType)
        self.dtype = np.float64 if is_double else np.float32
        self.type = TensorProto.DOUBLE if is_double else TensorProto.FLOAT
        self.input, self.outputs = given.full_name, operator.outputs
        self.constants = {}
        if guess_proto_type(given.type) != self.type:
            self.input = self.cast(self.input)

    def add(self, kind, inputs, outputs, attributes):
        self.container.add_node(
            kind,
            inputs,
            outputs,
            name=self.scope.get_unique_operator_name(kind),
            op_version=self.container.target_opset_any_domain(""),
            **attributes,
        )

    def new_name(self, about):
        return self.scope.get_unique_variable_name(about)

    def constant(self, values):
        values, kind = np.asarray(values), INT64
        if values.dtype.kind == "f":
            values, kind = values.astype(self.dtype), self.type
        elif values.dtype.kind == "b":
            kind = BOOL
        elif values.dtype.kind in "OU":
            kind, values = TensorProto.STRING, values.astype(str)
        flat = values.ravel().tolist()
        key = kind, values.shape, tuple(flat)
        if key not in self.constants:
            name = self.constants[key] = self.new_name("constant")
            self.container.add_initializer(name, kind, values.shape, flat)
        return self.constants[key]

    def output(self, index, x):
        """Make `x` one of the outputs."""
        self("Identity", x, result=self.outputs[index].full_name)

    def rested(self, layers, update, tol, max_steps):
        """Layers updated until none of a row changes by more than `tol`.

        `update` adds an update to the nodes that it is given. A row stays as it is once
        it has come to rest.
        """
        names = [self.new_name("layer") for _ in layers]
        n, going_on, moving = map(self.new_name, ("n", "going_on", "moving"))
        body = Body(self)
        new = update(body, names)
        large = [body.exceeds(x, y, tol) for x, y in zip(new, names, strict=True)]
        count = body.total(body.cast(body("Concat", *large, axis=1)), 1, keepdims=1)
        still = body("And", moving, body("Greater", count, ZERO))
        kept = [body("Where", moving, x, y) for x, y in zip(new, names, strict=True)]
        n_left = body("ReduceSum", body.cast(still), keepdims=0)
        any_left = body("Greater", n_left, ZERO)
        graph = make_graph(
            body.nodes,
            self.new_name("mean_field"),
            [info(n, INT64, []), info(going_on, BOOL, []), *self._infos(names, moving)],
            [info(any_left, BOOL, []), *self._infos(kept, still)],
        )
        count = self.total(layers[0], 1, keepdims=1)
        all_rows = self("Equal", count, count)
        limits = self.constant(np.array(max_steps)), self.constant(np.array(True))
        results = [self.new_name("rested") for _ in (*layers, all_rows)]
        self.add("Loop", [*limits, *layers, all_rows], results, {"body": graph})
        return results[:-1]

    def _infos(self, layers, flags):
        """Types of what goes round a loop: layers, and flags of rows."""
        return [*(info(x, self.type, None) for x in layers), info(flags, BOOL, None)]


class Body(Nodes):
    """The body of a loop, whose constants are those of the graph around it."""

    def __init__(self, graph):
        self.type, self.nodes = graph.type, []
        self.new_name, self.constant = graph.new_name, graph.constant

    def add(self, kind, inputs, outputs, attributes):
        self.nodes.append(make_node(kind, inputs, outputs, **attributes))
