// What a registrant declares of a model's input and output, read from the model's JSON settings.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"
#include "inference/input_plan.h"
#include "inference/model.h"
#include "models/entities.h"
#include "models/fallback.h"

namespace corbel::models {

struct Declaration {
  inference::InputDeclaration input;
  std::vector<std::string> labels;  // JSON values of outputSchema.enum, in the order of the classes
  std::chrono::seconds cacheTtl{0};  // configuration.cache.ttlSeconds
  Fallback fallback;                 // configuration.fallback
};

// inputSchema is this subset of JSON Schema 2020-12: {"type": "object", "properties": {name:
// field}, "required": [names]}. The properties stand in the order of the model's columns. A field
// is {"type": "number" | "integer" | "boolean" | "string", "minimum", "maximum", "enum": [texts],
// "description"}; "type" may be a list with "null": then null is a missing value. Without
// inputSchema the model file decides. configuration.preprocessing.image = {"width", "height",
// "channels": 1|3, "resize": "nearest"|"bilinear", "layout": "channelsFirst"|"channelsLast",
// "scale", "mean": [..], "std": [..]} makes the input an image. outputSchema.enum names the
// classes, each otherwise. configuration.cache = {"ttlSeconds"} caches predictions.
// configuration.fallback answers while the model cannot: see parseFallback(). unprocessable:
// something else stands there; pointers begin with /inputSchema, /outputSchema or /configuration.
Result<Declaration> parseDeclaration(const Model& model);

// unprocessable at /outputSchema/enum: there are labels, and not as many as the file has classes.
Result<void> checkLabels(const std::vector<std::string>& labels,
                         const inference::Signature& signature);

}  // namespace corbel::models
