// Any bytes as what a Redis server says, in pieces of any size. Beside crashes it finds answers
// that grow beyond their bounds.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "reply_reader.h"

namespace corbel::redis {
namespace {

std::size_t elementsOf(const Reply& reply) {
  std::size_t count = 1;
  for (const Reply& element : reply.elements) count += elementsOf(element);
  return count;
}

void readAll(std::string_view bytes, std::size_t piece) {
  ReplyReader reader;
  while (!bytes.empty()) {
    const auto reply = reader.feed(bytes.substr(0, piece));
    if (!reply) return;
    if (*reply && elementsOf(**reply) > kReplyElements) std::abort();
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
}

}  // namespace
}  // namespace corbel::redis

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  corbel::redis::readAll(bytes.substr(1), 1 + data[0]);
  return 0;
}
