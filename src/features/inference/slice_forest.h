// Trees for many rows at a time, a bit a row. Each different test of the forest is done once for
// 512 rows; its results are combined with the bits of the rows that reach a node, so that every
// row's path is followed without a branch or a look-up. The leaf's number comes out as bit planes
// and its value from vector registers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "byte_forest.h"

namespace corbel::inference {

template <class T>
class SliceForest {
 public:
  static constexpr std::size_t kSlotsMax = 512;
  static constexpr std::size_t kTestsMax =
      16384;  // their results should stay in the second-level cache
  static constexpr std::size_t kLeavesMax = 256;  // of a tree
  static constexpr int kFullDepthMax = 8;
  static constexpr std::size_t kOutputsMax = 16;
  static constexpr std::size_t kMasksMax = 2 * kLeavesMax;

  // For trees of any shape: reads the mask of rows at `from`, writes those of the rows that go left
  // and right. Parents come before children; masks nobody reads are written to a place of their
  // own.
  struct Step {
    std::uint32_t test = 0;
    std::uint16_t from = 0;
    std::uint16_t left = 0;
    std::uint16_t right = 0;
  };
  struct Root {
    std::uint32_t output = 0;
    std::uint32_t planeCount = 0;  // bits of a leaf number
    std::uint32_t fullDepth = 0;   // of a tree made complete; 0: steps
    std::uint32_t firstTest = 0;   // complete: in fullTests, in heap order from place 1 on
    std::uint32_t firstStep = 0;
    std::uint32_t stepCount = 0;
    std::uint32_t firstMember =
        0;  // in planeMembers: of each plane the count, then the masks whose union it is
    std::size_t firstLeaf = 0;  // 2^planeCount values an output
  };

  // Nothing when a tree has more leaves than kLeavesMax or the forest more slots, tests or
  // outputs than allowed.
  static std::optional<SliceForest> build(const LoweredForest<T>& forest,
                                          const ByteForest<T>& bytes);

  std::size_t memoryBytes() const;

  // What kernels read.
  std::vector<Root> roots;
  std::vector<ByteTest> tests;  // all different; results of the first are never right
  std::vector<std::uint32_t> fullTests;
  std::vector<Step> steps;
  std::vector<std::uint16_t> planeMembers;
  std::vector<T> leaves;
  std::uint32_t outputs = 1;
  bool vectorLeaves = false;
};

extern template class SliceForest<float>;
extern template class SliceForest<double>;

}  // namespace corbel::inference
