"""Trains models of every kind that Corbel's own evaluator reads and writes, for each, the model file, rows, and what
the framework itself answers.

usage: make_models.py OUTPUT_DIR

OUTPUT_DIR/cases.txt has one line a case: name, model file, data file, allowed error. A data file is four little-endian
int64 (rows, features, outputs, 1 when labels follow), then float64 rows, float64 outputs, int64 label indexes.
OUTPUT_DIR/contributions.txt is the same for what each feature contributed to a row: its outputs are, for each output of
the model, one number a feature and the expected value.
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import lightgbm
import numpy as np
import onnxruntime
import xgboost
from onnx import ModelProto, NodeProto, TensorProto, helper
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from skl2onnx.common import _container as container
from sklearn import ensemble, linear_model, preprocessing, svm, tree
from sklearn.base import BaseEstimator, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

FLOAT = 1e-5
DOUBLE = 1e-6
OPSET = {"": 17, "ai.onnx.ml": 3}
Array = np.ndarray


class Cases:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.contributions: list[str] = []

    def model(self, name: str, content: bytes) -> str:
        file = f"{name}.model"
        (self.folder / file).write_bytes(content)
        return file

    def add(self, name: str, file: str, rows: Array, outputs: Array, bar: float, labels: Array | None = None) -> None:
        self.write(name, rows, outputs, labels)
        self.lines.append(f"{name}\t{file}\t{name}.data\t{bar}")

    def add_contributions(self, name: str, file: str, rows: Array, outputs: Array) -> None:
        self.write(f"{name}-contributions", rows, outputs, None)
        self.contributions.append(f"{name}\t{file}\t{name}-contributions.data\t{FLOAT}")

    def write(self, name: str, rows: Array, outputs: Array, labels: Array | None) -> None:
        rows = np.ascontiguousarray(rows, "<f8")
        outputs = np.ascontiguousarray(np.asarray(outputs, "<f8").reshape(len(rows), -1))
        head = np.array([len(rows), rows.shape[1], outputs.shape[1], int(labels is not None)], "<i8")
        parts = [head.tobytes(), rows.tobytes(), outputs.tobytes()]
        if labels is not None:
            parts.append(np.ascontiguousarray(labels, "<i8").tobytes())
        (self.folder / f"{name}.data").write_bytes(b"".join(parts))

    def save(self) -> None:
        (self.folder / "contributions.txt").write_text("\n".join(self.contributions) + "\n")
        (self.folder / "cases.txt").write_text("\n".join(self.lines) + "\n")


def both(probability: Array) -> Array:
    """The two columns of a binary classifier."""
    return np.stack([1 - probability, probability], axis=1)


def with_gaps(rows: Array, share: float = 0.1) -> Array:
    """Rows with missing values, infinities and zeros."""
    rng = np.random.default_rng(7)
    rows = rows.copy()
    rows[rng.random(rows.shape) < share] = np.nan
    rows[rng.random(rows.shape) < 0.02] = 0
    return rows


def on_edges(rows: Array, extremes: bool = True) -> Array:
    """The rows again with noise, and some extreme values: more of the tree is visited."""
    rng = np.random.default_rng(8)
    noisy = (rows + rng.normal(size=rows.shape) * np.nanstd(rows, axis=0)).astype("f4").astype("f8")
    if extremes:
        noisy[rng.random(rows.shape) < 0.01] = np.inf
        noisy[rng.random(rows.shape) < 0.01] = -np.inf
    return np.concatenate([rows, noisy])


def categories(count: int = 600) -> tuple[Array, Array]:
    """Two numeric columns and two of category codes, with missing values."""
    rng = np.random.default_rng(9)
    rows = np.stack(
        [rng.normal(size=count), rng.normal(size=count), rng.integers(0, 40, count), rng.integers(0, 5, count)], 1
    )
    target = rows[:, 0] + np.sin(rows[:, 2] * 7) * 2 + (rows[:, 3] == 2) * rows[:, 1]
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows, target


# ---- XGBoost


def xgboost_cases(cases: Cases) -> None:
    cancer, wine, digits = load_breast_cancer(), load_wine(), load_digits()
    rows, target = load_diabetes(return_X_y=True)
    positive = np.abs(target) + 1
    many = {"objective": "multi:softprob", "num_class": 3}
    binary = {"objective": "binary:logistic"}

    def case(name: str, params: dict, x: Array, y: Array, rounds: int = 12, **data: object) -> None:
        x = x.astype("f4")
        train = xgboost.DMatrix(x, y, **data)
        booster = xgboost.train({"seed": 1, "max_depth": 5, "nthread": 2, **params}, train, rounds)
        # DMatrix refuses infinities; prediction in place does not, but it knows neither linear boosters nor codes of
        # categories, and adds dart's trees in another way than Booster.predict.
        options = {k: data[k] for k in ("feature_types", "enable_categorical") if k in data}
        in_place = not options and "booster" not in params
        asked = on_edges(x.astype("f8"), in_place).astype("f4")
        answers = booster.inplace_predict(asked) if in_place else booster.predict(xgboost.DMatrix(asked, **options))
        if params.get("objective") == "binary:logistic" and answers.ndim == 1:
            answers = both(answers)
        for kind in ("json", "ubj"):
            file = cases.model(f"xgb-{name}-{kind}", bytes(booster.save_raw(kind)))
            cases.add(f"xgb-{name}-{kind}", file, asked, answers, FLOAT)
        # XGBoost explains neither these linear boosters nor trees of vectors this way.
        if params.get("booster") != "gblinear" and "multi_strategy" not in params:
            contributions = booster.predict(xgboost.DMatrix(x, **options), pred_contribs=True)
            cases.add_contributions(f"xgb-{name}", file, x, contributions)

    case("regression", {}, rows, target)
    case("regression-exact", {"tree_method": "exact", "gamma": 500.0}, rows, target)
    case("missing", {}, with_gaps(rows), target)
    case("binary", binary, cancer.data, cancer.target)
    case("binary-missing", {**binary, "base_score": 0.3}, with_gaps(cancer.data), cancer.target)
    case("logitraw", {"objective": "binary:logitraw"}, cancer.data, cancer.target)
    case("hinge", {"objective": "binary:hinge"}, cancer.data, cancer.target)
    case("reg-logistic", {"objective": "reg:logistic"}, cancer.data, cancer.target)
    case("multi", many, wine.data, wine.target)
    case("multi-digits", {**many, "num_class": 10}, digits.data, digits.target, 5)
    case("poisson", {"objective": "count:poisson"}, rows, positive)
    case("gamma", {"objective": "reg:gamma"}, rows, positive)
    case("tweedie", {"objective": "reg:tweedie", "tweedie_variance_power": 1.4}, rows, positive)
    case("cox", {"objective": "survival:cox"}, rows, positive)
    case("absolute", {"objective": "reg:absoluteerror"}, rows, target)
    case("quantile", {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}, rows, target)
    case("pseudohuber", {"objective": "reg:pseudohubererror"}, rows, target)
    case("squaredlog", {"objective": "reg:squaredlogerror"}, rows, positive)
    case("parallel-trees", {"num_parallel_tree": 4, "subsample": 0.5, **many}, wine.data, wine.target, 4)
    case("dart", {"booster": "dart", "rate_drop": 0.4}, rows, target)
    case("dart-multi", {"booster": "dart", "rate_drop": 0.4, **many}, wine.data, wine.target)
    case("linear", {"booster": "gblinear"}, rows, target)
    case("linear-binary", {"booster": "gblinear", **binary}, cancer.data / 100, cancer.target)
    case("linear-multi", {"booster": "gblinear", "base_score": 0.5, **many}, wine.data / 100, wine.target)
    case("rank", {"objective": "rank:ndcg"}, rows, (target > 150).astype(int), group=[221, 221])
    pairs = np.stack([target, target[::-1]], 1)
    case("targets", {}, rows, pairs)
    case("vector-leaves", {"multi_strategy": "multi_output_tree", "tree_method": "hist"}, rows, pairs)
    case("labels", {"objective": "binary:logistic"}, rows, (pairs > 150).astype(int))
    x, y = categories()
    types = {"feature_types": ["q", "q", "c", "c"], "enable_categorical": True}
    case("categories", {"max_cat_to_onehot": 1}, x, y, **types)
    case("categories-onehot", {"max_cat_to_onehot": 64}, x, y, **types)


# ---- LightGBM


def lightgbm_cases(cases: Cases) -> None:
    cancer, wine = load_breast_cancer(), load_wine()
    rows, target = load_diabetes(return_X_y=True)
    positive = np.abs(target) + 1

    def case(name: str, params: dict, x: Array, y: Array, rounds: int = 15, **data: object) -> None:
        train = lightgbm.Dataset(x, y, params={"verbose": -1}, free_raw_data=False, **data)
        fixed = {"verbose": -1, "seed": 1, "num_threads": 2, "deterministic": True, "min_data_in_leaf": 5}
        booster = lightgbm.train({**fixed, **params}, train, rounds)
        asked = on_edges(x, "categorical_feature" not in data)
        asked[::11, 0] = 0
        asked[::13, 1] = np.nan
        answers = booster.predict(asked)
        if params.get("objective") == "binary":
            answers = both(answers)
        file = cases.model(f"lgbm-{name}", booster.model_to_string().encode())
        cases.add(f"lgbm-{name}", file, asked, answers, DOUBLE)

    case("regression", {"objective": "regression"}, rows, target)
    case("l1", {"objective": "regression_l1"}, rows, target)
    case("sqrt", {"objective": "regression", "reg_sqrt": True}, rows, target)
    case("missing-nan", {"objective": "regression"}, with_gaps(rows), target)
    case("missing-zero", {"objective": "regression", "zero_as_missing": True}, with_gaps(rows, 0.2), target)
    case("missing-none", {"objective": "regression", "use_missing": False}, with_gaps(rows), target)
    case("binary", {"objective": "binary", "sigmoid": 1.5}, cancer.data, cancer.target)
    case("multi", {"objective": "multiclass", "num_class": 3}, wine.data, wine.target)
    case("multi-ova", {"objective": "multiclassova", "num_class": 3}, wine.data, wine.target)
    case("poisson", {"objective": "poisson"}, rows, positive)
    case("gamma", {"objective": "gamma"}, rows, positive)
    case("tweedie", {"objective": "tweedie"}, rows, positive)
    case("cross-entropy", {"objective": "cross_entropy"}, cancer.data, cancer.target)
    case("cross-entropy-lambda", {"objective": "cross_entropy_lambda"}, cancer.data, cancer.target)
    case("quantile", {"objective": "quantile", "alpha": 0.8}, rows, target)
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6, "feature_fraction": 0.7}
    case("forest", {"objective": "regression", **forest}, rows, target)
    case("forest-multi", {"objective": "multiclass", "num_class": 3, **forest}, wine.data, wine.target)
    case("dart", {"objective": "regression", "boosting": "dart"}, rows, target)
    case("rank", {"objective": "lambdarank"}, rows, (target > 150).astype(int), group=[221, 221])
    case("stump", {"objective": "regression", "min_data_in_leaf": 10_000}, rows, target)
    x, y = categories()
    case("categories", {"objective": "regression", "min_data_per_group": 5}, x, y, categorical_feature=[2, 3])
    case("categories-binary", {"objective": "binary", "min_data_per_group": 5}, x, y > 0, categorical_feature=[2, 3])


# ---- ONNX


def run_onnx(content: bytes, feeds: dict[str, Array], names: list) -> tuple[Array | None, Array]:
    """Labels as indexes into `names` (None for regressors) and outputs, as ONNX Runtime answers."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    results = session.run(None, feeds)
    if len(results) == 1:
        return None, np.asarray(results[0])
    label, scores = results
    if isinstance(scores, list):  # ZipMap
        scores = np.array([[row[name] for name in names] for row in scores])
    return np.array([names.index(one) for one in np.asarray(label).ravel().tolist()]), np.asarray(scores)


def narrow_tree_outputs(model: ModelProto) -> None:
    """ONNX's tree operators answer float whatever they are fed; the exporter declares double for doubles."""
    made: set[str] = set()
    for node in model.graph.node:
        if node.op_type.startswith("TreeEnsemble") or made.intersection(node.input):
            made.update(node.output)
    for output in model.graph.output:
        if output.name in made and output.type.tensor_type.elem_type == TensorProto.DOUBLE:
            output.type.tensor_type.elem_type = TensorProto.FLOAT


def allow_booleans() -> None:
    """skl2onnx passes missing-value directions of HistGradientBoosting as booleans, which newer protobuf refuses."""
    original = container.make_node

    def make_node(*names: object, **attributes: object) -> NodeProto:
        for name, value in attributes.items():
            if name == "nodes_missing_value_tracks_true":
                attributes[name] = [int(one) for one in value]
        return original(*names, **attributes)

    container.make_node = make_node


def own_answers(model: BaseEstimator, rows: Array) -> Array:
    if not is_classifier(model):
        return model.predict(rows)
    if hasattr(model, "predict_proba"):
        return model.predict_proba(rows)
    return model.decision_function(rows)


def onnx_cases(cases: Cases) -> None:
    iris, cancer, wine, digits = load_iris(), load_breast_cancer(), load_wine(), load_digits()
    rows, target = load_diabetes(return_X_y=True)
    words = np.array(["setosa", "versicolor", "virginica"])[iris.target]
    pairs = np.stack([target, target[::-1]], 1)

    def write(name: str, content: bytes, asked: Array, kind: type, names: list, bar: float, own: Array | None) -> None:
        labels, outputs = run_onnx(content, {"X": asked.astype(kind)}, names)
        file = cases.model(name, content)
        cases.add(name, file, asked, outputs, bar, labels)
        if own is not None:
            cases.add(f"{name}-own", file, asked, own, FLOAT)

    def case(name: str, model: BaseEstimator, x: Array, y: Array, zip_map: bool = False, **how: object) -> None:
        double, own, gaps = how.get("double", False), how.get("own", True), how.get("gaps", False)
        x = x.astype("f4").astype("f8")
        model.fit(x, y)
        names = model.classes_.tolist() if is_classifier(model) else []
        asked = on_edges(x, False) if how.get("noise", True) else x
        if gaps:
            asked = np.concatenate([x, with_gaps(x)])
        for kind, suffix, bar in ((np.float32, "", FLOAT), (np.float64, "-double", DOUBLE)):
            if kind is np.float64 and not double:
                continue
            options = {}
            if is_classifier(model) and hasattr(model, "predict_proba"):
                # ZipMap of doubles is written but not run.
                options[id(model)] = {"zipmap": zip_map and kind is np.float32}
            converted = to_onnx(model, x[:1].astype(kind), options=options, target_opset=OPSET)
            narrow_tree_outputs(converted)
            content = converted.SerializeToString()
            answers = own_answers(model, asked) if own else None
            write(f"onnx-{name}{suffix}", content, asked, kind, names, bar, answers)

    def scaled(*steps: object) -> BaseEstimator:
        return make_pipeline(*steps)

    case("tree-classifier", tree.DecisionTreeClassifier(max_depth=6), iris.data, words, True, double=True)
    case("tree-classifier-binary", tree.DecisionTreeClassifier(max_depth=6), cancer.data, cancer.target, double=True)
    case("tree-regressor", tree.DecisionTreeRegressor(max_depth=8), rows, target, double=True)
    case("tree-regressor-targets", tree.DecisionTreeRegressor(max_depth=8), rows, pairs, double=True)
    case("forest-classifier", ensemble.RandomForestClassifier(30), wine.data, wine.target, double=True)
    case("forest-classifier-words", ensemble.RandomForestClassifier(10), iris.data, words, True, double=True)
    case("forest-classifier-binary", ensemble.RandomForestClassifier(30), cancer.data, cancer.target, True, double=True)
    case("forest-classifier-digits", ensemble.RandomForestClassifier(20), digits.data, digits.target, double=True)
    case("forest-regressor", ensemble.RandomForestRegressor(30), rows, target, double=True)
    case("extra-classifier", ensemble.ExtraTreesClassifier(20), wine.data, wine.target, double=True)
    case("extra-regressor", ensemble.ExtraTreesRegressor(20), rows, target, double=True)
    boosting = ensemble.GradientBoostingClassifier
    case("boosting-classifier", boosting(n_estimators=20), wine.data, wine.target, double=True)
    case("boosting-classifier-binary", boosting(n_estimators=20), cancer.data, cancer.target, True, double=True)
    case("boosting-regressor", ensemble.GradientBoostingRegressor(n_estimators=20), rows, target, double=True)
    histogram, histograms = ensemble.HistGradientBoostingRegressor, ensemble.HistGradientBoostingClassifier
    case("histogram-regressor", histogram(max_iter=15), rows, target)
    case("histogram-regressor-missing", histogram(max_iter=15), with_gaps(rows), target, gaps=True)
    case("histogram-classifier", histograms(max_iter=10), wine.data, wine.target)
    case("histogram-classifier-binary", histograms(max_iter=10), with_gaps(cancer.data), cancer.target, True, gaps=True)
    case("logistic", linear_model.LogisticRegression(max_iter=5000), iris.data, words, True, double=True)
    case("logistic-binary", linear_model.LogisticRegression(max_iter=5000), iris.data, iris.target > 0, double=True)
    # Large coefficients cancel out: on noisy rows ONNX Runtime's own float sums are 1e-5 off.
    case("linear", linear_model.LinearRegression(), rows, target, double=True, noise=False)
    case("linear-targets", linear_model.LinearRegression(), rows, pairs, double=True, noise=False)
    case("ridge", linear_model.Ridge(), rows, target, double=True)
    case("lasso", linear_model.Lasso(), rows, target)
    case("elastic-net", linear_model.ElasticNet(), rows, target)
    case("sgd-regressor", linear_model.SGDRegressor(), rows, target)
    case("poisson-regressor", linear_model.PoissonRegressor(), rows, target)
    case("svc", svm.LinearSVC(), iris.data, iris.target)
    case("svc-binary", svm.LinearSVC(), iris.data, iris.target > 0)
    case("ridge-classifier", linear_model.RidgeClassifier(), wine.data, wine.target)

    logistic = linear_model.LogisticRegression(max_iter=5000)
    forest = ensemble.RandomForestClassifier(10)
    scale, unit, robust = preprocessing.StandardScaler, preprocessing.MinMaxScaler, preprocessing.RobustScaler
    case("standard-logistic", scaled(scale(), logistic), wine.data, wine.target, double=True)
    case("minmax-logistic", scaled(unit(), logistic), wine.data, wine.target, True, double=True)
    case("robust-logistic", scaled(robust(), logistic), wine.data, wine.target, double=True)
    case("maxabs-ridge", scaled(preprocessing.MaxAbsScaler(), linear_model.Ridge()), rows, target, double=True)
    for norm in ("l1", "l2"):
        case(f"normalizer-{norm}-logistic", scaled(preprocessing.Normalizer(norm), logistic), wine.data, wine.target)
    case("imputer-logistic", scaled(SimpleImputer(), scale(), logistic), wine.data, wine.target, gaps=True)
    # A float scaler in front moves rows over splits: only ONNX Runtime's own answer is the measure.
    case("standard-forest", scaled(scale(), forest), wine.data, wine.target, own=False)
    case("imputer-boosting", scaled(SimpleImputer(), boosting(n_estimators=10)), wine.data, wine.target, gaps=True)
    converted_cases(cases, write)
    tree_ensemble_case(cases)
    named_inputs_case(cases)


def converted_cases(cases: Cases, write: Callable) -> None:
    """Models of XGBoost and LightGBM as onnxmltools converts them."""
    cancer, wine = load_breast_cancer(), load_wine()
    rows, target = load_diabetes(return_X_y=True)

    def case(name: str, convert: Callable, model: BaseEstimator, x: Array, y: Array) -> None:
        x = x.astype("f4")
        model.fit(x, y)
        shape = [("X", FloatTensorType([None, x.shape[1]]))]
        content = convert(model, initial_types=shape, target_opset=15).SerializeToString()
        names = model.classes_.tolist() if is_classifier(model) else []
        asked = on_edges(with_gaps(x).astype("f8"), False)
        write(f"onnx-{name}", content, asked, np.float32, names, FLOAT, own_answers(model, asked.astype("f4")))

    size = {"n_estimators": 12, "max_depth": 4, "n_jobs": 2}
    quiet = {"verbose": -1, "min_child_samples": 5}
    case("xgb-regressor", convert_xgboost, xgboost.XGBRegressor(**size), rows, target)
    case("xgb-classifier", convert_xgboost, xgboost.XGBClassifier(**size), wine.data, wine.target)
    case("xgb-classifier-binary", convert_xgboost, xgboost.XGBClassifier(**size), cancer.data, cancer.target)
    case("lgbm-regressor", convert_lightgbm, lightgbm.LGBMRegressor(**size, **quiet), rows, target)
    case("lgbm-classifier", convert_lightgbm, lightgbm.LGBMClassifier(**size, **quiet), wine.data, wine.target)
    case(
        "lgbm-classifier-binary", convert_lightgbm, lightgbm.LGBMClassifier(**size, **quiet), cancer.data, cancer.target
    )


def tree_ensemble_case(cases: Cases) -> None:
    """TreeEnsemble of ai.onnx.ml 5, which no exporter writes yet: a decision tree written by hand."""
    rows, target = load_diabetes(return_X_y=True)
    rows = rows.astype("f4")
    fitted = tree.DecisionTreeRegressor(max_depth=6).fit(rows, target).tree_
    splits = [i for i in range(fitted.node_count) if fitted.children_left[i] >= 0]
    leaves = [i for i in range(fitted.node_count) if fitted.children_left[i] < 0]
    place = {one: at for group in (splits, leaves) for at, one in enumerate(group)}

    def floats(name: str, values: list[float]) -> TensorProto:
        return helper.make_tensor(name, TensorProto.FLOAT, [len(values)], np.asarray(values, "f4"))

    def children(side: Array) -> tuple[list[int], list[int]]:
        chosen = [int(side[i]) for i in splits]
        return [place[one] for one in chosen], [int(one in leaves) for one in chosen]

    true_ids, true_leafs = children(fitted.children_left)
    false_ids, false_leafs = children(fitted.children_right)
    node = helper.make_node(
        "TreeEnsemble",
        ["X"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=1,
        tree_roots=[0],
        nodes_featureids=[int(fitted.feature[i]) for i in splits],
        nodes_splits=floats("splits", [fitted.threshold[i] for i in splits]),
        nodes_modes=helper.make_tensor("modes", TensorProto.UINT8, [len(splits)], [0] * len(splits)),
        nodes_truenodeids=true_ids,
        nodes_trueleafs=true_leafs,
        nodes_falsenodeids=false_ids,
        nodes_falseleafs=false_leafs,
        leaf_targetids=[0] * len(leaves),
        leaf_weights=floats("weights", [fitted.value[i].item() for i in leaves]),
    )
    x = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, rows.shape[1]])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])
    versions = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 5)]
    model = helper.make_model(helper.make_graph([node], "trees", [x], [y]), opset_imports=versions, ir_version=9)
    content = model.SerializeToString()
    asked = on_edges(rows.astype("f8"))
    _, outputs = run_onnx(content, {"X": asked.astype("f4")}, [])
    cases.add("onnx-tree-ensemble", cases.model("onnx-tree-ensemble", content), asked, outputs, FLOAT)


def named_inputs_case(cases: Cases) -> None:
    """One input a column, as data frames are exported."""
    from skl2onnx.common.data_types import FloatTensorType as Single

    iris = load_iris()
    x = iris.data.astype("f4")
    names = ["a", "b", "c", "d"]
    together = ColumnTransformer([("all", "passthrough", [0, 1, 2, 3])])
    model = make_pipeline(together, ensemble.RandomForestClassifier(5)).fit(x, iris.target)
    initial = [(name, Single([None, 1])) for name in names]
    content = to_onnx(model, initial_types=initial, options={"zipmap": False}, target_opset=OPSET).SerializeToString()
    feeds = {name: x[:, [i]] for i, name in enumerate(names)}
    labels, outputs = run_onnx(content, feeds, [0, 1, 2])
    cases.add("onnx-named-inputs", cases.model("onnx-named-inputs", content), x, outputs, FLOAT, labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore")
    np.random.seed(1)
    allow_booleans()
    cases = Cases(folder)
    xgboost_cases(cases)
    lightgbm_cases(cases)
    onnx_cases(cases)
    cases.save()
    print(f"{len(cases.lines)} cases in {folder}")


if __name__ == "__main__":
    main()
