"""Model files and images that tests send: small good ones, and ones made to break a reader.

hostile_files.py FOLDER     writes all of them
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def tree(left: list[int], right: list[int], features: list[int], values: list[float]) -> Json:
    """One tree as XGBoost writes it; -1 in `left` is a leaf, `values` are thresholds and leaf values."""
    count = len(left)
    return {
        "id": 0,
        "tree_param": {"num_deleted": "0", "num_feature": "3", "num_nodes": str(count), "size_leaf_vector": "1"},
        "left_children": left,
        "right_children": right,
        "split_indices": features,
        "split_conditions": values,
        "split_type": [0] * count,
        "default_left": [1] * count,
        "sum_hessian": [4.0] + [2.0] * (count - 1),
        "base_weights": [0.0] * count,
        "loss_changes": [0.0] * count,
        "parents": [0] * count,
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
    }


# A house: 100 by 1, 2 or 3, by size (feature 0) and age (feature 1); feature 2 is its kind.
def houses(grown: Json | None = None) -> Json:
    grown = grown or tree([1, -1, 3, -1, -1], [2, -1, 4, -1, -1], [0, 0, 1, 0, 0], [100.0, 1.0, 10.0, 3.0, 2.0])
    return {
        "learner": {
            "attributes": {},
            "feature_names": ["size", "age", "kind"],
            "feature_types": ["float", "float", "float"],
            "gradient_booster": {
                "model": {
                    "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "1"},
                    "iteration_indptr": [0, 1],
                    "tree_info": [0],
                    "trees": [grown],
                },
                "name": "gbtree",
            },
            "learner_model_param": {"base_score": "1E2", "num_class": "0", "num_feature": "3", "num_target": "1"},
            "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}},
        },
        "version": [2, 1, 0],
    }


def chain(depth: int) -> Json:
    """A tree in which every left child is a leaf and every right child splits again."""
    count = 2 * depth + 1
    inner = range(0, count - 1, 2)
    left, right = [-1] * count, [-1] * count
    for node in inner:
        left[node], right[node] = node + 1, node + 2
    return tree(left, right, [0] * count, [float(node) for node in range(count)])


def ubjson(value: Any) -> bytes:
    """As XGBoost writes it; bytes stand for themselves."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return b"{" + b"".join(ubjson(key)[1:] + ubjson(item) for key, item in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b"".join(map(ubjson, value)) + b"]"
    if isinstance(value, str):
        return b"SL" + struct.pack(">q", len(value.encode())) + value.encode()
    if isinstance(value, float):
        return b"d" + struct.pack(">f", value)
    return b"l" + struct.pack(">i", value)


def xgboost_files() -> dict[str, bytes]:
    def text(grown: Json | None = None) -> bytes:
        return json.dumps(houses(grown)).encode()

    claims_too_much = tree([-1], [-1], [0], [0.0])
    claims_too_much["tree_param"]["num_nodes"] = "2147483648"
    claims_too_much["left_children"] = b"[$l#l" + struct.pack(">i", 2**31 - 1)
    better = houses()
    better["learner"]["learner_model_param"]["base_score"] = "2E2"
    return {
        "houses.json": text(),
        "houses-2.json": json.dumps(better).encode(),
        "houses.ubj": ubjson(houses()),
        "truncated.json": text()[:-400],
        "cycle.json": text(tree([1, 0, -1], [2, 2, -1], [0, 0, 0], [1.0, 1.0, 1.0])),
        "negative-child.json": text(tree([-7, -1, -1], [2, -1, -1], [0, 0, 0], [1.0, 1.0, 1.0])),
        "child-outside.json": text(tree([1, -1, -1], [9001, -1, -1], [0, 0, 0], [1.0, 1.0, 1.0])),
        "feature-outside.json": text(tree([1, -1, -1], [2, -1, -1], [12, 0, 0], [1.0, 1.0, 1.0])),
        "negative-feature.json": text(tree([1, -1, -1], [2, -1, -1], [-3, 0, 0], [1.0, 1.0, 1.0])),
        "two-billion-nodes.ubj": ubjson(houses(claims_too_much)),
        "truncated.ubj": ubjson(houses())[:-200],
        "deep-nesting.json": b'{"learner":{"attributes":' + b"[" * 100_000,
        "deep-tree.json": text(chain(2_000)),
        "not-a-model.json": b'{"hello": "world"}',
    }


# A house: 100 by 1, 2 or 3, as above, in LightGBM's text.
LIGHTGBM = """tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=2
objective=regression
feature_names=size age kind
feature_infos=[0:1000] [0:100] [0:1]

Tree=0
num_leaves=3
num_cat=0
split_feature=0 1
threshold=100 10
decision_type=2 2
left_child=-1 -2
right_child=1 -3
leaf_value=101 103 102
leaf_count=5 3 2
internal_count=10 5
is_linear=0
shrinkage=1

end of trees
"""


def lightgbm_files() -> dict[str, bytes]:
    def text(before: str = "", after: str = "") -> bytes:
        assert before in LIGHTGBM
        return LIGHTGBM.replace(before, after, 1).encode() if before else LIGHTGBM.encode()

    return {
        "houses.txt": text(),
        "truncated.txt": text()[:-120],
        "cycle.txt": text("right_child=1 -3", "right_child=1 0"),
        "child-outside.txt": text("right_child=1 -3", "right_child=1 9001"),
        "negative-child.txt": text("left_child=-1 -2", "left_child=-1 -9001"),
        "negative-feature.txt": text("split_feature=0 1", "split_feature=0 -4"),
        "feature-outside.txt": text("split_feature=0 1", "split_feature=0 12"),
        "two-billion-leaves.txt": text("num_leaves=3", "num_leaves=2147483647"),
    }


def tree_onnx(nodes: dict[str, list[Any]]) -> bytes:
    """A TreeEnsembleClassifier of the classes 5 and 7: x0 <= 0.5 is a 5, unless `nodes` say otherwise."""
    from onnx import TensorProto, helper

    attributes = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "class_treeids": [0, 0, 0, 0],
        "class_nodeids": [1, 1, 2, 2],
        "class_ids": [0, 1, 0, 1],
        "class_weights": [0.75, 0.25, 0.125, 0.875],
        "classlabels_int64s": [5, 7],
        "post_transform": "NONE",
    } | nodes
    node = helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "odds"], domain="ai.onnx.ml", **attributes)
    row = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    label = helper.make_tensor_value_info("label", TensorProto.INT64, [None])
    odds = helper.make_tensor_value_info("odds", TensorProto.FLOAT, [None, 2])
    made = helper.make_graph([node], "g", [row], [label, odds])
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(made, opset_imports=opset, ir_version=8).SerializeToString()


def onnx_tree_files() -> dict[str, bytes]:
    good = tree_onnx({})
    return {
        "tree.onnx": good,
        "tree-truncated.onnx": good[:-60],
        "tree-cycle.onnx": tree_onnx(
            {"nodes_modes": ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"], "nodes_truenodeids": [1, 0, 0]}
        ),
        "tree-negative-feature.onnx": tree_onnx({"nodes_featureids": [-3, 0, 0]}),
        "tree-negative-child.onnx": tree_onnx({"nodes_falsenodeids": [-2, 0, 0]}),
        "tree-child-outside.onnx": tree_onnx({"nodes_falsenodeids": [9001, 0, 0]}),
        "tree-class-outside.onnx": tree_onnx({"class_ids": [0, 1, 0, 12]}),
    }


def slow_onnx(steps: int, width: int) -> bytes:
    """Multiplies a square of the input's first number by itself, again and again."""
    from onnx import TensorProto, helper

    row = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [width, width])
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [0, 1])
    nodes = [helper.make_node("Expand", ["x", "shape"], ["s0"])]
    nodes += [helper.make_node("MatMul", [f"s{i}", "s0"], [f"s{i + 1}"]) for i in range(steps)]
    nodes += [helper.make_node("ReduceSum", [f"s{steps}", "axes"], ["y"], keepdims=1)]
    made = helper.make_graph(nodes, "g", [row], [out], [shape, axes])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(made, opset_imports=opset, ir_version=8).SerializeToString()


def onnx_files() -> dict[str, bytes]:
    from onnx import TensorProto, helper

    opset = [helper.make_opsetid("", 17), helper.make_opsetid("evil.example", 1)]

    def graph(node: Any, initializers: list[Any] | None = None) -> bytes:
        row = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])
        out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])
        made = helper.make_graph([node], "g", [row], [out], initializers or [])
        return helper.make_model(made, opset_imports=opset, ir_version=8).SerializeToString()

    weights = helper.make_tensor("w", TensorProto.FLOAT, [3], [0.0] * 3)
    weights.ClearField("float_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "../../../../../../etc/passwd"), ("offset", "0"), ("length", "12")):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    good = graph(helper.make_node("Abs", ["x"], ["y"]))
    cube = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2, 2])
    number = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1, 1])
    add_up = helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=1)
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2])
    summed = helper.make_graph([add_up], "g", [cube], [number], [axes])
    return {
        "unknown-operator.onnx": graph(helper.make_node("LaunchMissiles", ["x"], ["y"], domain="evil.example")),
        "external-data.onnx": graph(helper.make_node("Add", ["x", "w"], ["y"]), [weights]),
        "abs.onnx": good,
        "slow.onnx": slow_onnx(steps=30, width=300),
        "sum.onnx": helper.make_model(summed, opset_imports=opset, ir_version=8).SerializeToString(),
        "truncated.onnx": good[:-20],
    }


class Opens:
    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("/tmp/corbel-was-unpickled", "w"))


def other_files() -> dict[str, bytes]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../../etc/evil", "x")
    return {
        "archive.zip": archive.getvalue(),
        "model.pkl": pickle.dumps(Opens()),
        "empty": b"",
        "wrong-magic": b"\x7fELF" + bytes(60),
        "noise": bytes(range(256)) * 4,
    }


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def images() -> dict[str, bytes]:
    from PIL import Image

    def encoded(image: Any, kind: str) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, kind)
        return buffer.getvalue()

    grey = Image.new("L", (8, 8), 128)
    png, jpeg = encoded(grey, "PNG"), encoded(grey.resize((64, 64)), "JPEG")
    corrupt = bytearray(png)
    corrupt[45] ^= 0xFF
    return {
        "grey.png": png,
        "grey.jpg": jpeg,
        "colour.png": encoded(Image.new("RGB", (20, 10), (200, 100, 50)), "PNG"),
        "corrupt.png": bytes(corrupt),
        "truncated.png": png[: len(png) // 2],
        "truncated.jpg": jpeg[: len(jpeg) // 2],
        "bomb.png": png_header(20_000, 20_000),
        "endless.png": png_header(2**31 - 1, 2**31 - 1),
        "cmyk.jpg": encoded(Image.new("CMYK", (8, 8)), "JPEG"),
        "animation.gif": encoded(grey, "GIF"),
    }


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for files in (xgboost_files(), lightgbm_files(), onnx_files(), onnx_tree_files(), other_files(), images()):
        for name, content in files.items():
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
