// A model file's signature as JSON: what the validating child prints, what a version keeps, what
// the API shows.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "inference/model.h"

namespace corbel::models {

std::string toJson(const inference::Signature& signature);
// invalid_argument: not such a text.
Result<inference::Signature> parseSignature(std::string_view json);

}  // namespace corbel::models
