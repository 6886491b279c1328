// One element of "trees" in an XGBoost model file.
#pragma once
#include <vector>

#include "base/result.h"
#include "document_reader.h"
#include "inference/forest.h"
#include "tree_builder.h"

namespace corbel::inference {

// What trees of one model share while they are read.
struct XgboostTrees {
  explicit XgboostTrees(std::size_t fileBytes) : allowance(fileBytes) {}

  Allowance allowance;
  std::vector<Tree> trees;  // in the order of their ids
  std::vector<double> leafValues;
  std::vector<CategorySet> categories;
  std::uint32_t leafWidth = 0;  // values a leaf has: the same for all trees; 0: no tree yet
};

// Reads the tree that stands next in `document` and appends it. unprocessable: "node 7: ...".
Result<void> readXgboostTree(DocumentReader& document, XgboostTrees& trees);

// Stores a value, or passes the error on.
template <class T>
Result<void> store(Result<T> value, T& target) {
  if (!value) return std::unexpected(std::move(value).error());
  target = std::move(*value);
  return {};
}

// A number that the file holds as text, as XGBoost does with parameters. unprocessable: not such a
// number.
Result<std::uint32_t> numberInText(DocumentReader& document, std::string_view name);

}  // namespace corbel::inference
