// Lines of the audit log as rows.
#pragma once
#include <optional>
#include <vector>

#include "audit/audit.h"

namespace corbel::audit {

// What it cannot do itself is an error of the statement, see Transaction.
namespace audit_store {

// internal: it is missing.
Result<Anchor> head(store::Reader& reader);
// The last line that was removed at the old end; number 0: none was.
Result<Anchor> start(store::Reader& reader);
// The last of the first `limit` lines that all were written before `time`; nothing: there is none.
Result<std::optional<Anchor>> lastBefore(store::Reader& reader, Timestamp time, int limit);
// Removes the lines up to `last`, which becomes the start.
Result<std::int64_t> removeUpTo(store::Transaction& tx, const Anchor& last);
Result<void> insert(store::Transaction& tx, const Line& line);
Result<std::vector<Line>> newest(store::Reader& reader, const Query& query, std::int64_t before,
                                 int limit);
Result<std::vector<Line>> oldest(store::Reader& reader, const Query& query, std::int64_t after,
                                 int limit);
// Of all tenants, in the order of the chain.
Result<std::vector<Line>> chain(store::Reader& reader, std::int64_t after, std::int64_t upTo,
                                int limit);
// The number of the first line above `number`; nothing: there is none.
Result<std::optional<std::int64_t>> firstAbove(store::Reader& reader, std::int64_t number);

}  // namespace audit_store
}  // namespace corbel::audit
