#include "http/call.h"

namespace corbel::http {

std::string_view PathParameters::operator[](std::string_view name) const {
  for (std::size_t i = 0; i < count_; ++i) {
    if (values_[i].first == name) return values_[i].second;
  }
  return {};
}

}  // namespace corbel::http
