// The few differences between the SQL that features write and PostgreSQL's, in one place.
#pragma once
#include <string>
#include <string_view>

namespace corbel::store {

// `?` outside of quotes and comments becomes $1, $2 …
std::string withNumberedPlaceholders(std::string_view sql);

// Types of a migration's script: TEXT becomes TEXT COLLATE "C", which sorts and compares by bytes
// as SQLite does, whatever the database's own collation is; REAL becomes DOUBLE PRECISION, BLOB
// becomes BYTEA. Not within CAST(… AS …), where a collation has no place.
std::string withPostgresTypes(std::string_view script);

}  // namespace corbel::store
