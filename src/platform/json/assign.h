// Puts a scalar into a member when type and rule allow it. Shared by JSON and queries.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/cursor.h"
#include "json/type.h"

namespace corbel::json {

// What is wrong, e.g. "must be a whole number from 1 to 200, got 0"; then nothing was assigned.
using Complaint = std::optional<std::string>;

// `type` is integer or number; `written` is how the client spelled it.
Complaint assignNumber(const Type& type, const Rule& rule, void* to, const Number& number,
                       std::string_view written);

// `type` is text, time or enumeration.
Complaint assignText(const Type& type, const Rule& rule, void* to, std::string_view text);

// The field of that name; it is looked for from `hint` on, since clients mostly keep the order.
// nullptr: none.
const Field* findField(const Type& object, std::string_view name, std::size_t hint);

// An error of all `fields`, with one line about the first. Precondition: there is one.
Error summarize(std::vector<FieldError> fields);

}  // namespace corbel::json
