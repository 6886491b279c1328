// The features that a path through a tree has tested, with the weights of all subsets of them by
// size: algorithm 2 of Lundberg, Erion, Lee 2018, whose words are used here.
#pragma once
#include <cstddef>
#include <cstdint>

namespace corbel::inference {

struct PathFeature {
  std::uint32_t feature = 0;
  double zeroFraction =
      1;                   // of the training weight that takes the path when the feature is unknown
  double oneFraction = 1;  // 1 when the row takes the path, else 0
  double weight = 0;       // of subsets with as many features as this one's place
};

// A path is `length` + 1 features; the first stands for none.
inline void extend(PathFeature* path, std::size_t length, std::uint32_t feature,
                   double zeroFraction, double oneFraction) {
  path[length] = {feature, zeroFraction, oneFraction, length == 0 ? 1.0 : 0.0};
  const double size = static_cast<double>(length + 1);
  for (std::size_t i = length; i-- > 0;) {
    path[i + 1].weight += oneFraction * path[i].weight * static_cast<double>(i + 1) / size;
    path[i].weight = zeroFraction * path[i].weight * static_cast<double>(length - i) / size;
  }
}

// Takes the feature at `place` back out. One of its fractions must not be zero.
inline void unwind(PathFeature* path, std::size_t length, std::size_t place) {
  const double one = path[place].oneFraction;
  const double zero = path[place].zeroFraction;
  const double size = static_cast<double>(length + 1);
  double next = path[length].weight;
  for (std::size_t i = length; i-- > 0;) {
    if (one != 0) {
      const double weight = path[i].weight;
      path[i].weight = next * size / (static_cast<double>(i + 1) * one);
      next = weight - path[i].weight * zero * static_cast<double>(length - i) / size;
    } else {
      path[i].weight = path[i].weight * size / (zero * static_cast<double>(length - i));
    }
  }
  for (std::size_t i = place; i < length; ++i) {
    path[i].feature = path[i + 1].feature;
    path[i].zeroFraction = path[i + 1].zeroFraction;
    path[i].oneFraction = path[i + 1].oneFraction;
  }
}

// The sum of the weights after unwind().
inline double unwoundSum(const PathFeature* path, std::size_t length, std::size_t place) {
  const double one = path[place].oneFraction;
  const double zero = path[place].zeroFraction;
  const double size = static_cast<double>(length + 1);
  double next = path[length].weight;
  double sum = 0;
  for (std::size_t i = length; i-- > 0;) {
    if (one != 0) {
      const double weight = next * size / (static_cast<double>(i + 1) * one);
      sum += weight;
      next = path[i].weight - weight * zero * static_cast<double>(length - i) / size;
    } else {
      sum += path[i].weight * size / (zero * static_cast<double>(length - i));
    }
  }
  return sum;
}

}  // namespace corbel::inference
