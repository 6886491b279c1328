#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "inference/model_readers.h"
#include "tree_builder.h"

namespace corbel::inference {
namespace {

// Bits of decision_type (LightGBM's tree.h).
constexpr int kCategorical = 1;
constexpr int kDefaultLeft = 2;
enum MissingType { kNone = 0, kZero = 1, kNaN = 2 };

std::unexpected<Error> unprocessable(std::string message) {
  return fail(ErrorCode::unprocessable, std::move(message));
}

struct Objective {
  std::string_view name;
  Link link = Link::identity;
  bool binary = false;
  bool multiclass = false;
};

// ConvertOutput of LightGBM's objectives.
constexpr std::array kObjectives = {
    Objective{"regression"},
    Objective{"regression_l1"},
    Objective{"huber"},
    Objective{"fair"},
    Objective{"quantile"},
    Objective{"mape"},
    Objective{"lambdarank"},
    Objective{"rank_xendcg"},
    Objective{"custom"},
    Objective{"poisson", Link::exponential},
    Objective{"gamma", Link::exponential},
    Objective{"tweedie", Link::exponential},
    Objective{"cross_entropy", Link::sigmoid},
    Objective{"cross_entropy_lambda", Link::softplus},
    Objective{"binary", Link::sigmoid, true, false},
    Objective{"multiclass", Link::softmax, false, true},
    Objective{"multiclassova", Link::sigmoid, false, true},
};

// The lines of one tree.
struct Columns {
  std::int32_t leaves = 0;
  std::int32_t categorySplits = 0;
  bool linear = false;
  std::vector<std::int32_t> splitFeature, decisionType, leftChild, rightChild, categoryBoundaries;
  std::vector<double> threshold, leafValue, leafCount, internalCount;
  std::vector<std::uint32_t> categoryThreshold;
};

template <class Number>
Result<void> numbers(std::string_view key, std::string_view text, std::vector<Number>& target) {
  target.clear();
  for (std::string_view rest = trim(text); !rest.empty(); rest = trim(rest)) {
    const std::string_view word = takeUntil(rest, ' ');
    const auto number = parseNumber<Number>(word);
    if (!number) {
      return unprocessable(fmt::format("{}: \"{}\" is not a number in range", key, excerpt(word)));
    }
    target.push_back(*number);
  }
  return {};
}

template <class Number>
Result<void> number(std::string_view key, std::string_view text, Number& target) {
  const auto value = parseNumber<Number>(trim(text));
  if (!value)
    return unprocessable(fmt::format("{}: \"{}\" is not a number in range", key, excerpt(text)));
  target = *value;
  return {};
}

// One tree's columns as nodes; splits keep their numbers, leaf i becomes node splits + i.
class TreeReader {
 public:
  TreeReader(const Columns& columns, Forest& forest, Allowance& allowance)
      : columns_(columns), forest_(forest), allowance_(allowance) {}

  Result<Tree> run() {
    CORBEL_CHECK(checkLengths());
    splits_ = columns_.leaves - 1;
    std::vector<Node> nodes;
    for (std::int32_t i = 0; i < splits_; ++i) {
      CORBEL_TRY(const Node node, split(i));
      nodes.push_back(node);
    }
    for (std::int32_t i = 0; i < columns_.leaves; ++i) nodes.push_back(leaf(i));
    Tree tree;
    CORBEL_TRY(tree.nodes, reachableNodes(nodes));
    return tree;
  }

 private:
  Result<void> checkLengths() const {
    if (columns_.linear) return unprocessable("has linear models in its leaves: not supported");
    if (columns_.leaves < 1) return unprocessable("num_leaves must be 1 or more");
    const auto check = [](std::string_view name, std::size_t size,
                          std::size_t expected) -> Result<void> {
      if (size == expected) return {};
      return unprocessable(fmt::format("{} has {} values, expected {}", name, size, expected));
    };
    const std::size_t leaves = columns_.leaves;
    CORBEL_CHECK(check("leaf_value", columns_.leafValue.size(), leaves));
    if (leaves == 1) return {};
    CORBEL_CHECK(check("split_feature", columns_.splitFeature.size(), leaves - 1));
    CORBEL_CHECK(check("threshold", columns_.threshold.size(), leaves - 1));
    CORBEL_CHECK(check("left_child", columns_.leftChild.size(), leaves - 1));
    CORBEL_CHECK(check("right_child", columns_.rightChild.size(), leaves - 1));
    if (!columns_.decisionType.empty()) {
      CORBEL_CHECK(check("decision_type", columns_.decisionType.size(), leaves - 1));
    }
    if (columns_.categorySplits == 0) return {};
    return check("cat_boundaries", columns_.categoryBoundaries.size(),
                 std::size_t(columns_.categorySplits) + 1);
  }

  static float cover(const std::vector<double>& counts, std::int32_t i) {
    return std::size_t(i) < counts.size() ? static_cast<float>(counts[i]) : 0;
  }

  Node leaf(std::int32_t i) {
    Node node;
    node.value = static_cast<std::uint32_t>(forest_.leafValues.size());
    node.cover = cover(columns_.leafCount, i);
    forest_.leafValues.push_back(columns_.leafValue[i]);
    return node;
  }

  // Splits are numbered from 0, leaves are the complement of their number.
  Result<std::int32_t> child(std::int32_t parent, std::string_view side, std::int32_t index) const {
    if (index >= 0 && index < splits_) return index;
    if (index < 0 && ~index < columns_.leaves) return splits_ + ~index;
    return unprocessable(
        fmt::format("node {}: {} child {} is outside the tree ({} splits, {} leaves)", parent, side,
                    index, splits_, columns_.leaves));
  }

  Result<Node> split(std::int32_t i) {
    Node node;
    const int decision = columns_.decisionType.empty() ? 0 : columns_.decisionType[i];
    node.feature = columns_.splitFeature[i];
    node.threshold = columns_.threshold[i];
    node.split = Split::lessOrEqual;
    node.cover = cover(columns_.internalCount, i);
    CORBEL_TRY(node.left, child(i, "left", columns_.leftChild[i]));
    CORBEL_TRY(node.right, child(i, "right", columns_.rightChild[i]));
    if ((decision & kCategorical) != 0) {
      CORBEL_CHECK(categories(i, node));
      return node;
    }
    const bool defaultLeft = (decision & kDefaultLeft) != 0;
    switch (decision >> 2 & 3) {
      case kNone:
        node.missingLeft = 0 <= node.threshold;
        break;  // NaN is taken for 0
      case kZero:
        node.missingLeft = defaultLeft;
        node.zeroIsMissing = true;
        break;
      case kNaN:
        node.missingLeft = defaultLeft;
        break;
      default:
        return unprocessable(fmt::format("node {}: decision_type {} is not known", i, decision));
    }
    return node;
  }

  // NaN is no category: it goes right.
  Result<void> categories(std::int32_t i, Node& node) {
    const double number = node.threshold;
    if (!(number >= 0 && number < columns_.categorySplits)) {
      return unprocessable(fmt::format("node {}: category split {} is not one of the {}", i, number,
                                       columns_.categorySplits));
    }
    const auto index = static_cast<std::size_t>(number);
    const std::int64_t begin = columns_.categoryBoundaries[index];
    const std::int64_t end = columns_.categoryBoundaries[index + 1];
    if (begin < 0 || end < begin || end > std::int64_t(columns_.categoryThreshold.size())) {
      return unprocessable(fmt::format("node {}: categories {} to {} are outside the {} words", i,
                                       begin, end, columns_.categoryThreshold.size()));
    }
    CORBEL_CHECK(allowance_.claim(std::size_t(end - begin), 4, "the category sets"));
    node.split = Split::category;
    node.threshold = 0;
    node.value = static_cast<std::uint32_t>(forest_.categories.size());
    forest_.categories.emplace_back(columns_.categoryThreshold.begin() + begin,
                                    columns_.categoryThreshold.begin() + end);
    return {};
  }

  const Columns& columns_;
  Forest& forest_;
  Allowance& allowance_;
  std::int32_t splits_ = 0;
};

class FileReader {
 public:
  explicit FileReader(std::string_view text) : rest_(text), allowance_(text.size()) {}

  Result<TabularModel> run() {
    if (trim(line()) != "tree")
      return unprocessable("line 1: \"tree\" expected: no LightGBM model");
    CORBEL_CHECK(header());
    CORBEL_CHECK(trees());
    CORBEL_CHECK(applyObjective());
    forest_.precision = Precision::float64;
    forest_.outputs = outputs_;
    forest_.baseScores.resize(outputs_);
    model_.input = Precision::float64;
    model_.predictor = std::move(forest_);
    CORBEL_CHECK(validate(model_));
    return std::move(model_);
  }

 private:
  std::string_view line() {
    ++lineNumber_;
    std::string_view text = takeUntil(rest_, '\n');
    if (text.ends_with('\r')) text.remove_suffix(1);
    return text;
  }

  // Up to the first tree, which stays to be read.
  Result<void> header() {
    while (!rest_.empty() && !rest_.starts_with("Tree=") && !rest_.starts_with("end of trees")) {
      std::string_view value = line();
      const std::string_view key = takeUntil(value, '=');
      CORBEL_CHECK(headerLine(key, value));
    }
    if (outputs_ < 1 || outputs_ > kMaxOutputs) {
      return unprocessable(fmt::format("num_tree_per_iteration: must be from 1 to {}, got {}",
                                       kMaxOutputs, outputs_));
    }
    return {};
  }

  Result<void> headerLine(std::string_view key, std::string_view value) {
    if (key == "num_tree_per_iteration") return number(key, value, outputs_);
    if (key == "objective") objective_ = trim(value);
    if (key == "average_output") forest_.average = true;
    if (key == "max_feature_idx") {
      std::uint32_t last = 0;
      CORBEL_CHECK(number(key, value, last));
      if (last >= kMaxFeatures) {
        return unprocessable(
            fmt::format("max_feature_idx: must be below {}, got {}", kMaxFeatures, last));
      }
      forest_.features = last + 1;
    }
    if (key == "feature_names") {
      for (std::string_view names = trim(value); !names.empty();) {
        model_.featureNames.emplace_back(takeUntil(names, ' '));
      }
    }
    return {};
  }

  Result<void> trees() {
    while (rest_.starts_with("Tree=")) {
      line();
      const std::size_t index = forest_.trees.size();
      auto read = tree();
      if (!read) {
        return std::unexpected(within(fmt::format("tree {}", index), std::move(read).error()));
      }
      read->output = static_cast<std::uint32_t>(index % outputs_);
      forest_.trees.push_back(std::move(*read));
    }
    if (rest_.starts_with("end of trees")) return {};
    return unprocessable(
        fmt::format("line {}: \"Tree=\" or \"end of trees\" expected", lineNumber_ + 1));
  }

  Result<Tree> tree() {
    Columns columns;
    while (!rest_.empty() && !rest_.starts_with("Tree=") && !rest_.starts_with("end of trees")) {
      std::string_view value = line();
      const std::string_view key = takeUntil(value, '=');
      CORBEL_CHECK(treeLine(key, value, columns));
    }
    return TreeReader(columns, forest_, allowance_).run();
  }

  static Result<void> treeLine(std::string_view key, std::string_view value, Columns& columns) {
    if (key == "num_leaves") return number(key, value, columns.leaves);
    if (key == "num_cat") return number(key, value, columns.categorySplits);
    if (key == "is_linear") columns.linear = trim(value) != "0";
    if (key == "split_feature") return numbers(key, value, columns.splitFeature);
    if (key == "decision_type") return numbers(key, value, columns.decisionType);
    if (key == "left_child") return numbers(key, value, columns.leftChild);
    if (key == "right_child") return numbers(key, value, columns.rightChild);
    if (key == "threshold") return numbers(key, value, columns.threshold);
    if (key == "leaf_value") return numbers(key, value, columns.leafValue);
    if (key == "leaf_count") return numbers(key, value, columns.leafCount);
    if (key == "internal_count") return numbers(key, value, columns.internalCount);
    if (key == "cat_boundaries") return numbers(key, value, columns.categoryBoundaries);
    if (key == "cat_threshold") return numbers(key, value, columns.categoryThreshold);
    return {};
  }

  // "binary sigmoid:1", "regression sqrt", "multiclass num_class:3"; none: a model of the user's
  // own loss.
  Result<void> applyObjective() {
    std::string_view words = objective_;
    const std::string_view name = words.empty() ? "custom" : takeUntil(words, ' ');
    const auto* found = std::ranges::find(kObjectives, name, &Objective::name);
    if (found == kObjectives.end()) {
      return unprocessable(fmt::format("objective: \"{}\" is not known", excerpt(name)));
    }
    forest_.link = found->link;
    while (!words.empty()) {
      const std::string_view word = takeUntil(words, ' ');
      if (word == "sqrt") forest_.link = Link::signedSquare;
      if (word.starts_with("sigmoid:")) {
        CORBEL_CHECK(number("objective", word.substr(8), forest_.linkScale));
      }
    }
    if (found->binary && outputs_ != 1) {
      return unprocessable(fmt::format("objective binary with {} outputs", outputs_));
    }
    nameClasses(*found);
    return {};
  }

  void nameClasses(const Objective& objective) {
    if (!objective.binary && !objective.multiclass) return;
    model_.task = Task::classifier;
    if (objective.binary) model_.finish = Finish::complement;
    auto& labels = std::get<std::vector<std::int64_t>>(model_.classLabels);
    const std::int64_t count = objective.binary ? 2 : outputs_;
    for (std::int64_t label = 0; label < count; ++label) labels.push_back(label);
  }

  std::string_view rest_;
  Allowance allowance_;
  std::size_t lineNumber_ = 0;
  std::uint32_t outputs_ = 1;
  std::string_view objective_;
  TabularModel model_;
  Forest forest_;
};

}  // namespace

Result<TabularModel> readLightgbm(std::span<const std::byte> file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  return FileReader(text).run();
}

}  // namespace corbel::inference
