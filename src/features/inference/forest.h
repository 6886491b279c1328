// A forest of decision trees as every reader produces it and every evaluator consumes it. Plain
// data, no behaviour but validation; independent of the file format it came from.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace corbel::inference {

// How a split sends a value to the left child. Missing values (NaN) follow Node::missingLeft.
enum class Split : std::uint8_t {
  less,            // XGBoost: x < threshold
  lessOrEqual,     // LightGBM, scikit-learn, ONNX BRANCH_LEQ: x <= threshold
  greater,         // ONNX BRANCH_GT
  greaterOrEqual,  // ONNX BRANCH_GTE
  equal,           // ONNX BRANCH_EQ
  notEqual,        // ONNX BRANCH_NEQ
  category,        // the category, truncated to an integer, is in the node's set: left. See
                   // Forest::categories
};

// Nodes refer to each other by index within their tree; the root is node 0. A leaf has left ==
// right == kLeaf and `value` is the index of its first output value in Forest::leafValues.
struct Node {
  static constexpr std::int32_t kLeaf = -1;
  double threshold = 0;      // exactly representable as float when the forest computes in float32
  std::int32_t feature = 0;  // column of the row
  std::int32_t left = kLeaf;
  std::int32_t right = kLeaf;
  std::uint32_t value =
      0;  // leaf: index into leafValues; category split: index into Forest::categories
  float cover =
      0;  // training weight that reached the node (XGBoost sum_hessian, LightGBM count); 0: unknown
  Split split = Split::less;
  bool missingLeft = false;    // where NaN goes
  bool zeroIsMissing = false;  // LightGBM missing_type Zero: |x| <= 1e-35 goes where NaN goes
  bool isLeaf() const { return left == kLeaf; }
};

// A tree adds to one output (`output`), or its leaves hold a value for every output
// (Forest::vectorLeaves).
struct Tree {
  std::vector<Node> nodes;
  std::uint32_t output = 0;
  double weight = 1;  // DART scales trees
};

// Set of categories of one split as bits; category c is in it when bit c is set. Negative, too
// large: not in it. A value above -1 and below 0 is negative in float32 (XGBoost) and truncated to
// category 0 in float64 (LightGBM).
using CategorySet = std::vector<std::uint32_t>;

enum class Precision : std::uint8_t {
  float32,
  float64
};  // of comparisons, leaf sums and link, as the trainer computes

// What is done with the raw sums of a row.
enum class Link : std::uint8_t {
  identity,
  sigmoid,  // of each output: 1 / (1 + exp(-linkScale * x))
  softmax,
  exponential,
  hinge,         // 1 when x > 0, else 0
  probit,        // ONNX: the quantile function of the normal distribution, sqrt(2) * erfinv(2x - 1)
  softmaxZero,   // ONNX: softmax in which raw sums of 0 stay 0
  signedSquare,  // LightGBM reg_sqrt: sign(x) * x * x
  softplus,      // LightGBM cross_entropy_lambda: log(1 + exp(x))
};

struct Forest {
  Precision precision = Precision::float32;
  std::uint32_t features = 0;
  std::uint32_t outputs = 1;  // raw sums a row; a binary classifier may have 1 with Link::sigmoid
  bool vectorLeaves = false;  // a leaf holds `outputs` values (random forests), else one
  bool average = false;       // raw sum is divided by the number of trees (each output's own)
  Link link = Link::identity;
  double linkScale = 1;            // sigmoid(linkScale * x): LightGBM's sigmoid parameter
  std::vector<double> baseScores;  // one an output, in margin space, added to the raw sum
  std::vector<Tree> trees;
  std::vector<double> leafValues;
  std::vector<CategorySet> categories;
  std::vector<std::string> featureNames;  // empty: the file names none
  std::vector<std::string>
      classLabels;  // empty: a regressor. A binary classifier with one output has two
};

// Everything an evaluator relies on: child indexes inside the tree, every node reached exactly once
// from the root (no cycles, no shared subtrees), depth <= kMaxTreeDepth, features and value indexes
// in range, thresholds finite or NaN refused, sizes that fit. unprocessable: names the tree and
// node, e.g. "tree 12, node 7: right child 9001 is outside the tree (63 nodes)".
Result<void> validate(const Forest& forest);

inline constexpr int kMaxTreeDepth = 256;
inline constexpr std::uint32_t kMaxOutputs = 1 << 16;
inline constexpr std::uint32_t kMaxFeatures = 1
                                              << 24;  // XGBoost's own bound of exact float indexes

}  // namespace corbel::inference
