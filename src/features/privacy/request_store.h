// Requests as rows. Private to the module.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "personal/personal.h"
#include "privacy/request.h"
#include "store/store.h"

namespace corbel::privacy::rows {

Result<void> insert(store::Transaction& tx, const Request& request);
Result<std::optional<Request>> find(store::Reader& reader, std::string_view id);
// Newest first, ids below `before` ("": all).
Result<std::vector<Request>> list(store::Reader& reader, std::string_view tenant,
                                  std::string_view before, int limit);
Result<void> setReport(store::Transaction& tx, const Request& request);
// Everything but who asked, what about whom and when.
Result<void> update(store::Transaction& tx, const Request& request);
Result<std::vector<Request>> expired(store::Reader& reader, Timestamp now, int limit);
// Exports about the person that have a file.
Result<std::vector<Request>> exportsAbout(store::Reader& reader, std::string_view person,
                                          int limit);
// Erasures that have ended after `time`, the first to end first.
Result<std::vector<Request>> erasedAfter(store::Reader& reader, Timestamp time, int limit);
Result<std::vector<personal::Thing>> askedBy(store::Reader& reader, const personal::Person& person,
                                             std::string_view after);
// Takes the name from what they have asked for; how often.
Result<std::int64_t> unname(store::Transaction& tx, const personal::Person& person);
Result<std::vector<personal::Name>> names(store::Reader& reader);

}  // namespace corbel::privacy::rows
