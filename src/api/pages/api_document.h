// The OpenAPI document of this program: what /openapi.json serves and `corbel openapi` prints.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "http/route.h"

namespace corbel::pages {

std::string apiDocument(std::span<const http::Route> routes, std::string_view version);

}  // namespace corbel::pages
