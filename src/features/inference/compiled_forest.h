// A forest made ready for fast prediction.
//
// Results are those of a plain evaluation, bit for bit, whatever the kernel and the number of rows:
// a row's sum begins with the base score, as XGBoost's does, and the leaf values are added in the
// order of the trees, each in the forest's precision. With Forest::average the sum begins with zero
// and the base score is added after the division.
//
// NaN follows Node::missingLeft. A category is truncated to an integer; negative and too large ones
// are in no set. As in the trainers, -0.5 is negative in float32 (XGBoost) and category 0 in
// float64 (LightGBM).
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <variant>

#include "base/result.h"
#include "inference/forest.h"

namespace corbel::inference {

template <class T>
class ForestPlan;

// Immutable; any number of threads may predict at once.
class CompiledForest {
 public:
  // How trees are evaluated. `best` takes masks for few rows and slices for many (from 32 on), as
  // far as the forest and the processor allow, and walks otherwise. The others exist for tests and
  // measurements; what is not possible is walked.
  enum class Kernel : std::uint8_t {
    best,
    walk,   // any forest, any processor: from node to node, eight walks at a time
    masks,  // trees of up to 9 levels, few features; AVX2 or AVX-512: all tests of a tree's top at
            // once
    masksAvx2,  // the same without AVX-512
    slices,     // trees of up to 256 leaves, AVX-512: one test for 64 rows at once
  };

  // `forest` may be dropped afterwards. unprocessable: what validate() says, or there are more
  // nodes than 32-bit indexes can name.
  static Result<CompiledForest> compile(const Forest& forest, Kernel kernel = Kernel::best);

  CompiledForest(CompiledForest&&) noexcept;
  CompiledForest& operator=(CompiledForest&&) noexcept;
  ~CompiledForest();

  // The type of rows and outputs: float for float32, double for float64.
  Precision precision() const;
  std::size_t features() const { return features_; }
  std::size_t outputs() const { return outputs_; }

  // Writes outputs() numbers a row to `out`, after the link. Rows have features() numbers and begin
  // `rowStride` numbers apart. The overload must be that of precision().
  void predict(const float* rows, std::size_t rowCount, std::size_t rowStride, float* out) const;
  void predict(const double* rows, std::size_t rowCount, std::size_t rowStride, double* out) const;

  // The same before the link: the margins.
  void margins(const float* rows, std::size_t rowCount, std::size_t rowStride, float* out) const;
  void margins(const double* rows, std::size_t rowCount, std::size_t rowStride, double* out) const;

  std::size_t memoryBytes() const;

  // About how many nanoseconds one row takes, by counting: columns, nodes on the way to the leaves,
  // leaf values.
  std::size_t stepsOfARow() const;

 private:
  using Plan = std::variant<std::unique_ptr<const ForestPlan<float>>,
                            std::unique_ptr<const ForestPlan<double>>>;
  CompiledForest(Plan plan, std::size_t features, std::size_t outputs);

  Plan plan_;
  std::size_t features_ = 0;
  std::size_t outputs_ = 0;
};

}  // namespace corbel::inference
