"""The model as an ONNX graph of standard operations, and the runner that reads it back without torch's layers.

The graph is written operation by operation: torch.onnx.export took 125 s of a busy core for the demo's model, this a
second, and needs no further packages. Opset 23 has the decoder's parts as single operations,
https://onnx.ai/onnx/operators/ (RMSNormalization, RotaryEmbedding, Attention).
Shapes: B sequences, T tokens, C width, H heads, D head width, V vocabulary.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from models.config import Recipe
from models.errors import FormError
from models.lm import NORM_EPSILON, LanguageModel

if TYPE_CHECKING:
    import onnx

OPSET, IR = 23, 11
TOKENS, LOGITS = "tokens_BT", "logits_BTV"
MISSING = "{name} is not installed; `make onnx` installs it, or leave the form onnx out"


class _Graph:
    """Nodes and weights while a graph is written; every method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, value: "Tensor | np.ndarray[Any, Any]") -> str:
        from onnx import numpy_helper

        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operation: str, *inputs: str, out: str = "", **attributes: Any) -> str:  # noqa: ANN401  onnx's own
        from onnx import helper

        name = out or f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], name=name, **attributes))
        return name

    def linear(self, x: str, name: str, weight_OI: Tensor) -> str:
        return self.add("MatMul", x, self.weight(name, weight_OI.T))

    def normal(self, x: str, name: str, gain_C: Tensor) -> str:
        return self.add("RMSNormalization", x, self.weight(name, gain_C), axis=-1, epsilon=NORM_EPSILON)


def graph_bytes(model: LanguageModel) -> bytes:
    """Return the graph of a model with float32 weights: tokens BT (int64) in, logits BTV (float32) out.

    T lies between 1 and the context.

    Raises:
        FormError: onnx is not installed, or the graph breaks the standard's rules.
    """
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError as error:
        raise FormError(MISSING.format(name="onnx")) from error
    recipe, graph = model.recipe, _Graph()
    _write(graph, model)
    tokens = helper.make_tensor_value_info(TOKENS, TensorProto.INT64, ["B", "T"])
    logits = helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["B", "T", recipe.vocabulary_size])
    made = helper.make_model(
        helper.make_graph(graph.nodes, "decoder", [tokens], [logits], graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="education-lakehouse",
    )
    try:
        onnx.checker.check_model(made)
    except onnx.checker.ValidationError as error:
        raise FormError(f"the graph breaks a rule of ONNX: {error}; this is a fault of models/onnx_graph.py") from error
    return bytes(made.SerializeToString(deterministic=True))


def _write(graph: _Graph, model: LanguageModel) -> None:
    recipe = model.recipe
    half = recipe.head_width // 2
    cosine = graph.weight("cosine_TD", model.rotation.cosine_TD[:, :half])
    sine = graph.weight("sine_TD", model.rotation.sine_TD[:, :half])
    shape = graph.add("Shape", TOKENS)
    length = graph.add("Gather", shape, graph.weight("one", np.array(1, np.int64)), axis=0)
    step = graph.add("Range", graph.weight("zero", np.array(0, np.int64)), length, "one")
    places = graph.add("Expand", step, shape)
    graph.weight("split_heads", np.array([0, 0, recipe.heads, recipe.head_width], np.int64))
    graph.weight("join_heads", np.array([0, 0, recipe.width], np.int64))
    decoder = model.model
    x = graph.add("Gather", graph.weight("embed_tokens", decoder.embed_tokens.weight), TOKENS, axis=0)
    for at, layer in enumerate(decoder.layers):
        weights = dict(layer.named_parameters())
        normed = graph.normal(x, f"{at}.input_layernorm", weights["input_layernorm.weight"])
        x = graph.add("Add", x, _attention(graph, normed, at, weights, (cosine, sine, places)))
        normed = graph.normal(x, f"{at}.post_attention_layernorm", weights["post_attention_layernorm.weight"])
        x = graph.add("Add", x, _mlp(graph, normed, at, weights))
    last = graph.normal(x, "norm", decoder.norm.weight)
    graph.add("MatMul", last, graph.weight("lm_head", model.lm_head.weight.T), out=LOGITS)


def _attention(graph: _Graph, x: str, at: int, weights: Mapping[str, Tensor], turn: tuple[str, str, str]) -> str:
    def heads(name: str) -> str:
        flat = graph.linear(x, f"{at}.{name}_proj", weights[f"self_attn.{name}_proj.weight"])
        split = graph.add("Reshape", flat, "split_heads")
        if name == "v":
            return graph.add("Transpose", split, perm=[0, 2, 1, 3])
        normed = graph.normal(split, f"{at}.{name}_norm", weights[f"self_attn.{name}_norm.weight"])
        return graph.add("RotaryEmbedding", graph.add("Transpose", normed, perm=[0, 2, 1, 3]), *turn)

    query, key, value = (heads(name) for name in ("q", "k", "v"))
    mixed = graph.add("Attention", query, key, value, is_causal=1)
    joined = graph.add("Reshape", graph.add("Transpose", mixed, perm=[0, 2, 1, 3]), "join_heads")
    return graph.linear(joined, f"{at}.o_proj", weights["self_attn.o_proj.weight"])


def _mlp(graph: _Graph, x: str, at: int, weights: Mapping[str, Tensor]) -> str:
    gate = graph.linear(x, f"{at}.gate_proj", weights["mlp.gate_proj.weight"])
    silu = graph.add("Mul", gate, graph.add("Sigmoid", gate))
    up = graph.linear(x, f"{at}.up_proj", weights["mlp.up_proj.weight"])
    return graph.linear(graph.add("Mul", silu, up), f"{at}.down_proj", weights["mlp.down_proj.weight"])


class OnnxModel:
    """A graph in onnxruntime, called as the model is: tokens BT in, logits BTV out."""

    def __init__(self, graph: bytes, recipe: Recipe, *, threads: int) -> None:
        """Read a graph; nothing outside these bytes is opened.

        Raises:
            FormError: onnxruntime is not installed, or these bytes are no graph of a model of this recipe.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise FormError(MISSING.format(name="onnxruntime")) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise FormError(f"onnxruntime cannot read this graph: {error}; make the form again") from error
        self.recipe = recipe
        ins, outs = self._session.get_inputs(), self._session.get_outputs()
        found = [(each.name, each.shape) for each in (*ins, *outs)]
        if found != [(TOKENS, ["B", "T"]), (LOGITS, ["B", "T", recipe.vocabulary_size])]:
            raise FormError(f"the graph takes and gives {found}, which recipe.json does not; make the form again")

    def __call__(self, tokens_BT: Tensor) -> Tensor:
        """Return logits BTV in float32."""
        (logits_BTV,) = self._session.run([LOGITS], {TOKENS: tokens_BT.numpy()})
        return torch.from_numpy(logits_BTV)
