// Takes the body of one request out of what a connection reads: left in place when it is small,
// gathered in memory, or cut into chunks for a sink.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "byte_budget.h"
#include "byte_buffer.h"
#include "chunk_decoder.h"
#include "http/message.h"
#include "input_buffer.h"
#include "request_parser.h"

namespace corbel::http {

class BodyReader {
 public:
  enum class Progress : std::uint8_t {
    hungry,   // read more into space(), or into the input when that is empty
    chunk,    // chunk() is ready for the sink; call chunkTaken() when it is done
    complete  // body() is there, or the sink has got all
  };
  enum class Rest : std::uint8_t { none, little, much };

  // What is gathered counts against `memory`, which all requests of the server share.
  explicit BodyReader(std::shared_ptr<ByteBudget> memory) : memory_(std::move(memory)) {}

  void start(BodyFraming framing, std::uint64_t contentLength);
  // payload_too_large: it is already known that the body is longer than planned.
  Result<void> plan(BodyPlan plan, const InputBuffer& input);
  bool planned() const { return planned_; }
  BodySink* sink() const { return plan_.sink.get(); }

  // Takes what `input` holds. invalid_argument: malformed; payload_too_large; unavailable: other
  // requests have the memory.
  Result<Progress> take(InputBuffer& input);
  std::span<char> space();
  void wrote(std::size_t bytes);
  std::string_view body() const { return body_; }

  std::string_view chunk() const { return storage_.view(); }
  void chunkTaken() { storage_.clear(); }

  // Throws away what `input` holds of the body and says how much is still to come.
  Rest skip(InputBuffer& input);
  // Nothing of the body was read yet.
  bool untouched(const InputBuffer& input) const { return total_ == 0 && input.empty(); }
  bool hasBody() const { return framing_ != BodyFraming::none; }
  // Body bytes read.
  std::uint64_t total() const { return total_; }
  void dropSink() { plan_.sink.reset(); }
  // Memory back to a size worth keeping. Only when nothing is shown of it.
  void finish();
  // All memory back, of a connection that waits for its next request.
  void release() { storage_.release(); }

 private:
  Result<Progress> takeInPlace(InputBuffer& input);
  Result<void> takeLength(InputBuffer& input);
  Result<void> takeChunked(InputBuffer& input);
  Result<void> store(std::string_view bytes);
  Result<void> makeRoom(std::size_t bytes);
  Result<void> charge(std::size_t bytes);
  bool ended() const;
  std::size_t storageMax() const;

  BodyFraming framing_ = BodyFraming::none;
  bool planned_ = false;
  bool inPlace_ = false;
  std::uint64_t left_ = 0;  // of a body with a length
  std::uint64_t total_ = 0;
  ChunkDecoder decoder_;
  BodyPlan plan_;
  ByteBuffer storage_;
  ByteBudget::Share memory_;
  std::string_view body_;
};

}  // namespace corbel::http
