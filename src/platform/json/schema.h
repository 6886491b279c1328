// JSON Schema 2020-12, as OpenAPI 3.1 uses it, of described types.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "json/describe.h"

namespace corbel::json {

// Collects the schemas of an API's types under "#/components/schemas". One thread at a time.
class SchemaRegistry {
 public:
  // The schema of T. Structs and enumerations are references to components, which this adds with all they mention. A
  // component is called as in C++ without namespace; Page<ModelView> is ModelViewPage. When two types share a name, the
  // later one gets its namespace in front.
  template <class T>
  std::string add() {
    return reference(kType<T>, Rule{});
  }

  // {"ModelView":{…},…}: every component added so far, by name.
  std::string components() const;

 private:
  friend class SchemaWriter;
  struct Component {
    const Type* type = nullptr;
    std::string schema;
  };

  std::string reference(const Type& type, const Rule& rule);
  std::string_view component(const Type& type);

  std::map<std::string, Component> components_;
};

struct QueryParameter {
  std::string_view name;
  std::string_view doc;
  bool required = false;
  std::string schema;   // JSON, written out
  std::string example;  // JSON
};

namespace detail {
std::vector<QueryParameter> queryParametersOf(const Type& type);
std::string exampleOf(const Type& type);
}  // namespace detail

// The parameters that decodeQuery<T> reads.
template <class T>
std::vector<QueryParameter> queryParameters() {
  return detail::queryParametersOf(kType<T>);
}

// A T in JSON, made of the examples of its members; members that may be absent and have none are left out.
template <class T>
std::string exampleOf() {
  return detail::exampleOf(kType<T>);
}

}  // namespace corbel::json
