// What CompiledForest keeps, in one precision.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "inference/compiled_forest.h"
#include "kernels.h"
#include "walk_forest.h"

namespace corbel::inference {

template <class T>
class ForestPlan {
 public:
  static Result<std::unique_ptr<const ForestPlan>> build(const Forest& forest,
                                                         CompiledForest::Kernel kernel);

  void margins(const T* rows, std::size_t rowCount, std::size_t stride, T* out) const;
  void predict(const T* rows, std::size_t rowCount, std::size_t stride, T* out) const;
  std::size_t memoryBytes() const;
  std::size_t stepsOfARow() const { return stepsOfARow_; }

 private:
  ForestPlan(const Forest& forest);

  Result<void> chooseKernels(const LoweredForest<T>& lowered, CompiledForest::Kernel kernel);
  void addTrees(const T* rows, std::size_t rowCount, std::size_t stride, T* sums) const;

  std::optional<WalkForest<T>> walk_;
  std::optional<ByteColumns<T>> columns_;  // of all below
  std::optional<MaskForest<T>> masks_;
  AddMasks<T>* addMasks_ = nullptr;
  std::optional<SliceForest<T>> slices_;
  std::size_t stepsOfARow_ = 0;
  std::size_t sliceRowsMin_ = 0;  // slices pay from so many rows on
  std::vector<T> baseScores_;
  std::vector<T> treeCounts_;  // of each output; empty when sums are not averaged
  Link link_;
  T linkScale_;
};

extern template class ForestPlan<float>;
extern template class ForestPlan<double>;

}  // namespace corbel::inference
