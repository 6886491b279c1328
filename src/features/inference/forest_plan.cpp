#include "forest_plan.h"

#include <algorithm>
#include <utility>

#include "link.h"

namespace corbel::inference {
namespace {

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
                                                                  CompiledForest::Kernel) {
  CORBEL_TRY(auto walk, WalkForest<T>::build(lower<T>(forest)));
  return std::unique_ptr<const ForestPlan>(new ForestPlan(forest, std::move(walk)));
}

template <class T>
ForestPlan<T>::ForestPlan(const Forest& forest, WalkForest<T> walk)
    : walk_(std::move(walk)),
      baseScores_(forest.outputs, T{0}),
      link_(forest.link),
      linkScale_(static_cast<T>(forest.linkScale)) {
  for (std::size_t i = 0; i < baseScores_.size(); ++i)
    baseScores_[i] = static_cast<T>(forest.baseScores[i]);
  if (forest.average) treeCounts_ = treesPerOutput<T>(forest);
}

template <class T>
void ForestPlan<T>::margins(const T* rows, std::size_t rowCount, std::size_t stride, T* out) const {
  const std::size_t outputs = baseScores_.size();
  if (treeCounts_.empty()) {
    for (std::size_t row = 0; row < rowCount; ++row) {
      std::copy(baseScores_.begin(), baseScores_.end(), out + row * outputs);
    }
    walk_.addTo(rows, rowCount, stride, out);
    return;
  }
  std::fill(out, out + rowCount * outputs, T{0});
  walk_.addTo(rows, rowCount, stride, out);
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
  return sizeof(*this) + walk_.memoryBytes() +
         (baseScores_.size() + treeCounts_.size()) * sizeof(T);
}

template class ForestPlan<float>;
template class ForestPlan<double>;

}  // namespace corbel::inference
