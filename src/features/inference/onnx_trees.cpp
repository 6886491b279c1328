#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "onnx_ensemble.h"
#include "onnx_predictor.h"

namespace corbel::inference::onnx {
namespace {

using TreeNode = inference::Node;

std::unexpected<Error> unprocessable(std::string message) {
  return fail(ErrorCode::unprocessable, std::move(message));
}

struct Settings {
  std::int64_t outputs = 0;
  Link link = Link::identity;
  bool average = false;
  std::vector<double> baseValues;
};

Result<void> checkTargets(const Ensemble& ensemble, std::int64_t outputs) {
  for (const Weight& weight : ensemble.weights) {
    if (weight.target < 0 || weight.target >= outputs) {
      return unprocessable(
          fmt::format("target or class {} is not one of the {}", weight.target, outputs));
    }
  }
  return {};
}

class ForestBuilder {
 public:
  ForestBuilder(Ensemble ensemble, const Settings& settings, Allowance& allowance)
      : ensemble_(std::move(ensemble)), settings_(settings), allowance_(allowance) {}

  Result<Forest> run(Precision precision, std::uint32_t features) {
    forest_.precision = precision;
    forest_.features = features;
    forest_.outputs = static_cast<std::uint32_t>(settings_.outputs);
    forest_.link = settings_.link;
    forest_.average = settings_.average;
    forest_.baseScores = settings_.baseValues;
    forest_.baseScores.resize(forest_.outputs);
    CORBEL_CHECK(checkWeights());
    forest_.vectorLeaves = !everyTreeHasOneOutput();
    for (Tree& tree : ensemble_.trees) {
      for (TreeNode& node : tree.nodes) {
        if (node.isLeaf()) CORBEL_CHECK(fillLeaf(node));
        if (features == 0 && !node.isLeaf()) {
          forest_.features = std::max(forest_.features, std::uint32_t(node.feature) + 1);
        }
      }
    }
    forest_.trees = std::move(ensemble_.trees);
    return std::move(forest_);
  }

 private:
  Result<void> checkWeights() const {
    CORBEL_CHECK(checkTargets(ensemble_, settings_.outputs));
    const Weight* last = nullptr;
    for (const Weight& weight : ensemble_.weights) {
      // With one target ONNX Runtime takes the first weight of a leaf, with several their sum.
      if (last != nullptr && last->leaf == weight.leaf && last->target == weight.target) {
        return notTabular("a leaf has two weights for one target");
      }
      last = &weight;
    }
    return {};
  }

  // The average is over all trees, so it needs trees that all count for each output.
  bool everyTreeHasOneOutput() {
    if (settings_.average && settings_.outputs > 1) return false;
    for (Tree& tree : ensemble_.trees) {
      std::optional<std::int64_t> output;
      for (const TreeNode& node : tree.nodes) {
        if (!node.isLeaf()) continue;
        for (const Weight& weight : ensemble_.of(node.value)) {
          if (output.value_or(weight.target) != weight.target) return false;
          output = weight.target;
        }
      }
      tree.output = static_cast<std::uint32_t>(output.value_or(0));
    }
    return true;
  }

  Result<void> fillLeaf(TreeNode& node) {
    const std::size_t width = forest_.vectorLeaves ? forest_.outputs : 1;
    const std::size_t first = forest_.leafValues.size();
    CORBEL_CHECK(allowance_.claim(width, sizeof(double), "the leaf values"));
    if (first + width > std::numeric_limits<std::uint32_t>::max()) {
      return unprocessable("the leaf values are more than 2^32");
    }
    forest_.leafValues.resize(first + width);
    for (const Weight& weight : ensemble_.of(node.value)) {
      forest_.leafValues[first + (forest_.vectorLeaves ? weight.target : 0)] = weight.value;
    }
    node.value = static_cast<std::uint32_t>(first);
    return {};
  }

  Ensemble ensemble_;
  const Settings& settings_;
  Allowance& allowance_;
  Forest forest_;
};

bool someTreeAlwaysScores(const Ensemble& ensemble, std::int64_t target) {
  return std::ranges::any_of(ensemble.trees, [&](const Tree& tree) {
    return std::ranges::all_of(tree.nodes, [&](const TreeNode& node) {
      return !node.isLeaf() ||
             std::ranges::any_of(ensemble.of(node.value),
                                 [&](const Weight& weight) { return weight.target == target; });
    });
  });
}

// Two classes are a world of their own in ONNX Runtime (TreeAggregatorClassifier::FinalizeScores
// and write_scores): what comes out depends on which classes have weights, on their signs and on
// the number of base values.
Result<Finish> settleBinary(const Ensemble& ensemble, Settings& settings) {
  const auto uses = [&](std::int64_t target) {
    return std::ranges::any_of(ensemble.weights,
                               [&](const Weight& w) { return w.target == target; });
  };
  if (uses(1)) {
    const bool plain = uses(0) && settings.baseValues.empty() && someTreeAlwaysScores(ensemble, 1);
    if (plain) return Finish::none;
    return notTabular("two classes with weights for the second in some rows only");
  }
  if (settings.baseValues.size() == 2) return Finish::none;
  settings.outputs = 1;
  const bool positive =
      std::ranges::all_of(ensemble.weights, [](const Weight& weight) { return weight.value >= 0; });
  if (positive && settings.link != Link::probit) {
    settings.link = Link::identity;  // taken for probabilities, whatever post_transform says
    return Finish::complement;
  }
  if (settings.link == Link::sigmoid) return Finish::complement;
  return notTabular("two classes with weights of both signs and no LOGISTIC");
}

Result<void> readAggregation(const Node& node, Settings& settings) {
  CORBEL_TRY(const std::string aggregate, node.text("aggregate_function", "SUM"));
  CORBEL_TRY(const std::string transform, node.text("post_transform", "NONE"));
  CORBEL_TRY(settings.link, linkOf(transform));
  CORBEL_TRY(settings.baseValues, node.floatsOrTensor("base_values"));
  settings.average = aggregate == "AVERAGE";
  if (aggregate == "SUM" || settings.average) return {};
  return notTabular(fmt::format("{} with aggregate_function {}", node.type, excerpt(aggregate)));
}

Result<void> readAggregationByNumber(const Node& node, Settings& settings) {
  constexpr std::string_view kTransforms[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO",
                                              "PROBIT"};
  CORBEL_TRY(const std::int64_t aggregate, node.integer("aggregate_function", 1));
  CORBEL_TRY(const std::int64_t transform, node.integer("post_transform", 0));
  if (transform < 0 || transform >= std::ssize(kTransforms)) {
    return unprocessable(fmt::format("post_transform: must be from 0 to 4, got {}", transform));
  }
  CORBEL_TRY(settings.link, linkOf(kTransforms[transform]));
  settings.average = aggregate == 0;
  if (aggregate == 0 || aggregate == 1) return {};
  return notTabular(fmt::format("TreeEnsemble with aggregate_function {}", aggregate));
}

Result<void> checkOutputs(const Settings& settings) {
  if (settings.outputs < 1 || settings.outputs > std::int64_t{kMaxOutputs}) {
    return unprocessable(
        fmt::format("{} outputs, allowed are 1 to {}", settings.outputs, kMaxOutputs));
  }
  const std::size_t bases = settings.baseValues.size();
  if (bases != 0 && bases != std::size_t(settings.outputs) && settings.outputs != 2) {
    return unprocessable(
        fmt::format("base_values has {} values for {} outputs", bases, settings.outputs));
  }
  return {};
}

Result<Predictor> readClassifier(const Node& node, Precision precision, std::uint32_t features,
                                 Allowance& allowance) {
  Predictor predictor;
  Settings settings;
  CORBEL_CHECK(readAggregation(node, settings));
  CORBEL_TRY(predictor.labels, labelsOf(node, "classlabels_int64s", "classlabels_strings"));
  settings.outputs = std::int64_t(size(predictor.labels));
  CORBEL_CHECK(checkOutputs(settings));
  if (settings.outputs == 1) return notTabular("TreeEnsembleClassifier with one class");
  if (settings.outputs == 2 && settings.baseValues.size() > 2) {
    return unprocessable("base_values has more than 2 values for 2 classes");
  }
  CORBEL_TRY(Ensemble ensemble, readAttributes(node, "class"));
  CORBEL_CHECK(
      checkTargets(ensemble, settings.outputs));  // before any reason to leave it to others
  if (settings.outputs == 2) {
    CORBEL_TRY(predictor.finish, settleBinary(ensemble, settings));
  }
  CORBEL_TRY(predictor.model,
             ForestBuilder(std::move(ensemble), settings, allowance).run(precision, features));
  return predictor;
}

// With one target ONNX Runtime applies PROBIT and nothing else.
Result<void> settleRegressor(const Node& node, const Settings& settings) {
  CORBEL_CHECK(checkOutputs(settings));
  if (settings.outputs == 2 && settings.baseValues.size() % 2 != 0) {
    return unprocessable("base_values has one value for 2 targets");
  }
  if (settings.outputs == 1 && settings.link != Link::identity && settings.link != Link::probit) {
    return notTabular(fmt::format("{} with one target and a post_transform", node.type));
  }
  return {};
}

Result<Predictor> readRegressor(const Node& node, Precision precision, std::uint32_t features,
                                Allowance& allowance) {
  Predictor predictor;
  Settings settings;
  const bool attributes = node.type == "TreeEnsembleRegressor";
  CORBEL_CHECK(attributes ? readAggregation(node, settings)
                          : readAggregationByNumber(node, settings));
  CORBEL_TRY(settings.outputs, node.integer("n_targets", 0));
  CORBEL_CHECK(settleRegressor(node, settings));
  CORBEL_TRY(Ensemble ensemble, attributes ? readAttributes(node, "target") : readTensors(node));
  CORBEL_TRY(predictor.model,
             ForestBuilder(std::move(ensemble), settings, allowance).run(precision, features));
  return predictor;
}

}  // namespace

Result<Predictor> readTreeEnsemble(const Node& node, Precision precision, std::uint32_t features,
                                   Allowance& allowance) {
  return node.type == "TreeEnsembleClassifier"
             ? readClassifier(node, precision, features, allowance)
             : readRegressor(node, precision, features, allowance);
}

}  // namespace corbel::inference::onnx
