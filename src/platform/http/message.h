// A request as it was received and a response as it will be sent: plain data, no library types.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace corbel::http {

enum class Method : std::uint8_t { get, head, post, put, patch, del, options };

// "GET", "DELETE" ...
std::string_view name(Method method);

struct Header {
  std::string_view name;
  std::string_view value;
};

// The process at the other end of a Unix socket, as the kernel knows it.
struct UnixCredentials {
  int process = 0;
  unsigned user = 0;
  unsigned group = 0;
};

// Who is at the other end.
struct Peer {
  std::string_view address =
      {};  // without port; "unix" for a Unix socket; lives as long as the exchange
  bool tls = false;
  std::optional<UnixCredentials> credentials = {};
};

// Views into the connection's buffer: valid until the exchange is completed.
struct RequestHead {
  Method method = Method::get;
  std::string_view target;  // as sent, e.g. "/api/v1/ai/models?limit=5"
  std::string_view path;    // before '?', not decoded
  std::string_view query;   // after '?', not decoded
  std::vector<Header> headers;
  Peer peer;

  // The first header of that name in any case; empty when absent.
  std::string_view header(std::string_view name) const;
  std::size_t count(std::string_view name) const;
};

// Where a request body goes when it is too large for memory. Transport calls append() one at a time
// and waits for `done`.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // `chunk` stays valid until `done` was called, once, from any thread. An error ends the exchange
  // with that error; `done` destroyed uncalled is an internal one.
  virtual void append(std::span<const std::byte> chunk,
                      std::move_only_function<void(Result<void>)> done) = 0;
};

// What to do with the body of a request. Without a sink it is kept in memory.
struct BodyPlan {
  std::size_t maxBytes = 0;  // longer: payload_too_large
  std::shared_ptr<BodySink> sink;
};

// A part of an open file; the descriptor is closed with the response.
struct FileRange {
  explicit FileRange(int openDescriptor, std::uint64_t from, std::uint64_t bytes)
      : descriptor(openDescriptor), offset(from), length(bytes) {}
  FileRange(FileRange&& other) noexcept
      : descriptor(std::exchange(other.descriptor, -1)),
        offset(other.offset),
        length(other.length) {}
  FileRange& operator=(FileRange&& other) noexcept {
    std::swap(descriptor, other.descriptor);
    offset = other.offset;
    length = other.length;
    return *this;
  }
  ~FileRange();
  int descriptor;
  std::uint64_t offset;
  std::uint64_t length;
};

// Bytes that live as long as the program (embedded pages).
struct StaticBytes {
  std::string_view bytes;
};

// A response body that is made while it is sent, of unknown length: chunks of HTTP/1.1, or until
// the connection is closed. All functions but the one given to onReady() are called on the
// connection's network thread, one at a time, and must not block; gone() before onReady() on any.
class BodySource {
 public:
  enum class Pull : std::uint8_t {
    more,   // something was appended; ask again when it is written
    later,  // nothing now; `ready` will be called
    end,    // what was appended, if anything, is the last
    failed  // cut the connection: the client must see that the body is not complete
  };
  virtual ~BodySource() = default;

  // Appends up to `atMost` bytes to `out`. Called when the client has taken what came before.
  virtual Pull pull(std::string& out, std::size_t atMost) = 0;
  // Once, before the first pull(). `ready` may be called from any thread and at any time.
  virtual void onReady(std::function<void()> ready) = 0;
  // Nothing will be pulled any more though the end was not reached: the client went away, perhaps
  // before the first pull (a client that has closed its sending side counts as such), read too
  // slowly, or asked with HEAD.
  virtual void gone() {}
  // Sent when nothing else was for 15 seconds.
  virtual std::string_view heartbeat() const { return {}; }
};

class WebSocketHandler;

// The connection becomes a WebSocket (see web_socket.h) whose messages have up to `maxMessage`
// bytes.
struct WebSocketUpgrade {
  std::shared_ptr<WebSocketHandler> handler;
  std::size_t maxMessage;
};

struct Response {
  int status = 200;
  std::string_view contentType = "application/json";              // a literal
  std::vector<std::pair<std::string_view, std::string>> headers;  // names are literals
  std::variant<std::string, StaticBytes, FileRange, std::shared_ptr<BodySource>, WebSocketUpgrade>
      body;
};

// Of a response that is not written, because its client has gone: tells the source of its body.
void letGo(const Response& response);

}  // namespace corbel::http
