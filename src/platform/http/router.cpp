#include "http/router.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "base/percent.h"
#include "base/text.h"

namespace corbel::http {

struct Router::Segment {
  std::unordered_map<std::string_view, std::unique_ptr<Segment>> literals;
  std::unique_ptr<Segment> parameter;
  std::array<const Route*, 7> byMethod{};
};

namespace {

bool isParameter(std::string_view segment) { return segment.starts_with('{'); }

std::size_t index(Method method) {
  return static_cast<std::size_t>(method == Method::head ? Method::get : method);
}

// The raw values of the parameters on the way to the found segment.
struct Values {
  std::array<std::string_view, PathParameters::kMax> raw;
  std::size_t count = 0;
};

std::string allowed(const std::array<const Route*, 7>& byMethod) {
  std::string allow;
  for (const Route* route : byMethod) {
    if (route == nullptr) continue;
    if (!allow.empty()) allow += ", ";
    allow += name(route->method);
    if (route->method == Method::get) allow += ", HEAD";
  }
  return allow;
}

std::optional<PathParameters> decode(const Route& route, const Values& values) {
  PathParameters parameters;
  std::string_view pattern = route.path;
  for (std::size_t i = 0; i < values.count; ++i) {
    const auto open = pattern.find('{');
    const auto close = pattern.find('}', open);
    auto value = percentDecode(values.raw[i]);
    if (!value) return std::nullopt;
    parameters.add(pattern.substr(open + 1, close - open - 1), std::move(*value));
    pattern.remove_prefix(close + 1);
  }
  return parameters;
}

}  // namespace

Router::Router(std::vector<Route> routes)
    : routes_(std::move(routes)), root_(std::make_unique<Segment>()) {
  for (const Route& route : routes_) insert(route);
}

Router::~Router() = default;

void Router::insert(const Route& route) {
  Segment* at = root_.get();
  std::string_view rest = route.path.substr(1);
  while (!rest.empty()) {
    const auto segment = takeUntil(rest, '/');
    auto& next = isParameter(segment) ? at->parameter : at->literals[segment];
    if (!next) next = std::make_unique<Segment>();
    at = next.get();
  }
  const Route*& slot = at->byMethod[index(route.method)];
  if (slot != nullptr) {
    std::fprintf(stderr, "route %s %s is declared twice\n", name(route.method).data(),
                 route.path.data());
    std::abort();
  }
  slot = &route;
}

std::variant<Router::Match, Router::OtherMethod, Router::Unknown> Router::match(
    Method method, std::string_view path) const {
  if (!path.starts_with('/')) return Unknown{};
  if (path.size() > 1 && path.ends_with('/')) return Unknown{};
  const Segment* at = root_.get();
  Values values;
  std::string_view rest = path.substr(1);
  while (!rest.empty()) {
    const auto segment = takeUntil(rest, '/');
    if (const auto literal = at->literals.find(segment); literal != at->literals.end()) {
      at = literal->second.get();
    } else if (at->parameter && !segment.empty() && values.count < PathParameters::kMax) {
      values.raw[values.count++] = segment;
      at = at->parameter.get();
    } else {
      return Unknown{};
    }
  }
  const Route* route = at->byMethod[index(method)];
  if (route == nullptr) {
    auto allow = allowed(at->byMethod);
    if (allow.empty()) return Unknown{};
    return OtherMethod{std::move(allow)};
  }
  auto parameters = decode(*route, values);
  if (!parameters) return Unknown{};
  return Match{route, std::move(*parameters)};
}

}  // namespace corbel::http
