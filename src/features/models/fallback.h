// What answers in place of a model that cannot, as its owner declared it.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace corbel::models {

// Holds for inputs with that field; every condition given must hold.
struct FallbackRule {
  std::string field;
  std::optional<double> below = {};
  std::optional<double> atLeast = {};
  std::optional<std::string> equals = {};  // JSON
  std::string prediction;                  // JSON
};

struct Fallback {
  std::string model = {};  // of the same tenant, by name or id; empty: none
  std::vector<FallbackRule> rules = {};
  std::optional<std::string> prediction = {};  // JSON, where no rule holds
  std::string url = {};                        // of the product; empty: none

  bool empty() const { return model.empty() && rules.empty() && !prediction && url.empty(); }
  // The prediction (JSON) of the first rule that holds for the input (JSON), else the one for all.
  // Nothing: neither.
  std::optional<std::string> byRule(std::string_view input) const;
};

// {"model": name, "rules": [{"field", "below", "atLeast", "equals", "prediction"}], "prediction",
// "url"}, each otherwise, at least one. unprocessable: something else; pointers begin with
// /configuration/fallback.
Result<Fallback> parseFallback(std::string_view json);

}  // namespace corbel::models
