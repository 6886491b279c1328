#include "byte_forest.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <span>
#include <utility>

namespace corbel::inference {
namespace {

// A rank of 255 says "above them all", also for missing values.
constexpr std::size_t kScaleSize = 255;
constexpr std::uint8_t kHighest = 255;

}  // namespace

template <class T>
class ByteBuilder {
 public:
  explicit ByteBuilder(const LoweredForest<T>& forest) : forest_(forest) {}

  std::optional<ByteForest<T>> run(std::size_t slotsMax) {
    collectThresholds();
    std::vector<std::vector<ByteTest>> tests;
    for (const LoweredTree<T>& tree : forest_.trees) {
      std::vector<ByteTest>& treeTests = tests.emplace_back(tree.nodes.size());
      for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
        if (!tree.nodes[i].isLeaf()) treeTests[i] = test(tree.nodes[i]);
      }
      if (columns_.slots_ > slotsMax) return std::nullopt;
    }
    finish();
    return ByteForest<T>{std::move(columns_), std::move(tests)};
  }

 private:
  using ScaleKey = std::pair<std::uint32_t, bool>;  // feature, zeroIsMissing

  static ScaleKey keyOf(const Column<T>& column) { return {column.feature, column.zeroIsMissing}; }

  const Column<T>& columnOf(const LoweredNode<T>& node) const {
    return forest_.columns[node.column];
  }

  void collectThresholds() {
    for (const LoweredTree<T>& tree : forest_.trees) {
      for (const LoweredNode<T>& node : tree.nodes) {
        if (node.isLeaf() || columnOf(node).kind != Column<T>::Kind::value) continue;
        thresholds_[keyOf(columnOf(node))].push_back(node.threshold);
      }
    }
    for (auto& [key, values] : thresholds_) {
      std::ranges::sort(values);
      values.erase(std::ranges::unique(values).begin(), values.end());
    }
  }

  ByteTest test(const LoweredNode<T>& node) {
    const Column<T>& column = columnOf(node);
    if (column.kind != Column<T>::Kind::value) return {flagSlot(node.column), 0};
    const std::vector<T>& values = thresholds_[keyOf(column)];
    const auto place =
        static_cast<std::size_t>(std::ranges::lower_bound(values, node.threshold) - values.begin());
    return {scaleSlot(column, values, place / kScaleSize),
            static_cast<std::uint8_t>(place % kScaleSize)};
  }

  std::uint32_t newSlot() { return static_cast<std::uint32_t>(columns_.slots_++); }

  std::uint32_t flagSlot(std::uint32_t column) {
    const auto [entry, isNew] = flagSlots_.try_emplace(column, 0);
    if (isNew) {
      entry->second = newSlot();
      columns_.flags_.push_back({forest_.columns[column], entry->second});
    }
    return entry->second;
  }

  std::uint32_t scaleSlot(const Column<T>& column, const std::vector<T>& values, std::size_t part) {
    const auto [entry, isNew] =
        scaleIndexes_.try_emplace({keyOf(column), part}, columns_.scales_.size());
    if (isNew) addScale(column, values, part);
    Scale& scale = columns_.scales_[entry->second];
    std::uint32_t& slot = column.missingRight ? scale.highSlot : scale.lowSlot;
    if (slot == kNoSlot) slot = newSlot();
    return slot;
  }

  void addScale(const Column<T>& column, const std::vector<T>& values, std::size_t part) {
    const std::size_t begin = part * kScaleSize;
    const std::size_t end = std::min(begin + kScaleSize, values.size());
    const std::size_t firstLine = columns_.lines_.size();
    columns_.scales_.push_back({.feature = column.feature,
                                .firstLine = static_cast<std::uint32_t>(firstLine),
                                .lowSlot = kNoSlot,
                                .highSlot = kNoSlot,
                                .zeroIsMissing = column.zeroIsMissing});
    RankLine<T> empty;
    std::ranges::fill(empty.thresholds, std::numeric_limits<T>::infinity());
    columns_.lines_.resize(firstLine + 1 + (end - begin + kRankWidth - 1) / kRankWidth, empty);
    for (std::size_t i = 0; i < end - begin; ++i) {
      const std::size_t line = i / kRankWidth;
      columns_.lines_[firstLine + 1 + line].thresholds[i % kRankWidth] = values[begin + i];
      const bool endsLine = i % kRankWidth == kRankWidth - 1;
      if (endsLine && begin + i + 1 < end)
        columns_.lines_[firstLine].thresholds[line] = values[begin + i];
    }
    addSearchTree(columns_.scales_.back(), std::span(values).subspan(begin, end - begin));
  }

  // In heap order the place of a node says which sorted threshold it holds: level by level, every
  // other one is skipped.
  void addSearchTree(Scale& scale, std::span<const T> thresholds) {
    scale.searchDepth = static_cast<std::uint8_t>(std::bit_width(thresholds.size()));
    const std::size_t size = std::size_t{1} << scale.searchDepth;
    std::vector<T> tree(std::max(size, kRankWidth), std::numeric_limits<T>::infinity());
    for (std::size_t place = 1; place < size; ++place) {
      const std::size_t level = std::bit_width(place) - 1;
      const std::size_t step = size >> level;
      const std::size_t sorted = (place - (std::size_t{1} << level)) * step + step / 2 - 1;
      if (sorted < thresholds.size()) tree[place] = thresholds[sorted];
    }
    scale.firstSearchLine = static_cast<std::uint32_t>(columns_.lines_.size());
    for (std::size_t i = 0; i < tree.size(); i += kRankWidth) {
      std::copy_n(&tree[i], kRankWidth, columns_.lines_.emplace_back().thresholds);
    }
  }

  void finish() {
    const auto unread = static_cast<std::uint32_t>(columns_.slots_);
    columns_.finishesEveryRow_ = !columns_.flags_.empty();
    for (Scale& scale : columns_.scales_) {
      if (scale.lowSlot == kNoSlot) scale.lowSlot = unread;
      if (scale.highSlot == kNoSlot) scale.highSlot = unread;
      if (scale.zeroIsMissing) columns_.finishesEveryRow_ = true;
    }
    columns_.sets_ = forest_.sets;
    columns_.features_ = forest_.features;
  }

  static constexpr std::uint32_t kNoSlot = std::numeric_limits<std::uint32_t>::max();

  const LoweredForest<T>& forest_;
  std::map<ScaleKey, std::vector<T>> thresholds_;
  std::map<std::pair<ScaleKey, std::size_t>, std::size_t> scaleIndexes_;
  std::map<std::uint32_t, std::uint32_t> flagSlots_;
  ByteColumns<T> columns_;
};

template <class T>
void ByteColumns<T>::finishRow(const T* row, std::uint8_t* bytes, std::size_t slotStride) const {
  for (const Scale& scale : scales_) {
    if (!isMissing(row[scale.feature], scale.zeroIsMissing)) continue;
    bytes[scale.lowSlot * slotStride] = 0;
    bytes[scale.highSlot * slotStride] = kHighest;
  }
  for (const Flag& flag : flags_) {
    bytes[flag.slot * slotStride] = columnValue(flag.column, sets_, row) > 0 ? 1 : 0;
  }
}

template <class T>
std::size_t ByteColumns<T>::memoryBytes() const {
  std::size_t bytes = scales_.size() * sizeof(Scale) + lines_.size() * sizeof(RankLine<T>) +
                      flags_.size() * sizeof(Flag);
  for (const CategorySet& set : sets_)
    bytes += sizeof(CategorySet) + set.size() * sizeof(std::uint32_t);
  return bytes;
}

template <class T>
std::optional<ByteForest<T>> toBytes(const LoweredForest<T>& forest, std::size_t slotsMax) {
  return ByteBuilder<T>(forest).run(slotsMax);
}

template class ByteColumns<float>;
template class ByteColumns<double>;
template std::optional<ByteForest<float>> toBytes(const LoweredForest<float>&, std::size_t);
template std::optional<ByteForest<double>> toBytes(const LoweredForest<double>&, std::size_t);

}  // namespace corbel::inference
