#include "http/web_socket.h"

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/text.h"
#include "http/message.h"

namespace corbel::http {
namespace {

constexpr std::string_view kKeySuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3

bool lists(std::string_view members, std::string_view wanted) {
  while (!members.empty()) {
    if (equalsIgnoringCase(trim(takeUntil(members, ',')), wanted)) return true;
  }
  return false;
}

// 16 bytes as base64.
bool isKey(std::string_view key) {
  static constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return key.size() == 24 && key.ends_with("==") &&
         key.substr(0, 22).find_first_not_of(kLetters) == std::string_view::npos;
}

std::string acceptOf(std::string_view key) {
  const std::string text = std::string(key) + std::string(kKeySuffix);
  std::array<unsigned char, 20> digest{};
  ::EVP_Digest(text.data(), text.size(), digest.data(), nullptr, ::EVP_sha1(), nullptr);
  std::array<unsigned char, 29> encoded{};
  const int length = ::EVP_EncodeBlock(encoded.data(), digest.data(), digest.size());
  return {reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(length)};
}

std::unexpected<Error> wrong(std::string message) {
  return fail(ErrorCode::invalidArgument, std::move(message));
}

}  // namespace

Result<void> requireWebSocket(const RequestHead& head) {
  if (!lists(head.header("Upgrade"), "websocket")) return wrong("Upgrade must be websocket");
  if (!lists(head.header("Connection"), "Upgrade")) return wrong("Connection must be Upgrade");
  if (head.header("Sec-WebSocket-Version") != "13") {
    return wrong("Sec-WebSocket-Version must be 13");
  }
  if (head.count("Sec-WebSocket-Key") != 1 || !isKey(head.header("Sec-WebSocket-Key"))) {
    return wrong("Sec-WebSocket-Key must be 16 bytes in base64");
  }
  return {};
}

Response webSocketResponse(const RequestHead& head, WebSocketUpgrade upgrade) {
  return {.status = 101,
          .contentType = {},
          .headers = {{"Upgrade", "websocket"},
                      {"Connection", "Upgrade"},
                      {"Sec-WebSocket-Accept", acceptOf(head.header("Sec-WebSocket-Key"))}},
          .body = std::move(upgrade)};
}

}  // namespace corbel::http
