// Any bytes as the frames of a WebSocket, at once and in pieces: both must be read alike.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "byte_budget.h"
#include "web_socket_frames.h"

namespace corbel::http {
namespace {

constexpr std::size_t kMaxMessage = 4096;

std::string readIn(std::string_view bytes, std::size_t step) {
  const auto memory = std::make_shared<ByteBudget>(64 * 1024);
  FrameReader reader(kMaxMessage, memory);
  std::string read;
  while (!bytes.empty()) {
    std::string_view part = bytes.substr(0, step);
    bytes.remove_prefix(part.size());
    while (true) {
      const auto incoming = reader.next(part);
      if (!incoming) return read + "!" + std::to_string(static_cast<int>(incoming.error()));
      if (!*incoming) break;
      if ((*incoming)->payload.size() > kMaxMessage) std::abort();
      read += std::to_string(static_cast<int>((*incoming)->opcode)) + ":";
      read += (*incoming)->payload;
    }
    if (!part.empty()) std::abort();
  }
  return read;
}

}  // namespace
}  // namespace corbel::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace corbel::http;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t step = std::max<std::size_t>(1, data[0] % 16);
  if (readIn(bytes, size) != readIn(bytes, step)) std::abort();
  return 0;
}
