#include "body_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <utility>

#include "base/limits.h"
#include "base/result.h"
#include "http/message.h"
#include "input_buffer.h"
#include "request_parser.h"

namespace corbel::http {
namespace {

constexpr std::size_t kSinkChunk = 256 * limits::kKiB;
constexpr std::size_t kGrowthWithoutProof =
    1 * limits::kMiB;  // allocated on the word of a Content-Length
constexpr std::size_t kGrowthAtLeast = 16 * limits::kKiB;
constexpr std::size_t kStorageKept = 64 * limits::kKiB;
constexpr std::uint64_t kSkipAtMost = 64 * limits::kKiB;  // more is cheaper to cut than to read

std::unexpected<Error> tooLong(std::size_t maxBytes) {
  return fail(ErrorCode::payloadTooLarge,
              "the request body must not be longer than " + std::to_string(maxBytes) + " bytes");
}

}  // namespace

void BodyReader::start(BodyFraming framing, std::uint64_t contentLength) {
  framing_ = framing;
  planned_ = inPlace_ = false;
  left_ = contentLength;
  total_ = 0;
  if (framing == BodyFraming::chunked) decoder_ = ChunkDecoder();
}

Result<void> BodyReader::plan(BodyPlan plan, const InputBuffer& input) {
  planned_ = true;
  plan_ = std::move(plan);
  if (framing_ == BodyFraming::length && left_ > plan_.maxBytes) return tooLong(plan_.maxBytes);
  inPlace_ = framing_ != BodyFraming::chunked && !plan_.sink && input.fits(left_);
  return {};
}

Result<BodyReader::Progress> BodyReader::take(InputBuffer& input) {
  if (inPlace_) return takeInPlace(input);
  if (framing_ == BodyFraming::length) CORBEL_CHECK(takeLength(input));
  if (framing_ == BodyFraming::chunked) CORBEL_CHECK(takeChunked(input));
  if (sink() != nullptr) {
    if (storage_.size() == kSinkChunk || (ended() && storage_.size() > 0)) return Progress::chunk;
    return ended() ? Progress::complete : Progress::hungry;
  }
  if (!ended() && framing_ == BodyFraming::length) CORBEL_CHECK(makeRoom(1));
  if (!ended()) return Progress::hungry;
  storage_.reserve(1);
  storage_.pad();
  body_ = storage_.view();
  return Progress::complete;
}

Result<BodyReader::Progress> BodyReader::takeInPlace(InputBuffer& input) {
  if (input.unread().size() < left_) return Progress::hungry;
  body_ = input.unread().substr(0, left_);
  total_ = left_;
  input.consume(left_);
  input.pin();
  left_ = 0;
  return Progress::complete;
}

Result<void> BodyReader::takeLength(InputBuffer& input) {
  const auto length = std::min(
      {left_, std::uint64_t{input.unread().size()}, std::uint64_t{storageMax() - storage_.size()}});
  CORBEL_CHECK(store(input.unread().substr(0, length)));
  left_ -= length;
  input.consume(length);
  return {};
}

Result<void> BodyReader::takeChunked(InputBuffer& input) {
  while (!input.empty() && !decoder_.finished() && (!plan_.sink || storage_.size() < kSinkChunk)) {
    auto text = input.unread();
    if (plan_.sink) text = text.substr(0, kSinkChunk - storage_.size());
    CORBEL_TRY(const auto run, decoder_.next(text));
    CORBEL_CHECK(store(run.bytes));
    input.consume(run.used);
  }
  return {};
}

Result<void> BodyReader::store(std::string_view bytes) {
  if (bytes.empty()) return {};
  if (bytes.size() > plan_.maxBytes - total_) return tooLong(plan_.maxBytes);
  CORBEL_CHECK(makeRoom(bytes.size()));
  storage_.append(bytes);
  total_ += bytes.size();
  return {};
}

// Grows with what has arrived, so that a client pays in bytes for the memory it takes.
Result<void> BodyReader::makeRoom(std::size_t bytes) {
  if (bytes <= storage_.capacity() - storage_.size()) return charge(storage_.capacity());
  const auto needed = storage_.size() + bytes;
  auto wanted = std::max({needed, 2 * storage_.size(), kGrowthAtLeast});
  if (framing_ == BodyFraming::length) {
    const auto whole = storage_.size() + left_;
    wanted = std::min<std::uint64_t>(whole, std::max(wanted, kGrowthWithoutProof));
  }
  const auto capacity = std::max(needed, std::min(wanted, storageMax()));
  CORBEL_CHECK(charge(capacity));
  storage_.reserve(capacity);
  return {};
}

Result<void> BodyReader::charge(std::size_t bytes) {
  if (memory_.grow(bytes)) return {};
  return fail(ErrorCode::unavailable,
              "the server has as many request bodies as it keeps in memory; try again later");
}

std::size_t BodyReader::storageMax() const { return plan_.sink ? kSinkChunk : plan_.maxBytes; }

std::span<char> BodyReader::space() {
  if (!planned_ || inPlace_ || framing_ != BodyFraming::length || left_ == 0) return {};
  const auto space = storage_.space();
  return space.first(std::min<std::uint64_t>(space.size(), left_));
}

void BodyReader::wrote(std::size_t bytes) {
  storage_.wrote(bytes);
  total_ += bytes;
  left_ -= bytes;
}

bool BodyReader::ended() const {
  return framing_ == BodyFraming::chunked ? decoder_.finished() : left_ == 0;
}

BodyReader::Rest BodyReader::skip(InputBuffer& input) {
  if (framing_ == BodyFraming::chunked) {
    while (!input.empty() && !decoder_.finished()) {
      const auto run = decoder_.next(input.unread());
      if (!run) return Rest::much;
      input.consume(run->used);
    }
    return decoder_.finished() ? Rest::none : Rest::much;
  }
  const auto length = std::min<std::uint64_t>(left_, input.unread().size());
  input.consume(length);
  left_ -= length;
  if (left_ == 0) return Rest::none;
  return left_ <= kSkipAtMost ? Rest::little : Rest::much;
}

void BodyReader::finish() {
  plan_ = {};
  body_ = {};
  storage_.clear();
  if (storage_.capacity() > kStorageKept) storage_.release();
  memory_.release();
}

}  // namespace corbel::http
