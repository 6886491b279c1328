// Lines of the audit log as rows.
#pragma once
#include <vector>

#include "audit/audit.h"

namespace corbel::audit {

// What it cannot do itself is an error of the statement, see Transaction.
namespace audit_store {

// internal: it is missing.
Result<Anchor> head(store::Reader& reader);
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
