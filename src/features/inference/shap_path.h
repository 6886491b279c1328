// The features that a path through a tree has tested, with the weights of all subsets of them by
// size: algorithm 2 of Lundberg, Erion, Lee 2018, in whose words a feature has a zero fraction (of
// the training weight that takes the path when the feature is unknown) and a one fraction, here
// `taken`: whether the row takes the path.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "inference/forest.h"

namespace corbel::inference {

struct PathFeature {
  std::uint32_t feature = 0;
  bool taken = true;
  double zeroFraction = 1;
  double weight = 0;  // of the subsets with as many features as this one's place
};

// 1 / n: the algorithm divides by small whole numbers only.
struct Reciprocals {
  std::array<double, kMaxTreeDepth + 3> of{};
};
consteval Reciprocals makeReciprocals() {
  Reciprocals table;
  for (std::size_t n = 1; n < table.of.size(); ++n) table.of[n] = 1.0 / static_cast<double>(n);
  return table;
}
inline constexpr Reciprocals kReciprocals = makeReciprocals();

// A path is `length` + 1 features; the first stands for none.
inline void extend(PathFeature* path, std::size_t length, std::uint32_t feature,
                   double zeroFraction, bool taken) {
  path[length] = {feature, taken, zeroFraction, length == 0 ? 1.0 : 0.0};
  const double unit = kReciprocals.of[length + 1];
  for (std::size_t i = length; i-- > 0;) {
    const double weight = path[i].weight * unit;
    if (taken) path[i + 1].weight += weight * static_cast<double>(i + 1);
    path[i].weight = weight * zeroFraction * static_cast<double>(length - i);
  }
}

// Takes the feature at `place` back out. It is taken or its zero fraction is not zero.
inline void unwind(PathFeature* path, std::size_t length, std::size_t place) {
  const double zero = path[place].zeroFraction;
  const double size = static_cast<double>(length + 1);
  if (path[place].taken) {
    double next = path[length].weight;
    for (std::size_t i = length; i-- > 0;) {
      const double weight = path[i].weight;
      path[i].weight = next * size * kReciprocals.of[i + 1];
      next = weight -
             path[i].weight * zero * static_cast<double>(length - i) * kReciprocals.of[length + 1];
    }
  } else {
    const double scale = size / zero;
    for (std::size_t i = 0; i < length; ++i) path[i].weight *= scale * kReciprocals.of[length - i];
  }
  for (std::size_t i = place; i < length; ++i) {
    const double weight = path[i].weight;
    path[i] = path[i + 1];
    path[i].weight = weight;
  }
}

}  // namespace corbel::inference
