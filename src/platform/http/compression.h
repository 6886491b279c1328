// Compressed response bodies, where the client asks for them (RFC 9110, 8.4 and 12.5.3).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "http/call.h"
#include "http/message.h"

namespace corbel::http {

enum class Encoding : std::uint8_t { identity, gzip, zstd };

// What an Accept-Encoding header likes best of what we can do; zstd before gzip where it does not
// care. Members that cannot be read count as not there.
Encoding chosenEncoding(std::string_view acceptEncoding);

// Whether a response gains by it: text of 1 KiB or more, in memory, whole, and without an ETag,
// which would have to name the compressed form as well.
bool isCompressible(const Response& response);

// Throws std::bad_alloc.
std::string compress(Encoding encoding, std::string_view text);

// Completes the exchange of `call`, compressed where the client asks for it and
// CallContext::compression is set. Long answers of handlers on the network thread are compressed on
// that pool.
void completeCompressed(const Call& call, Response response);

}  // namespace corbel::http
