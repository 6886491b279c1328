#include "slice_forest.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

namespace corbel::inference {
namespace {

// Tables of leaf values fill at least two vector registers of 16, so that look-ups have one form.
constexpr std::uint32_t kPlanesMin = 5;

// A full tree does fewer and cheaper operations a test than steps do, but it also does the tests
// that are not there.
constexpr std::size_t kFullTestsPerSplit = 3;

// Numbers the different tests of a forest, those of a slot together: their rows' bytes are then
// still at hand.
class TestTable {
 public:
  template <class T>
  TestTable(const LoweredForest<T>& forest, const ByteForest<T>& bytes) {
    for (std::size_t tree = 0; tree < forest.trees.size(); ++tree) {
      for (std::size_t i = 0; i < forest.trees[tree].nodes.size(); ++i) {
        if (!forest.trees[tree].nodes[i].isLeaf()) keys_.push_back(keyOf(bytes.tests[tree][i]));
      }
    }
    std::ranges::sort(keys_);
    keys_.erase(std::ranges::unique(keys_).begin(), keys_.end());
  }

  std::size_t size() const { return keys_.size() + 1; }

  std::uint32_t indexOf(const ByteTest& test) const {
    return static_cast<std::uint32_t>(std::ranges::lower_bound(keys_, keyOf(test)) - keys_.begin() +
                                      1);
  }

  std::vector<ByteTest> tests() const {
    std::vector<ByteTest> tests{{0, 255}};  // no byte is above 255
    for (const std::uint32_t key : keys_)
      tests.push_back({key >> 8, static_cast<std::uint8_t>(key & 255)});
    return tests;
  }

 private:
  static std::uint32_t keyOf(const ByteTest& test) { return test.slot << 8 | test.rank; }

  std::vector<std::uint32_t> keys_;
};

// Makes a tree complete: where a path ends early, tests that nothing passes and copies of its leaf
// follow.
template <class T>
void appendFullTree(const LoweredForest<T>& forest, std::size_t index,
                    const std::vector<ByteTest>& tests, const TestTable& table,
                    SliceForest<T>& slices) {
  const LoweredTree<T>& tree = forest.trees[index];
  typename SliceForest<T>::Root root;
  root.output = tree.output;
  root.fullDepth = static_cast<std::uint32_t>(tree.depth);
  root.planeCount = std::max(root.fullDepth, kPlanesMin);
  root.firstTest = static_cast<std::uint32_t>(slices.fullTests.size());
  root.firstLeaf = slices.leaves.size();
  slices.fullTests.push_back(0);
  std::vector<std::int32_t> places{0};
  for (std::uint32_t level = 0; level < root.fullDepth; ++level) {
    std::vector<std::int32_t> next;
    for (const std::int32_t place : places) {
      const LoweredNode<T>& node = tree.nodes[static_cast<std::size_t>(place)];
      slices.fullTests.push_back(
          node.isLeaf() ? 0 : table.indexOf(tests[static_cast<std::size_t>(place)]));
      next.push_back(node.isLeaf() ? place : node.left);
      next.push_back(node.isLeaf() ? place : node.right);
    }
    places = std::move(next);
  }
  for (std::size_t output = 0; output < forest.leafStride(); ++output) {
    for (std::size_t i = 0; i < std::size_t{1} << root.planeCount; ++i) {
      const std::int32_t place = i < places.size() ? places[i] : places[0];
      slices.leaves.push_back(
          forest.leafValues[tree.nodes[static_cast<std::size_t>(place)].value + output]);
    }
  }
  slices.roots.push_back(root);
}

// Brings one tree into steps. A mask is named by the place of its node in breadth-first order.
template <class T>
class SliceBuilder {
 public:
  SliceBuilder(const LoweredForest<T>& forest, std::size_t tree, const std::vector<ByteTest>& tests,
               const TestTable& table)
      : forest_(forest),
        tree_(forest.trees[tree]),
        nodes_(tree_.nodes),
        tests_(tests),
        table_(table) {
    orderNodes();
    numberLeaves();
  }

  void appendTo(SliceForest<T>& slices) {
    typename SliceForest<T>::Root root;
    root.output = tree_.output;
    root.planeCount =
        std::max(static_cast<std::uint32_t>(std::bit_width(leafCount_ - 1)), kPlanesMin);
    root.firstMember = static_cast<std::uint32_t>(slices.planeMembers.size());
    appendPlanes(root.planeCount, slices.planeMembers);
    root.firstStep = static_cast<std::uint32_t>(slices.steps.size());
    appendSteps(slices.steps);
    root.stepCount = static_cast<std::uint32_t>(slices.steps.size() - root.firstStep);
    root.firstLeaf = slices.leaves.size();
    appendLeaves(root.planeCount, slices.leaves);
    slices.roots.push_back(root);
  }

 private:
  const LoweredNode<T>& nodeAt(std::size_t place) const {
    return nodes_[static_cast<std::size_t>(order_[place])];
  }

  void orderNodes() {
    order_.push_back(0);
    for (std::size_t i = 0; i < order_.size(); ++i) {
      firstChild_.push_back(order_.size());
      if (nodeAt(i).isLeaf()) continue;
      order_.push_back(nodeAt(i).left);
      order_.push_back(nodeAt(i).right);
    }
    isRead_.assign(order_.size(), false);
  }

  // From left to right: the leaves below a node have numbers in a row.
  void numberLeaves() {
    leavesBelow_.assign(order_.size(), 1);
    for (std::size_t i = order_.size(); i-- > 0;) {
      if (!nodeAt(i).isLeaf())
        leavesBelow_[i] = leavesBelow_[firstChild_[i]] + leavesBelow_[firstChild_[i] + 1];
    }
    leafCount_ = leavesBelow_[0];
    firstLeaf_.assign(order_.size(), 0);
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (nodeAt(i).isLeaf()) continue;
      firstLeaf_[firstChild_[i]] = firstLeaf_[i];
      firstLeaf_[firstChild_[i] + 1] = firstLeaf_[i] + leavesBelow_[firstChild_[i]];
    }
  }

  // How many of the leaves below `place` have the bit of `plane` set: all, none or some.
  std::size_t leavesIn(std::uint32_t plane, std::size_t place) const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < leavesBelow_[place]; ++i)
      count += (firstLeaf_[place] + i) >> plane & 1;
    return count;
  }

  // The largest subtrees whose leaves are all in the plane.
  void appendPlanes(std::uint32_t planeCount, std::vector<std::uint16_t>& members) {
    for (std::uint32_t plane = 0; plane < planeCount; ++plane) {
      const std::size_t countPlace = members.size();
      members.push_back(0);
      std::vector<std::size_t> open{0};
      while (!open.empty()) {
        const std::size_t place = open.back();
        open.pop_back();
        const std::size_t inPlane = leavesIn(plane, place);
        if (inPlane == leavesBelow_[place]) {
          isRead_[place] = true;
          members.push_back(static_cast<std::uint16_t>(place));
        } else if (inPlane > 0) {
          open.push_back(firstChild_[place]);
          open.push_back(firstChild_[place] + 1);
        }
      }
      members[countPlace] = static_cast<std::uint16_t>(members.size() - countPlace - 1);
    }
  }

  void appendSteps(std::vector<typename SliceForest<T>::Step>& steps) {
    const auto target = [this](std::size_t place) {
      const bool isRead = !nodeAt(place).isLeaf() || isRead_[place];
      return static_cast<std::uint16_t>(isRead ? place : SliceForest<T>::kMasksMax);
    };
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (nodeAt(i).isLeaf()) continue;
      const std::uint32_t test = table_.indexOf(tests_[static_cast<std::size_t>(order_[i])]);
      steps.push_back({test, static_cast<std::uint16_t>(i), target(firstChild_[i]),
                       target(firstChild_[i] + 1)});
    }
  }

  void appendLeaves(std::uint32_t planeCount, std::vector<T>& leaves) const {
    const std::size_t size = std::size_t{1} << planeCount;
    const std::size_t first = leaves.size();
    leaves.resize(first + size * forest_.leafStride());
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (!nodeAt(i).isLeaf()) continue;
      for (std::size_t output = 0; output < forest_.leafStride(); ++output) {
        leaves[first + output * size + firstLeaf_[i]] =
            forest_.leafValues[nodeAt(i).value + output];
      }
    }
  }

  const LoweredForest<T>& forest_;
  const LoweredTree<T>& tree_;
  const std::vector<LoweredNode<T>>& nodes_;
  const std::vector<ByteTest>& tests_;
  const TestTable& table_;
  std::vector<std::int32_t> order_;
  std::vector<std::size_t> firstChild_;
  std::vector<std::size_t> leavesBelow_;
  std::vector<std::size_t> firstLeaf_;
  std::vector<bool> isRead_;
  std::size_t leafCount_ = 0;
};

}  // namespace

template <class T>
std::optional<SliceForest<T>> SliceForest<T>::build(const LoweredForest<T>& forest,
                                                    const ByteForest<T>& bytes) {
  // A tree of n leaves has 2n - 1 nodes.
  const auto tooLarge = [](const LoweredTree<T>& tree) {
    return tree.nodes.size() > 2 * kLeavesMax - 1;
  };
  if (bytes.columns.slots() > kSlotsMax || forest.outputs > kOutputsMax ||
      std::ranges::any_of(forest.trees, tooLarge)) {
    return std::nullopt;
  }
  const TestTable table(forest, bytes);
  if (table.size() > kTestsMax) return std::nullopt;
  SliceForest slices;
  slices.outputs = forest.outputs;
  slices.vectorLeaves = forest.vectorLeaves;
  slices.tests = table.tests();
  for (std::size_t i = 0; i < forest.trees.size(); ++i) {
    const LoweredTree<T>& tree = forest.trees[i];
    const std::size_t splits = tree.nodes.size() / 2;
    if (splits > 0 && tree.depth <= kFullDepthMax &&
        (std::size_t{1} << tree.depth) <= kFullTestsPerSplit * splits + 1) {
      appendFullTree(forest, i, bytes.tests[i], table, slices);
    } else {
      SliceBuilder<T>(forest, i, bytes.tests[i], table).appendTo(slices);
    }
  }
  return slices;
}

template <class T>
std::size_t SliceForest<T>::memoryBytes() const {
  return roots.size() * sizeof(Root) + tests.size() * sizeof(ByteTest) +
         fullTests.size() * sizeof(std::uint32_t) + steps.size() * sizeof(Step) +
         planeMembers.size() * sizeof(std::uint16_t) + leaves.size() * sizeof(T);
}

template class SliceForest<float>;
template class SliceForest<double>;

}  // namespace corbel::inference
