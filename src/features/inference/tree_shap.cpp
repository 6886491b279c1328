#include "inference/tree_shap.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "lowered_forest.h"
#include "shap_path.h"

namespace corbel::inference {
namespace {

// A visit costs its path's length, at a leaf the square of it: some milliseconds for so many.
constexpr std::size_t kVisitsBetweenChecks = 256;

double takenShare(const PathFeature* path, std::size_t length, double zeroFraction) {
  const double size = static_cast<double>(length + 1);
  const double step = zeroFraction * kReciprocals.of[length + 1];
  double next = path[length].weight;
  double sum = 0;
  for (std::size_t i = length; i-- > 0;) {
    const double weight = next * size * kReciprocals.of[i + 1];
    sum += weight;
    next = path[i].weight - weight * step * static_cast<double>(length - i);
  }
  return sum * (1 - zeroFraction);
}

}  // namespace

template <class T>
class ShapTrees {
 public:
  explicit ShapTrees(const Forest& forest);

  Result<std::vector<double>> explain(const T* row, std::size_t output,
                                      const TimeLimit& limit) const;
  std::size_t memoryBytes() const;

 private:
  struct Split {
    T threshold = 0;
    std::uint32_t column = 0;
    std::uint32_t feature = 0;
    std::int32_t left = Node::kLeaf;
    std::int32_t right = Node::kLeaf;
    std::uint32_t value = 0;
    double leftFraction = 0;  // of the training weight here
    double rightFraction = 0;
    bool isLeaf() const { return left == Node::kLeaf; }
  };
  struct SplitTree {
    std::vector<Split> nodes;
    std::uint32_t output = 0;
  };
  // A node still to be visited: its parent's path begins at `parent`, and is extended by the
  // parent's test on the way.
  struct Visit {
    std::int32_t node = 0;
    std::size_t parent = 0;
    std::size_t length = 0;
    std::uint32_t feature = 0;
    double zeroFraction = 1;
    bool taken = true;
  };
  struct Workspace {
    std::vector<T> columns;
    std::vector<PathFeature> paths;
    std::vector<Visit> open;
    std::size_t visits = 0;  // of all trees so far
    std::size_t output = 0;  // the one that is explained
  };

  static SplitTree splitTree(const LoweredForest<T>& lowered, const LoweredTree<T>& tree);
  void addExpected(const SplitTree& tree);
  Result<void> explainTree(const SplitTree& tree, Workspace& work, const TimeLimit& limit,
                           double* contributions) const;
  void visitSplit(const Split& split, PathFeature* path, const Visit& visit, Workspace& work) const;
  void addLeaf(double value, const PathFeature* path, std::size_t length,
               double* contributions) const;
  bool addsTo(const SplitTree& tree, std::size_t output) const {
    return vectorLeaves_ || tree.output == output;
  }
  std::size_t leafWidth() const { return vectorLeaves_ ? outputs_ : 1; }

  std::vector<Column<T>> columns_;
  std::vector<CategorySet> sets_;
  std::vector<SplitTree> trees_;
  std::vector<double> leafValues_;
  std::vector<double> expected_;  // of each output, base score included
  std::vector<double> scale_;     // of each output: 1, or 1 / trees when averaged
  std::size_t features_ = 0;
  std::size_t outputs_ = 0;
  std::size_t depth_ = 0;
  bool vectorLeaves_ = false;
};

template <class T>
ShapTrees<T>::ShapTrees(const Forest& forest)
    : expected_(forest.outputs, 0.0),
      scale_(forest.outputs, 1.0),
      features_(forest.features),
      outputs_(forest.outputs),
      vectorLeaves_(forest.vectorLeaves) {
  LoweredForest<T> lowered = lower<T>(forest);
  leafValues_.assign(lowered.leafValues.begin(), lowered.leafValues.end());
  std::vector<std::size_t> counts(outputs_, 0);
  for (const LoweredTree<T>& tree : lowered.trees) {
    depth_ = std::max(depth_, static_cast<std::size_t>(tree.depth));
    trees_.push_back(splitTree(lowered, tree));
    addExpected(trees_.back());
    for (std::size_t i = 0; i < leafWidth(); ++i) ++counts[tree.output + i];
  }
  for (std::size_t i = 0; i < outputs_; ++i) {
    if (forest.average && counts[i] > 0) scale_[i] = 1.0 / static_cast<double>(counts[i]);
    expected_[i] = expected_[i] * scale_[i] + forest.baseScores[i];
  }
  columns_ = std::move(lowered.columns);
  sets_ = std::move(lowered.sets);
}

template <class T>
typename ShapTrees<T>::SplitTree ShapTrees<T>::splitTree(const LoweredForest<T>& lowered,
                                                         const LoweredTree<T>& tree) {
  SplitTree result;
  result.output = tree.output;
  result.nodes.reserve(tree.nodes.size());
  for (const LoweredNode<T>& node : tree.nodes) {
    Split& split = result.nodes.emplace_back();
    split.value = node.value;
    if (node.isLeaf()) continue;
    split.threshold = node.threshold;
    split.column = node.column;
    split.feature = lowered.columns[node.column].feature;
    split.left = node.left;
    split.right = node.right;
    if (node.cover == 0) continue;  // no training row came here
    const auto cover = static_cast<double>(node.cover);
    split.leftFraction =
        static_cast<double>(tree.nodes[static_cast<std::size_t>(node.left)].cover) / cover;
    split.rightFraction =
        static_cast<double>(tree.nodes[static_cast<std::size_t>(node.right)].cover) / cover;
  }
  return result;
}

template <class T>
void ShapTrees<T>::addExpected(const SplitTree& tree) {
  std::vector<std::pair<std::int32_t, double>> open{{0, 1.0}};
  while (!open.empty()) {
    const auto [index, share] = open.back();
    open.pop_back();
    const Split& node = tree.nodes[static_cast<std::size_t>(index)];
    if (node.isLeaf()) {
      for (std::size_t i = 0; i < leafWidth(); ++i)
        expected_[tree.output + i] += share * leafValues_[node.value + i];
      continue;
    }
    open.emplace_back(node.left, share * node.leftFraction);
    open.emplace_back(node.right, share * node.rightFraction);
  }
}

template <class T>
Result<std::vector<double>> ShapTrees<T>::explain(const T* row, std::size_t output,
                                                  const TimeLimit& limit) const {
  std::vector<double> contributions(features_ + 1, 0.0);
  Workspace work;
  work.output = output;
  for (const Column<T>& column : columns_) work.columns.push_back(columnValue(column, sets_, row));
  work.paths.resize((depth_ + 2) * (depth_ + 3) /
                    2);  // one path a level, each one longer than the last
  for (const SplitTree& tree : trees_) {
    if (!addsTo(tree, output)) continue;
    CORBEL_CHECK(explainTree(tree, work, limit, contributions.data()));
  }
  for (double& value : contributions) value *= scale_[output];
  contributions[features_] = expected_[output];
  return contributions;
}

template <class T>
Result<void> ShapTrees<T>::explainTree(const SplitTree& tree, Workspace& work,
                                       const TimeLimit& limit, double* contributions) const {
  if (tree.nodes[0].isLeaf()) return {};
  // The root extends an empty path by a feature that stands for none.
  work.open.assign(1, Visit{});
  while (!work.open.empty()) {
    if (work.visits++ % kVisitsBetweenChecks == 0) CORBEL_CHECK(limit.check());
    const Visit visit = work.open.back();
    work.open.pop_back();
    const PathFeature* const parent = work.paths.data() + visit.parent;
    PathFeature* const path = work.paths.data() + visit.parent + visit.length;
    std::copy_n(parent, visit.length, path);
    extend(path, visit.length, visit.feature, visit.zeroFraction, visit.taken);
    const Split& node = tree.nodes[static_cast<std::size_t>(visit.node)];
    if (node.isLeaf()) {
      const double value = leafValues_[node.value + (vectorLeaves_ ? work.output : 0)];
      addLeaf(value, path, visit.length, contributions);
    } else {
      visitSplit(node, path, visit, work);
    }
  }
  return {};
}

template <class T>
void ShapTrees<T>::visitSplit(const Split& split, PathFeature* path, const Visit& visit,
                              Workspace& work) const {
  double zero = 1;
  bool taken = true;
  std::size_t length = visit.length;
  // A feature tested before is taken out, and comes in again with both tests.
  for (std::size_t place = 1; place <= length; ++place) {
    if (path[place].feature != split.feature) continue;
    zero = path[place].zeroFraction;
    taken = path[place].taken;
    unwind(path, length, place);
    --length;
    break;
  }
  const auto begin = static_cast<std::size_t>(path - work.paths.data());
  const bool goesRight = work.columns[split.column] > split.threshold;
  const auto open = [&](std::int32_t child, double fraction, bool isNext) {
    const Visit next{child, begin, length + 1, split.feature, zero * fraction, taken && isNext};
    // Else nobody gets there, whatever is known: no subset has weight.
    if (next.zeroFraction != 0 || next.taken) work.open.push_back(next);
  };
  open(split.left, split.leftFraction, !goesRight);
  open(split.right, split.rightFraction, goesRight);
}

// A feature's share is the sum of the weights that the others alone would have (unwind() without
// writing), times one fraction minus zero fraction. Where the row does not take the feature's way,
// that product is the same for all features.
template <class T>
void ShapTrees<T>::addLeaf(double value, const PathFeature* path, std::size_t length,
                           double* contributions) const {
  const double size = static_cast<double>(length + 1);
  double notTaken = 0;
  for (std::size_t i = 0; i < length; ++i)
    notTaken -= path[i].weight * size * kReciprocals.of[length - i];
  for (std::size_t place = 1; place <= length; ++place) {
    const PathFeature& element = path[place];
    const double share = element.taken ? takenShare(path, length, element.zeroFraction) : notTaken;
    contributions[element.feature] += share * value;
  }
}

template <class T>
std::size_t ShapTrees<T>::memoryBytes() const {
  std::size_t bytes = columns_.size() * sizeof(Column<T>) +
                      (leafValues_.size() + expected_.size() + scale_.size()) * sizeof(double);
  for (const SplitTree& tree : trees_) bytes += sizeof(tree) + tree.nodes.size() * sizeof(Split);
  for (const CategorySet& set : sets_)
    bytes += sizeof(CategorySet) + set.size() * sizeof(std::uint32_t);
  return bytes;
}

namespace {

bool isWeight(float cover) { return std::isfinite(cover) && cover >= 0; }

Result<void> checkCovers(const Forest& forest) {
  for (std::size_t i = 0; i < forest.trees.size(); ++i) {
    const std::vector<Node>& nodes = forest.trees[i].nodes;
    const bool known = nodes[0].cover > 0 && std::ranges::all_of(nodes, isWeight, &Node::cover);
    if (known || nodes[0].isLeaf()) continue;
    return fail(ErrorCode::unprocessable,
                fmt::format("tree {}: the training weight of its nodes is unknown, so exact "
                            "contributions cannot be told",
                            i));
  }
  return {};
}

}  // namespace

Result<TreeShap> TreeShap::prepare(const Forest& forest) {
  CORBEL_CHECK(validate(forest));
  CORBEL_CHECK(checkCovers(forest));
  if (forest.precision == Precision::float32) {
    return TreeShap(std::make_unique<const ShapTrees<float>>(forest), forest.features,
                    forest.outputs);
  }
  return TreeShap(std::make_unique<const ShapTrees<double>>(forest), forest.features,
                  forest.outputs);
}

TreeShap::TreeShap(Trees trees, std::size_t features, std::size_t outputs)
    : trees_(std::move(trees)), features_(features), outputs_(outputs) {}

TreeShap::TreeShap(TreeShap&&) noexcept = default;
TreeShap& TreeShap::operator=(TreeShap&&) noexcept = default;
TreeShap::~TreeShap() = default;

Result<std::vector<double>> TreeShap::explain(const float* row, std::size_t output,
                                              const TimeLimit& limit) const {
  return std::get<0>(trees_)->explain(row, output, limit);
}
Result<std::vector<double>> TreeShap::explain(const double* row, std::size_t output,
                                              const TimeLimit& limit) const {
  return std::get<1>(trees_)->explain(row, output, limit);
}

std::size_t TreeShap::memoryBytes() const {
  return sizeof(*this) + std::visit([](const auto& trees) { return trees->memoryBytes(); }, trees_);
}

}  // namespace corbel::inference
