#include "chunk_decoder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/text.h"
#include "characters.h"

namespace corbel::http {
namespace {

constexpr std::size_t kDiscardedMax = 8192;  // extensions and trailers of one body
constexpr int kSizeDigitsMax = 15;           // so that a size never overflows

int hexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = lowerAscii(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::unexpected<Error> malformed(const char* message) {
  return fail(ErrorCode::invalidArgument, message);
}

}  // namespace

Result<ChunkDecoder::Run> ChunkDecoder::next(std::string_view input) {
  std::size_t used = 0;
  while (used < input.size() && !finished()) {
    if (state_ == State::content) {
      const auto length = std::min<std::uint64_t>(left_, input.size() - used);
      left_ -= length;
      if (left_ == 0) state_ = State::contentReturn;
      return Run{used + length, input.substr(used, length)};
    }
    CORBEL_CHECK(step(input[used]));
    ++used;
  }
  return Run{used, {}};
}

Result<void> ChunkDecoder::step(char c) {
  switch (state_) {
    case State::sizeStart:
      if (hexDigit(c) < 0) return malformed("chunk size: must be hexadecimal digits");
      state_ = State::size;
      digits_ = 0;
      return addDigit(c);
    case State::size:
      if (hexDigit(c) >= 0) return addDigit(c);
      if (c == ';') return discard(c, State::extension);
      return expect(c, '\r', State::sizeEnd);
    case State::extension:
      return c == '\r' ? expect(c, '\r', State::sizeEnd) : discard(c, State::extension);
    case State::sizeEnd:
      return expect(c, '\n', left_ > 0 ? State::content : State::lineStart);
    case State::contentReturn:
      return expect(c, '\r', State::contentEnd);
    case State::contentEnd:
      return expect(c, '\n', State::sizeStart);
    case State::lineStart:
      if (c == '\r') return expect(c, '\r', State::lastEnd);
      [[fallthrough]];
    case State::trailerName:
      if (c == ':' && state_ == State::trailerName) return discard(c, State::trailer);
      if (!is(c, kToken)) return malformed("trailer: must be \"Name: value\"");
      return discard(c, State::trailerName);
    case State::trailer:
      return c == '\r' ? expect(c, '\r', State::trailerEnd) : discard(c, State::trailer);
    case State::trailerEnd:
      return expect(c, '\n', State::lineStart);
    case State::lastEnd:
      return expect(c, '\n', State::finished);
    case State::content:
    case State::finished:
      break;
  }
  std::unreachable();
}

Result<void> ChunkDecoder::addDigit(char c) {
  if (++digits_ > kSizeDigitsMax) return malformed("chunk size: is too large");
  left_ = left_ * 16 + static_cast<std::uint64_t>(hexDigit(c));
  return {};
}

Result<void> ChunkDecoder::expect(char c, char wanted, State next) {
  if (c != wanted) {
    return malformed("chunked body: chunk sizes and chunks must end with CR LF, without spaces");
  }
  state_ = next;
  return {};
}

Result<void> ChunkDecoder::discard(char c, State next) {
  const auto byte = static_cast<unsigned char>(c);
  if ((byte < ' ' && c != '\t') || byte == 0x7f) {
    return malformed("chunked body: extensions and trailers must not contain control characters");
  }
  if (++discarded_ > kDiscardedMax) {
    return malformed("chunked body: chunk extensions and trailers must not exceed 8192 bytes");
  }
  state_ = next;
  return {};
}

}  // namespace corbel::http
