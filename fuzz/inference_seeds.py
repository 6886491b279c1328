"""Writes small valid model files of every format, from which the fuzzer starts.

usage: inference_seeds.py FOLDER
"""

import json
import struct
import sys
from pathlib import Path

TREE = {
    "categories": [1, 4],
    "categories_nodes": [1],
    "categories_segments": [0],
    "categories_sizes": [2],
    "default_left": [0, 1, 0, 0, 0],
    "id": 0,
    "left_children": [1, 3, -1, -1, -1],
    "right_children": [2, 4, -1, -1, -1],
    "split_conditions": [0.5, 2.0, 4.0, 1.0, 2.0],
    "split_indices": [0, 1, 0, 0, 0],
    "split_type": [0, 1, 0, 0, 0],
    "sum_hessian": [10.0, 6.0, 4.0, 3.0, 3.0],
    "tree_param": {"num_feature": "2", "num_nodes": "5", "size_leaf_vector": "1"},
}
INTEGERS = {"default_left", "left_children", "right_children", "split_indices", "split_type", "categories"}

LIGHTGBM = """tree
version=v4
num_class=1
num_tree_per_iteration=1
max_feature_idx=1
objective=binary sigmoid:1
feature_names=a b

Tree=0
num_leaves=3
num_cat=1
split_feature=0 1
threshold=0.5 0
decision_type=10 1
left_child=-1 -2
right_child=1 -3
leaf_value=1 2 4
leaf_count=5 3 2
internal_count=10 5
cat_boundaries=0 1
cat_threshold=6
is_linear=0

end of trees
"""


def xgboost(objective: str, booster: dict, classes: int = 0) -> dict:
    return {
        "learner": {
            "attributes": {"best_iteration": "0"},
            "feature_names": ["a", "b"],
            "gradient_booster": booster,
            "learner_model_param": {
                "base_score": "[5E-1]",
                "num_class": str(classes),
                "num_feature": "2",
                "num_target": "1",
            },
            "objective": {"name": objective},
        },
        "version": [3, 2, 0],
    }


def xgboost_models() -> list[dict]:
    model = {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "1"},
        "iteration_indptr": [0, 1],
        "tree_info": [0],
        "trees": [TREE],
    }
    tree = {"model": model, "name": "gbtree"}
    vector = {**TREE, "tree_param": {**TREE["tree_param"], "size_leaf_vector": "2"}, "right_children": [2, 4, 0, 1, 2]}
    leaves = {**vector, "leaf_weights": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
    return [
        xgboost("binary:logistic", tree),
        xgboost("count:poisson", {"gbtree": tree, "name": "dart", "weight_drop": [0.5]}),
        xgboost("multi:softprob", {"model": {**model, "trees": [leaves]}, "name": "gbtree"}, 2),
        xgboost("reg:squarederror", {"model": {"weights": [1.0, 2.0, 3.0]}, "name": "gblinear"}),
    ]


def ubjson_text(text: str) -> bytes:
    return b"L" + struct.pack(">q", len(text)) + text.encode()


def ubjson(value: object, name: str = "") -> bytes:
    """As XGBoost writes it: numbers of trees in typed arrays."""
    if isinstance(value, dict):
        return b"{" + b"".join(ubjson_text(key) + ubjson(one, key) for key, one in value.items()) + b"}"
    if isinstance(value, str):
        return b"S" + ubjson_text(value)
    if isinstance(value, int):
        return b"l" + struct.pack(">i", value)
    if isinstance(value, float):
        return b"d" + struct.pack(">f", value)
    if not isinstance(value, list):
        raise TypeError(type(value))
    count = b"#L" + struct.pack(">q", len(value))
    if value and isinstance(value[0], float):
        return b"[$d" + count + struct.pack(f">{len(value)}f", *value)
    if name in INTEGERS:
        return b"[$l" + count + struct.pack(f">{len(value)}i", *value)
    return b"[" + count + b"".join(ubjson(one) for one in value)


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, value: int | float | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def attribute(name: str, value: object) -> bytes:
    content = field(1, name)
    if isinstance(value, list):
        kind = 9 if isinstance(value[0], str) else 7 if isinstance(value[0], float) else 8
        content += b"".join(field(kind, one) for one in value)
    else:
        content += field({int: 3, str: 4, bytes: 5}[type(value)], value)
    return field(5, content)


def node(kind: str, inputs: list[str], outputs: list[str], domain: str = "ai.onnx.ml", **attributes: object) -> bytes:
    content = b"".join(field(1, one) for one in inputs) + b"".join(field(2, one) for one in outputs)
    content += field(4, kind) + field(7, domain)
    return field(1, content + b"".join(attribute(name, value) for name, value in attributes.items()))


def tensor(name: str, dims: list[int], values: list[float] | bytes) -> bytes:
    content = field(8, name) + field(2, 2 if isinstance(values, bytes) else 1)
    content += b"".join(field(1, dim) for dim in dims)
    return content + (field(9, values) if isinstance(values, bytes) else b"".join(field(4, one) for one in values))


def onnx(nodes: bytes, outputs: list[str], constants: bytes = b"") -> bytes:
    shape = field(1, field(2, "N")) + field(1, field(1, 2))
    graph = field(11, field(1, "X") + field(2, field(1, field(1, 1) + field(2, shape))))
    graph += b"".join(field(12, field(1, name)) for name in outputs) + constants + nodes
    return field(1, 8) + field(7, graph)


def onnx_models() -> list[bytes]:
    tree = {
        "nodes_treeids": [0] * 5,
        "nodes_nodeids": [0, 1, 2, 3, 4],
        "nodes_featureids": [0, 0, 1, 0, 0],
        "nodes_truenodeids": [1, 0, 3, 0, 0],
        "nodes_falsenodeids": [2, 0, 4, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.5, 0.0, 2.0, 0.0, 0.0],
        "nodes_missing_value_tracks_true": [1, 0, 0, 0, 0],
    }

    def weights(prefix: str, targets: list[int]) -> dict:
        return {
            f"{prefix}_treeids": [0, 0, 0],
            f"{prefix}_nodeids": [1, 3, 4],
            f"{prefix}_ids": targets,
            f"{prefix}_weights": [0.25, 0.5, 1.0],
        }

    ensemble = node(
        "TreeEnsemble",
        ["X"],
        ["y"],
        tree_roots=[0],
        nodes_featureids=[0, 1],
        nodes_truenodeids=[0, 1],
        nodes_falsenodeids=[1, 2],
        nodes_trueleafs=[1, 1],
        nodes_falseleafs=[0, 1],
        leaf_targetids=[0, 0, 0],
        n_targets=1,
        nodes_modes=tensor("", [2], b"\x00\x03"),
        nodes_splits=tensor("", [2], [0.5, 2.0]),
        leaf_weights=tensor("", [3], [1.0, 2.0, 3.0]),
    )
    classifier = node(
        "TreeEnsembleClassifier",
        ["X"],
        ["label", "raw"],
        **tree,
        **weights("class", [0, 1, 2]),
        classlabels_strings=["a", "b", "c"],
        post_transform="SOFTMAX",
    ) + node("ZipMap", ["raw"], ["scores"], classlabels_strings=["a", "b", "c"])
    rows = node("Imputer", ["X"], ["i"], imputed_value_floats=[1.0, 2.0])
    rows += node("Scaler", ["i"], ["s"], offset=[1.0, 2.0], scale=[1.0]) + node("Normalizer", ["s"], ["n"], norm="L2")
    linear = rows + node(
        "LinearClassifier",
        ["n"],
        ["label", "scores"],
        coefficients=[1.0, 2.0, 3.0, 4.0],
        intercepts=[0.0, 1.0],
        classlabels_ints=[0, 1],
        post_transform="LOGISTIC",
    )
    matrix = node("MatMul", ["X", "w"], ["m"], "") + node("Add", ["m", "b"], ["a"], "")
    matrix += node("Softmax", ["a"], ["scores"], "") + node("ArgMax", ["a"], ["label"], "", axis=1)
    constants = field(5, tensor("w", [2, 2], [1.0, 2.0, 3.0, 4.0])) + field(5, tensor("b", [2], [1.0, 2.0]))
    regressor = node("TreeEnsembleRegressor", ["X"], ["y"], **tree, **weights("target", [0, 0, 0]), n_targets=1)
    return [
        onnx(regressor, ["y"]),
        onnx(classifier, ["label", "scores"]),
        onnx(ensemble, ["y"]),
        onnx(linear, ["label", "scores"]),
        onnx(matrix, ["label", "scores"], constants),
    ]


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for i, model in enumerate(xgboost_models()):
        (folder / f"xgboost{i}.json").write_text(json.dumps(model))
        (folder / f"xgboost{i}.ubj").write_bytes(ubjson(model))
    (folder / "lightgbm.txt").write_text(LIGHTGBM)
    for i, content in enumerate(onnx_models()):
        (folder / f"pipeline{i}.onnx").write_bytes(content)


if __name__ == "__main__":
    main()
