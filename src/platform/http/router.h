// Finds the route of a request by method and path.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "http/route.h"

namespace corbel::http {

// Immutable once built; any thread may match. A literal segment wins over a parameter at the same
// place. Segments are compared as sent: an encoded variant of a literal ("mod%65ls") is another
// path, so no spelling slips past a rule.
class Router {
 public:
  struct Match {
    const Route* route;
    PathParameters parameters;
  };
  // The path exists, but not with this method. `allow` is the value of the Allow header.
  struct OtherMethod {
    std::string allow;
  };
  struct Unknown {};

  // Two routes with the same method and shape are a programming error and end the process.
  explicit Router(std::vector<Route> routes);
  ~Router();

  // HEAD finds the GET route. Parameters are percent-decoded once; an invalid encoding or a control
  // character in one makes the path unknown.
  std::variant<Match, OtherMethod, Unknown> match(Method method, std::string_view path) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Segment;
  void insert(const Route& route);

  std::vector<Route> routes_;
  std::unique_ptr<Segment> root_;
};

}  // namespace corbel::http
