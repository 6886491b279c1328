#include "compression.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/limits.h"
#include "base/text.h"
#include "exec/pool.h"
#include "http/call.h"
#include "http/message.h"
#include "http/route.h"

namespace corbel::http {
namespace {

// Less fits one packet anyway.
constexpr std::size_t kShortest = 1 * limits::kKiB;
// About a millisecond with gzip, which other connections of the thread can wait.
constexpr std::size_t kOnNetworkThread = 32 * limits::kKiB;
constexpr int kGzipLevel = 5;
constexpr int kZstdLevel = 3;
constexpr int kGzipFormat = 15 + 16;  // windowBits of zlib: the largest window, gzip's header
constexpr int kZlibMemory = 8;        // its default

// In thousandths (RFC 9110, 12.4.2); nothing: it is not a weight.
std::optional<int> weight(std::string_view parameter) {
  if (!parameter.starts_with("q=") && !parameter.starts_with("Q=")) return std::nullopt;
  parameter.remove_prefix(2);
  if (parameter.size() > 5 || (!parameter.starts_with('0') && !parameter.starts_with('1'))) {
    return std::nullopt;
  }
  int value = (parameter[0] - '0') * 1000;
  int digit = 100;
  for (std::size_t i = 1; i < parameter.size(); ++i) {
    const char c = parameter[i];
    if (i == 1 ? c != '.' : c < '0' || c > '9') return std::nullopt;
    if (i > 1) value += (c - '0') * std::exchange(digit, digit / 10);
  }
  return value <= 1000 ? std::optional(value) : std::nullopt;
}

// Of each encoding, as one header says.
struct Weights {
  std::optional<int> identity;
  std::optional<int> gzip;
  std::optional<int> zstd;
  int others = 0;

  void note(std::string_view name, int value) {
    if (equalsIgnoringCase(name, "gzip") || equalsIgnoringCase(name, "x-gzip")) gzip = value;
    if (equalsIgnoringCase(name, "zstd")) zstd = value;
    if (equalsIgnoringCase(name, "identity")) identity = value;
    if (name == "*") others = value;
  }
};

bool isText(std::string_view contentType) {
  const auto media = trim(takeUntil(contentType, ';'));
  return media.starts_with("text/") || media.ends_with("json") || media.ends_with("xml") ||
         media.ends_with("javascript");
}

std::string gzip(std::string_view text) {
  z_stream stream{};
  if (::deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kGzipFormat, kZlibMemory,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, ::deflateEnd);
  std::string out(::deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ::deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  return out;
}

std::string zstd(std::string_view text) {
  std::string out(::ZSTD_compressBound(text.size()), '\0');
  const auto length = ::ZSTD_compress(out.data(), out.size(), text.data(), text.size(), kZstdLevel);
  if (::ZSTD_isError(length) != 0) throw std::bad_alloc();
  out.resize(length);
  return out;
}

void encode(Response& response, Encoding encoding) {
  response.body = compress(encoding, std::get<std::string>(response.body));
  response.headers.emplace_back("Content-Encoding", encoding == Encoding::gzip ? "gzip" : "zstd");
}

// false: the pool is full.
bool encodeLater(const Call& call, const std::shared_ptr<Response>& response, Encoding encoding) {
  return call.context().compression->tryRun([call, response, encoding] {
    try {
      encode(*response, encoding);
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): it goes out as it is
    }
    call.exchange()->complete(std::move(*response));
  });
}

}  // namespace

Encoding chosenEncoding(std::string_view acceptEncoding) {
  Weights weights;
  while (!acceptEncoding.empty()) {
    std::string_view member = takeUntil(acceptEncoding, ',');
    const auto name = trim(takeUntil(member, ';'));
    const auto parameter = trim(member);
    if (const auto value = parameter.empty() ? std::optional(1000) : weight(parameter)) {
      weights.note(name, *value);
    }
  }
  const int gzip = weights.gzip.value_or(weights.others);
  const int zstd = weights.zstd.value_or(weights.others);
  const int best = std::max(gzip, zstd);
  if (best == 0 || best < weights.identity.value_or(0)) return Encoding::identity;
  return zstd == best ? Encoding::zstd : Encoding::gzip;
}

bool isCompressible(const Response& response) {
  const auto* text = std::get_if<std::string>(&response.body);
  if (text == nullptr || text->size() < kShortest || text->size() > limits::kGiB) return false;
  if (response.status == 206 || !isText(response.contentType)) return false;
  return std::ranges::none_of(response.headers, [](const auto& header) {
    return equalsIgnoringCase(header.first, "ETag") ||
           equalsIgnoringCase(header.first, "Content-Encoding");
  });
}

std::string compress(Encoding encoding, std::string_view text) {
  switch (encoding) {
    case Encoding::identity:
      return std::string(text);
    case Encoding::gzip:
      return gzip(text);
    case Encoding::zstd:
      return zstd(text);
  }
  std::unreachable();
}

void completeCompressed(const Call& call, Response response) {
  const auto& exchange = call.exchange();
  if (call.context().compression == nullptr || !isCompressible(response)) {
    return exchange->complete(std::move(response));
  }
  response.headers.emplace_back("Vary", "Accept-Encoding");
  const auto encoding = chosenEncoding(call.head().header("Accept-Encoding"));
  if (encoding == Encoding::identity) return exchange->complete(std::move(response));
  const Route* route = call.context().route;
  // What has an Idempotency-Key is answered by the thread that has kept the answer: the store's.
  const bool isKept = !call.context().repetitionId.empty();
  const bool hurries = route == nullptr || route->quick || isKept;
  if (hurries && std::get<std::string>(response.body).size() > kOnNetworkThread) {
    const auto kept = std::make_shared<Response>(std::move(response));
    if (!encodeLater(call, kept, encoding)) exchange->complete(std::move(*kept));
    return;
  }
  encode(response, encoding);
  exchange->complete(std::move(response));
}

}  // namespace corbel::http
