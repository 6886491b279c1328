// Conditional requests (RFC 9110, section 13). An ETag is passed with its quotes.
#pragma once
#include <string_view>

#include "http/message.h"

namespace corbel::http {

// Whether If-None-Match names the current state: the client has it, 304 is all it needs.
bool clientHas(const RequestHead& head, std::string_view etag);

// Whether a change may be made: there is no If-Match, or it names the current state.
bool mayChange(const RequestHead& head, std::string_view etag);

}  // namespace corbel::http
