#include "operation_id.h"

#include <map>
#include <string_view>

#include "base/text.h"

namespace corbel::http {
namespace {

constexpr std::string_view kNativePrefix = "/api/v1/ai/";

bool isLetterOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// "batch-predict" becomes "BatchPredict", "{model}" becomes "Model".
void appendWords(std::string& id, std::string_view segment) {
  bool starts = true;
  for (const char c : segment) {
    if (!isLetterOrDigit(c)) {
      starts = true;
      continue;
    }
    id += starts && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    starts = false;
  }
}

std::string wholeId(const Route& route) {
  std::string id = toLowerAscii(name(route.method));
  appendWords(id, route.path);
  return id;
}

std::string shortId(const Route& route) {
  std::string_view rest = route.path;
  rest.remove_prefix(rest.starts_with(kNativePrefix) ? kNativePrefix.size() : 0);
  std::string id = toLowerAscii(name(route.method));
  while (!rest.empty()) {
    const std::string_view segment = takeUntil(rest, '/');
    if (!rest.starts_with('{')) appendWords(id, segment);
  }
  return id;
}

}  // namespace

std::vector<std::string> operationIds(std::span<const Route* const> routes) {
  std::map<std::string, int> uses;
  for (const Route* route : routes) ++uses[shortId(*route)];
  std::vector<std::string> ids;
  for (const Route* route : routes) {
    std::string id = shortId(*route);
    ids.push_back(uses[id] > 1 ? wholeId(*route) : std::move(id));
  }
  return ids;
}

}  // namespace corbel::http
