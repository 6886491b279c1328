#include "mask_forest.h"

#include <algorithm>
#include <array>

#include "leaf_index.h"

namespace corbel::inference {
namespace {

// Bit of the mask that holds the test at `heap`, the place in the top as a heap with the root at 1.
std::size_t maskBit(std::size_t heap) {
  if (heap < 8) return 8 * (heap - 1) + 7;
  std::size_t place = 1;  // within the lower subtree
  std::size_t level = 0;
  for (std::size_t up = heap; up >= 16; up /= 2) ++level;
  const std::size_t subtree = (heap >> level) - 8;
  place = (std::size_t{1} << level) | (heap & ((std::size_t{1} << level) - 1));
  return 8 * subtree + place - 1;
}

// One tree, padded to a complete one: where a path ends early, tests that always go left and copies
// of its leaf follow.
template <class T>
class TreePlacer {
 public:
  TreePlacer(const LoweredForest<T>& forest, std::size_t index, const std::vector<ByteTest>& tests)
      : forest_(forest), nodes_(forest.trees[index].nodes), tests_(tests) {}

  // The node at each place of level `level` below `root`.
  std::vector<std::int32_t> exits(std::int32_t root, int level) const {
    std::vector<std::int32_t> places{root};
    for (int i = 0; i < level; ++i) {
      std::vector<std::int32_t> next;
      for (const std::int32_t place : places) {
        const LoweredNode<T>& node = nodes_[static_cast<std::size_t>(place)];
        next.push_back(node.isLeaf() ? place : node.left);
        next.push_back(node.isLeaf() ? place : node.right);
      }
      places = std::move(next);
    }
    return places;
  }

  ByteTest test(std::int32_t node) const {
    constexpr ByteTest kAlwaysLeft{0, 255};
    return nodes_[static_cast<std::size_t>(node)].isLeaf() ? kAlwaysLeft
                                                           : tests_[static_cast<std::size_t>(node)];
  }

  T leaf(std::int32_t node) const {
    const std::uint32_t value = nodes_[static_cast<std::size_t>(node)].value;
    return forest_.vectorLeaves ? fromIndex<T>(value) : forest_.leafValues[value];
  }

 private:
  const LoweredForest<T>& forest_;
  const std::vector<LoweredNode<T>>& nodes_;
  const std::vector<ByteTest>& tests_;
};

template <class T>
MaskTop makeTop(const TreePlacer<T>& tree) {
  MaskTop top;
  std::ranges::fill(top.slots, std::uint8_t{0});
  std::ranges::fill(top.ranks, std::uint8_t{255});
  for (int level = 0; level < MaskForest<T>::kTopDepth; ++level) {
    const std::vector<std::int32_t> places = tree.exits(0, level);
    for (std::size_t i = 0; i < places.size(); ++i) {
      const ByteTest test = tree.test(places[i]);
      top.slots[maskBit(places.size() + i)] = static_cast<std::uint8_t>(test.slot);
      top.ranks[maskBit(places.size() + i)] = test.rank;
    }
  }
  return top;
}

template <class T>
void appendBottom(const TreePlacer<T>& tree, std::int32_t root, std::uint32_t depth,
                  std::vector<std::uint8_t>& bytes) {
  const std::size_t first = bytes.size();
  bytes.resize(first + MaskForest<T>::bottomBytes(depth));
  for (std::uint32_t level = 0; level < depth; ++level) {
    const std::vector<std::int32_t> places = tree.exits(root, static_cast<int>(level));
    for (std::size_t i = 0; i < places.size(); ++i) {
      const ByteTest test = tree.test(places[i]);
      bytes[first + 2 * (places.size() + i)] = static_cast<std::uint8_t>(test.slot);
      bytes[first + 2 * (places.size() + i) + 1] = test.rank;
    }
  }
  std::uint8_t* target = &bytes[first] + MaskForest<T>::testsBytes(depth);
  for (const std::int32_t exit : tree.exits(root, static_cast<int>(depth))) {
    const T leaf = tree.leaf(exit);
    __builtin_memcpy(target, &leaf, sizeof(T));
    target += sizeof(T);
  }
}

}  // namespace

template <class T>
std::optional<MaskForest<T>> MaskForest<T>::build(const LoweredForest<T>& forest,
                                                  const ByteForest<T>& bytes) {
  const auto tooDeep = [](const LoweredTree<T>& tree) { return tree.depth > kDepthMax; };
  if (bytes.columns.slots() > kSlotsMax || std::ranges::any_of(forest.trees, tooDeep))
    return std::nullopt;
  MaskForest mask;
  mask.outputs = forest.outputs;
  if (forest.vectorLeaves) mask.vectorLeaves = forest.leafValues;
  for (std::size_t i = 0; i < forest.trees.size(); ++i) {
    const TreePlacer<T> tree(forest, i, bytes.tests[i]);
    mask.tops.push_back(makeTop<T>(tree));
    const auto bottomDepth =
        static_cast<std::uint32_t>(std::max(forest.trees[i].depth - kTopDepth, 0));
    mask.roots.push_back({forest.trees[i].output, bottomDepth,
                          bottomDepth == 0 ? mask.leaves.size() : mask.bottoms.size()});
    for (const std::int32_t exit : tree.exits(0, kTopDepth)) {
      if (bottomDepth == 0)
        mask.leaves.push_back(tree.leaf(exit));
      else
        appendBottom(tree, exit, bottomDepth, mask.bottoms);
    }
  }
  return mask;
}

template <class T>
std::size_t MaskForest<T>::memoryBytes() const {
  return tops.size() * sizeof(MaskTop) + roots.size() * sizeof(Root) +
         (leaves.size() + vectorLeaves.size()) * sizeof(T) + bottoms.size();
}

template class MaskForest<float>;
template class MaskForest<double>;

}  // namespace corbel::inference
