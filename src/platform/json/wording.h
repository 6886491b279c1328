// The words of decode errors.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "json/cursor.h"
#include "json/type.h"

namespace corbel::json {

// What a value must be, e.g. "a whole number from 1 to 200".
std::string expectation(const Type& type, const Rule& rule);

// `text` in double quotes, escaped, cut to a length that a message bears.
std::string quoted(std::string_view text);

// `written`, which is plain ASCII, cut in the same way.
std::string cutValue(std::string_view written);

// The value the cursor stands on, which is not consumed: a scalar as it is written, else what it
// is.
std::string describeValue(const Cursor& cursor);

// `name` as a part of a JSON pointer (RFC 6901).
std::string pointerPart(std::string_view name);

// A number as one would write it.
std::string plain(double number);

// "is unknown; allowed are limit, cursor"
std::string unknownField(const Type& object);

bool obeys(Format format, std::string_view text);
std::size_t characters(std::string_view text);

}  // namespace corbel::json
