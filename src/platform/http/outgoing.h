// What a connection still has to write: text of any number of responses, then perhaps one long body
// that is not copied.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "http/message.h"
#include "stream.h"

namespace corbel::http {

class Outgoing {
 public:
  enum class Flush : std::uint8_t {
    done,     // everything was handed to the kernel
    blocked,  // the socket takes no more now
    paused,   // much was written, others should have their turn
    failed    // the client is gone, or a file has become shorter
  };

  // Where to append. Not while a long body waits.
  std::string& text() { return text_; }
  // Both must stay valid until they are written.
  void setBody(std::string_view body) { body_ = body, bodyWritten_ = 0; }
  void setFile(FileRange& file) { file_ = &file, bodyWritten_ = 0; }

  bool empty() const { return textWritten_ == text_.size() && body_.empty() && file_ == nullptr; }
  // Must be written before more is appended.
  bool full() const { return !body_.empty() || file_ != nullptr || text_.size() >= kFullAt; }
  // Of the long body, since it was set.
  std::uint64_t bodyWritten() const { return bodyWritten_; }
  // Grows with every byte handed to the kernel.
  std::uint64_t written() const { return written_; }

  Flush flush(Stream& stream);

 private:
  static constexpr std::size_t kFullAt = 64 * limits::kKiB;

  Flush writeText(Stream& stream);
  Flush writeFile(Stream& stream);
  void advance(std::size_t bytes);

  std::string text_;
  std::size_t textWritten_ = 0;
  std::string_view body_;
  FileRange* file_ = nullptr;
  std::uint64_t bodyWritten_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace corbel::http
