// Trees of few levels as bit masks: one vector comparison decides every test of a tree's first six
// levels for a row, and the row's leaf is read off the resulting 63 bits with two table look-ups.
// Fit for few rows at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "byte_forest.h"

namespace corbel::inference {

// The tests of a tree's first six levels, made complete. Byte j holds in bits 0 to 6 the tests of
// the three-level subtree below the third level's j-th exit, in heap order; bits 7 of the bytes
// hold those of the three levels above.
struct alignas(64) MaskTop {
  std::uint8_t slots[64];
  std::uint8_t ranks[64];
};

template <class T>
class MaskForest {
 public:
  static constexpr std::size_t kSlotsMax = 128;
  static constexpr int kTopDepth = 6;
  static constexpr int kDepthMax = 9;

  struct Root {
    std::uint32_t output = 0;
    std::uint32_t bottomDepth = 0;  // levels below the top
    std::size_t first = 0;          // 0 levels: first of 64 leaves; else first byte of 64 bottoms
  };

  // Nothing when a tree is too deep.
  static std::optional<MaskForest> build(const LoweredForest<T>& forest,
                                         const ByteForest<T>& bytes);

  // Bytes of a bottom: its tests in heap order from place 1 on (slot and rank, two bytes), then its
  // leaves.
  static constexpr std::size_t testsBytes(std::uint32_t depth) { return (std::size_t{2} << depth); }
  static constexpr std::size_t bottomBytes(std::uint32_t depth) {
    return testsBytes(depth) + (sizeof(T) << depth);
  }

  std::size_t memoryBytes() const;

  // What kernels read. A leaf is a value, or with vector leaves the index of its values.
  std::vector<MaskTop> tops;
  std::vector<Root> roots;
  std::vector<T> leaves;
  std::vector<std::uint8_t> bottoms;
  std::vector<T> vectorLeaves;
  std::uint32_t outputs = 1;
};

// Exit of a three-level subtree by its seven tests in heap order.
struct ExitTable {
  std::uint8_t exits[128];
};
consteval ExitTable makeExitTable() {
  ExitTable table{};
  for (unsigned tests = 0; tests < 128; ++tests) {
    unsigned place = 1;
    for (int level = 0; level < 3; ++level) place = 2 * place + (tests >> (place - 1) & 1);
    table.exits[tests] = static_cast<std::uint8_t>(place - 8);
  }
  return table;
}
inline constexpr ExitTable kExits = makeExitTable();

extern template class MaskForest<float>;
extern template class MaskForest<double>;

}  // namespace corbel::inference
