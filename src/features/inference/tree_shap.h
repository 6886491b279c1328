// Why a forest predicted what it did: exact Shapley values of the features, in margin space.
//
// Path-dependent TreeSHAP (Lundberg, Erion, Lee: "Consistent Individualized Feature Attribution for
// Tree Ensembles", 2018, algorithm 2): a feature that is not known sends a row both ways, weighted
// by the training weight that went there. Equal to XGBoost's pred_contribs. Time a row: trees x
// leaves x depth squared.
#pragma once
#include <cstddef>
#include <memory>
#include <variant>
#include <vector>

#include "base/result.h"
#include "inference/forest.h"
#include "time_limit.h"

namespace corbel::inference {

template <class T>
class ShapTrees;

// Immutable; any number of threads may explain at once.
class TreeShap {
 public:
  // `forest` may be dropped afterwards. unprocessable: what validate() says, or the forest has
  // trees whose training weights (Node::cover) are unknown, as in ONNX files; the message names the
  // first.
  static Result<TreeShap> prepare(const Forest& forest);

  TreeShap(TreeShap&&) noexcept;
  TreeShap& operator=(TreeShap&&) noexcept;
  ~TreeShap();

  std::size_t features() const { return features_; }
  std::size_t outputs() const { return outputs_; }

  // Contributions of one row to one output, [features + 1]; the last is its expected margin, base
  // score included, and the sum is its margin. The overload must be that of the forest's precision.
  // Trees of other outputs cost nothing. deadline_exceeded: the time was over first.
  Result<std::vector<double>> explain(const float* row, std::size_t output,
                                      const TimeLimit& limit) const;
  Result<std::vector<double>> explain(const double* row, std::size_t output,
                                      const TimeLimit& limit) const;

  std::size_t memoryBytes() const;

 private:
  using Trees = std::variant<std::unique_ptr<const ShapTrees<float>>,
                             std::unique_ptr<const ShapTrees<double>>>;
  TreeShap(Trees trees, std::size_t features, std::size_t outputs);

  Trees trees_;
  std::size_t features_ = 0;
  std::size_t outputs_ = 0;
};

}  // namespace corbel::inference
