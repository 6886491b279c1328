// The OpenAPI 3.1 document of a route table: what /openapi.json serves, and docs, client libraries
// and generated tests read.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "http/route.h"

namespace corbel::http {

// What a {…} segment means, on whatever path it stands.
struct PathParameterDoc {
  std::string_view name;
  std::string_view doc;      // one sentence
  std::string_view schema;   // JSON Schema
  std::string_view example;  // JSON
};

struct OpenApiInfo {
  std::string_view title;
  std::string_view version;
  std::string_view description;  // CommonMark
  std::span<const PathParameterDoc> parameters;
};

// JSON on one line; the same text for the same routes. Routes without a tag are pages and are left
// out. Operations carry two extensions: `x-permission`, the word of the permission they ask for
// (absent where they are open to all), and `x-limit`, the budget they take from (absent: none).
std::string openApiDocument(std::span<const Route> routes, const OpenApiInfo& info);

}  // namespace corbel::http
