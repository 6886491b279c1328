#include "forest_plan.h"

#include <algorithm>
#include <utility>

#include "link.h"

namespace corbel::inference {
namespace {

using Kernel = CompiledForest::Kernel;

// Measured on Zen 4 with 100 trees of depth 6 and 1,000 of depth 8: slices take as long for one row
// as for 64, and as long as so many rows with masks or by walking.
constexpr std::size_t kSliceRowsMin = 32;
constexpr std::size_t kSliceRowsMinWithoutMasks = 12;

template <class T>
std::vector<T> treesPerOutput(const Forest& forest) {
  if (forest.vectorLeaves)
    return std::vector<T>(forest.outputs, static_cast<T>(forest.trees.size()));
  std::vector<T> counts(forest.outputs, T{0});
  for (const Tree& tree : forest.trees) counts[tree.output] += 1;
  for (T& count : counts) count = std::max(count, T{1});
  return counts;
}

}  // namespace

template <class T>
Result<std::unique_ptr<const ForestPlan<T>>> ForestPlan<T>::build(const Forest& forest,
                                                                  Kernel kernel) {
  std::unique_ptr<ForestPlan> plan(new ForestPlan(forest));
  const LoweredForest<T> lowered = lower<T>(forest);
  CORBEL_CHECK(plan->chooseKernels(lowered, kernel));
  plan->stepsOfARow_ = lowered.visitsOfARow() + lowered.trees.size() * lowered.leafStride();
  if (!plan->walk_ || !plan->walk_->asksAtNodes()) plan->stepsOfARow_ += lowered.columns.size();
  return plan;
}

template <class T>
ForestPlan<T>::ForestPlan(const Forest& forest)
    : baseScores_(forest.outputs, T{0}),
      link_(forest.link),
      linkScale_(static_cast<T>(forest.linkScale)) {
  for (std::size_t i = 0; i < baseScores_.size(); ++i)
    baseScores_[i] = static_cast<T>(forest.baseScores[i]);
  if (forest.average) treeCounts_ = treesPerOutput<T>(forest);
}

template <class T>
Result<void> ForestPlan<T>::chooseKernels(const LoweredForest<T>& lowered, Kernel kernel) {
  const bool usesAvx512 = hasAvx512() && kernel != Kernel::masksAvx2;
  if (kernel != Kernel::walk && hasAvx2()) {
    if (auto bytes = toBytes(lowered, SliceForest<T>::kSlotsMax)) {
      const bool wantsSlices = kernel == Kernel::best || kernel == Kernel::slices;
      if (kernel != Kernel::slices) masks_ = MaskForest<T>::build(lowered, *bytes);
      if (wantsSlices && usesAvx512) slices_ = SliceForest<T>::build(lowered, *bytes);
      columns_ = std::move(bytes->columns);
    }
  }
  addMasks_ = usesAvx512 ? &addMasksAvx512<T> : &addMasksAvx2<T>;
  sliceRowsMin_ = masks_ ? kSliceRowsMin : kSliceRowsMinWithoutMasks;
  if (kernel == Kernel::slices) sliceRowsMin_ = 1;
  const bool needsWalk = !masks_ && !(slices_ && sliceRowsMin_ == 1);
  if (!needsWalk) return {};
  CORBEL_TRY(walk_, WalkForest<T>::build(lowered));
  return {};
}

template <class T>
void ForestPlan<T>::addTrees(const T* rows, std::size_t rowCount, std::size_t stride,
                             T* sums) const {
  if (slices_ && rowCount >= sliceRowsMin_) {
    addSlicesAvx512(*slices_, *columns_, rows, rowCount, stride, sums);
  } else if (masks_) {
    addMasks_(*masks_, *columns_, rows, rowCount, stride, sums);
  } else {
    walk_->addTo(rows, rowCount, stride, sums);
  }
}

template <class T>
void ForestPlan<T>::margins(const T* rows, std::size_t rowCount, std::size_t stride, T* out) const {
  const std::size_t outputs = baseScores_.size();
  if (treeCounts_.empty()) {
    for (std::size_t row = 0; row < rowCount; ++row) {
      std::copy(baseScores_.begin(), baseScores_.end(), out + row * outputs);
    }
    addTrees(rows, rowCount, stride, out);
    return;
  }
  std::fill(out, out + rowCount * outputs, T{0});
  addTrees(rows, rowCount, stride, out);
  for (std::size_t i = 0; i < rowCount * outputs; ++i) {
    out[i] = out[i] / treeCounts_[i % outputs] + baseScores_[i % outputs];
  }
}

template <class T>
void ForestPlan<T>::predict(const T* rows, std::size_t rowCount, std::size_t stride, T* out) const {
  margins(rows, rowCount, stride, out);
  applyLink(link_, linkScale_, rowCount, baseScores_.size(), out);
}

template <class T>
std::size_t ForestPlan<T>::memoryBytes() const {
  std::size_t bytes = sizeof(*this) + (baseScores_.size() + treeCounts_.size()) * sizeof(T);
  if (walk_) bytes += walk_->memoryBytes();
  if (columns_) bytes += columns_->memoryBytes();
  if (masks_) bytes += masks_->memoryBytes();
  if (slices_) bytes += slices_->memoryBytes();
  return bytes;
}

template class ForestPlan<float>;
template class ForestPlan<double>;

}  // namespace corbel::inference
