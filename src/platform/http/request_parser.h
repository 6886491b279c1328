// Reads the head of an HTTP/1.1 request (RFC 9112) as it arrives, strictly: whatever two programs
// in a chain could understand differently is refused (request smuggling), not repaired.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"

namespace corbel::http {

enum class BodyFraming : std::uint8_t { none, length, chunked };

// One per connection, reused for each of its requests.
class RequestParser {
 public:
  // Goes on where the last call stopped. `text` starts at the first byte of the request and holds
  // all that was read since. true: the head is complete and the functions below may be called.
  // invalid_argument, method_not_allowed, header_too_large: the connection must be closed, because
  // nobody knows where the next request would start.
  Result<bool> parse(std::string_view text);
  // Before the next request.
  void reset();

  // Shows the head as views into `text`, the same bytes (perhaps moved) that were parsed.
  void describe(std::string_view text, RequestHead& head) const;
  // Before that: whether the request line was read; describe() then shows that and the headers so
  // far.
  bool knowsTarget() const { return sawRequestLine_; }
  std::size_t headBytes() const { return lineStart_; }
  BodyFraming framing() const { return framing_; }
  std::uint64_t contentLength() const { return contentLength_; }
  // The client asked to close, or speaks HTTP/1.0.
  bool closes() const { return closes_; }
  bool http10() const { return http10_; }
  bool expectsContinue() const { return expectsContinue_; }

 private:
  // Offsets, because the text may move until the head is complete.
  struct Part {
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
    std::string_view in(std::string_view text) const { return {text.data() + offset, length}; }
  };
  struct Field {
    Part name;
    Part value;
  };
  static Part part(std::string_view text, std::string_view inside) {
    return {static_cast<std::uint32_t>(inside.data() - text.data()),
            static_cast<std::uint32_t>(inside.size())};
  }

  Result<void> parseRequestLine(std::string_view text, std::string_view line);
  Result<void> parseTarget(std::string_view text, std::string_view target);
  Result<void> parseAbsoluteTarget(std::string_view text, std::string_view target);
  Result<void> parseField(std::string_view text, std::string_view line);
  Result<void> interpret(std::string_view name, std::string_view value);
  Result<void> readContentLength(std::string_view value);
  Result<void> readTransferEncoding(std::string_view value);
  Result<void> readHost(std::string_view value);
  Result<void> readExpect(std::string_view value);
  void readConnection(std::string_view value);
  Result<bool> finish();

  std::size_t scanned_ = 0;    // no line feed before this
  std::size_t lineStart_ = 0;  // of the line being read
  bool sawRequestLine_ = false;
  bool sawEmptyLine_ = false;
  bool http10_ = false;
  bool closes_ = false;
  bool expectsContinue_ = false;
  bool sawContentLength_ = false;
  std::uint8_t hosts_ = 0;
  BodyFraming framing_ = BodyFraming::none;
  Method method_ = Method::get;
  std::uint64_t contentLength_ = 0;
  Part target_;
  Part authority_;  // of an absolute-form target; replaces Host
  std::vector<Field> fields_;
};

}  // namespace corbel::http
