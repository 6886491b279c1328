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
  // The schema of T. Structs and enumerations are references to components, which this adds with
  // all they mention. A component is called as in C++ without namespace; Page<ModelView> is
  // ModelViewPage. When two types share a name, the later one gets its namespace in front.
  template <class T>
  std::string add() {
    return add(kType<T>);
  }
  std::string add(const Type& type);

  // {"ModelView":{…},…}: every component added so far, by name.
  std::string components() const;

 private:
  friend class SchemaWriter;
  struct Component {
    const Type* type = nullptr;
    std::string schema;
  };

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

// The parameters that decodeQuery reads for `type`, which is an object.
std::vector<QueryParameter> queryParameters(const Type& type);
template <class T>
std::vector<QueryParameter> queryParameters() {
  return queryParameters(kType<T>);
}

// A value of `type` in JSON, made of the examples of its members; members that may be absent and
// have none are left out.
std::string exampleOf(const Type& type);
template <class T>
std::string exampleOf() {
  return exampleOf(kType<T>);
}

}  // namespace corbel::json
