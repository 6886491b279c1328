// Times as text: RFC 3339, UTC, milliseconds, as in "2026-01-31T12:00:00.000Z".
#pragma once
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace corbel {

std::string toRfc3339(Timestamp time);

// Accepts any RFC 3339 date-time (offset, 0 to 9 fraction digits); digits beyond milliseconds are
// cut. invalid_argument: not such a time; the message says what is expected.
Result<Timestamp> parseRfc3339(std::string_view text);

}  // namespace corbel
