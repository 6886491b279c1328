// Takes the body out of "Transfer-Encoding: chunked" (RFC 9112, 7.1) as it arrives. Extensions and
// trailers are read, bounded and thrown away.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace corbel::http {

class ChunkDecoder {
 public:
  struct Run {
    std::size_t used = 0;    // bytes of the input that were read
    std::string_view bytes;  // of the body: a part of those
  };

  // Reads `input` from its front up to the next run of body bytes, the end of the body or the end
  // of the input. invalid_argument: it is not chunked coding.
  Result<Run> next(std::string_view input);
  // The last chunk and the trailers were read.
  bool finished() const { return state_ == State::finished; }

 private:
  enum class State : std::uint8_t {
    sizeStart,
    size,
    extension,
    sizeEnd,
    content,
    contentReturn,
    contentEnd,
    lineStart,
    trailerName,
    trailer,
    trailerEnd,
    lastEnd,
    finished
  };

  Result<void> step(char c);
  Result<void> addDigit(char c);
  Result<void> expect(char c, char wanted, State next);
  Result<void> discard(char c, State next);

  State state_ = State::sizeStart;
  std::uint64_t left_ = 0;     // of the chunk being read
  std::size_t discarded_ = 0;  // bytes of extensions and trailers
  int digits_ = 0;             // of the size being read
};

}  // namespace corbel::http
