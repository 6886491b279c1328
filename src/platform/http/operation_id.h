// Names of operations for client libraries, made of method and path alone.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "http/route.h"

namespace corbel::http {

// One for each route, in their order. "GET /api/v1/ai/models/{model}/versions/{version}" is
// getModelVersion: the native prefix is dropped and the noun before a parameter gives way to the
// parameter's name. Where two routes would share a name, both are called by their whole path.
std::vector<std::string> operationIds(std::span<const Route* const> routes);

}  // namespace corbel::http
