#include "personal/personal.h"

#include "base/json_text.h"
#include "base/timestamp.h"

namespace corbel::personal {

Result<void> showPages(const Page& page, const Show& show) {
  std::string after;
  while (true) {
    CORBEL_TRY(const auto things, page(after));
    for (const Thing& thing : things) CORBEL_CHECK(show(thing.json));
    if (things.size() < std::size_t{kAtOnce}) return {};
    after = things.back().key;
  }
}

void Record::member(std::string_view name) {
  if (json_.size() > 1) json_ += ',';
  appendJsonString(json_, name);
  json_ += ':';
}

Record& Record::text(std::string_view name, std::string_view value) {
  member(name);
  appendJsonString(json_, value);
  return *this;
}

Record& Record::number(std::string_view name, std::int64_t value) {
  member(name);
  json_ += std::to_string(value);
  return *this;
}

Record& Record::time(std::string_view name, Timestamp value) {
  return text(name, toRfc3339(value));
}

Record& Record::json(std::string_view name, std::string_view value) {
  member(name);
  json_ += value;
  return *this;
}

}  // namespace corbel::personal
