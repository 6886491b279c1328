#include "net/streaming_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace corbel::net {
namespace {

using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

constexpr long kConnectMs = 1'000;
constexpr std::size_t kHeadBytes = 64 * std::size_t{1024};

// What the callbacks of one exchange share.
struct Exchange {
  const StreamingRequest& transfer;
  const Clock& clock;
  SteadyTime deadline;
  SteadyTime movedAt;
  StreamingHead head = {};
  std::size_t headBytes = 0;
  curl_off_t moved = 0;
  bool headTold = false;
  bool gaveUp = false;
  bool stalled = false;

  bool tellHead() {
    if (headTold) return true;
    headTold = true;
    gaveUp = gaveUp || (transfer.onHead && !transfer.onHead(std::move(head)));
    return !gaveUp;
  }
};

std::size_t onHeaderLine(char* data, std::size_t, std::size_t count, void* user) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  std::string_view line(data, count);
  exchange.headBytes += count;
  if (exchange.headBytes > kHeadBytes) return 0;
  // A line of status begins a head; that of an interim answer (100) is followed by another.
  if (line.starts_with("HTTP/")) {
    takeUntil(line, ' ');
    exchange.head = {.status = parseNumber<int>(takeUntil(line, ' ')).value_or(0)};
    return count;
  }
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return count;
  const std::string_view name = takeUntil(line, ':');
  exchange.head.headers.emplace_back(toLowerAscii(name), trim(line));
  return count;
}

std::size_t onAnswer(char* data, std::size_t, std::size_t count, void* user) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  if (!exchange.tellHead()) return 0;
  if (exchange.transfer.onBody && !exchange.transfer.onBody({data, count})) {
    exchange.gaveUp = true;
    return 0;
  }
  exchange.movedAt = exchange.clock.steady();
  return count;
}

std::size_t onRequestBody(char* space, std::size_t size, std::size_t count, void* user) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  const auto filled = exchange.transfer.body({space, size * count});
  if (!filled) {
    exchange.gaveUp = true;
    return CURL_READFUNC_ABORT;
  }
  exchange.movedAt = exchange.clock.steady();
  return *filled;
}

int watch(void* user, curl_off_t, curl_off_t received, curl_off_t, curl_off_t sent) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  const SteadyTime now = exchange.clock.steady();
  if (received + sent != exchange.moved) {
    exchange.moved = received + sent;
    exchange.movedAt = now;
  }
  exchange.stalled = now - exchange.movedAt > exchange.transfer.stallMax;
  if (exchange.transfer.stop.stop_requested()) exchange.gaveUp = true;
  return exchange.gaveUp || exchange.stalled || now >= exchange.deadline ? 1 : 0;
}

Headers headersOf(const StreamingRequest& transfer) {
  Headers list(nullptr, &curl_slist_free_all);
  const auto append = [&](const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) return;
    static_cast<void>(list.release());
    list.reset(longer);
  };
  for (const auto& [name, value] : transfer.headers) append(fmt::format("{}: {}", name, value));
  append("Expect:");
  return list;
}

void configure(CURL* easy, const StreamingRequest& transfer, const curl_slist* headers,
               Exchange& exchange) {
  curl_easy_setopt(easy, CURLOPT_URL, transfer.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectMs);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &onHeaderLine);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &onAnswer);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &watch);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "Corbel");
  if (transfer.body) {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &onRequestBody);
    curl_easy_setopt(easy, CURLOPT_READDATA, &exchange);
    curl_easy_setopt(
        easy, CURLOPT_INFILESIZE_LARGE,
        transfer.bodyBytes ? static_cast<curl_off_t>(*transfer.bodyBytes) : curl_off_t{-1});
  } else if (transfer.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, transfer.method.c_str());
}

}  // namespace

struct StreamingClient::Connection {
  Connection() : easy(curl_easy_init(), &curl_easy_cleanup) {}
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy;
};

StreamingClient::StreamingClient(const Clock& clock) : clock_(clock) {}
StreamingClient::~StreamingClient() = default;

std::unique_ptr<StreamingClient::Connection> StreamingClient::take() {
  {
    const MutexLock lock(mutex_);
    if (!idle_.empty()) {
      auto last = std::move(idle_.back());
      idle_.pop_back();
      return last;
    }
  }
  return std::make_unique<Connection>();
}

// curl_easy_reset() forgets the request and keeps the connection.
void StreamingClient::giveBack(std::unique_ptr<Connection> connection) {
  curl_easy_reset(connection->easy.get());
  const MutexLock lock(mutex_);
  if (idle_.size() < kIdleConnections) idle_.push_back(std::move(connection));
}

Result<void> StreamingClient::run(const StreamingRequest& transfer, Deadline deadline) {
  auto connection = take();
  if (connection->easy == nullptr)
    return fail(ErrorCode::internal, "The HTTP client could not be started.");
  CURL* const easy = connection->easy.get();
  Exchange exchange{.transfer = transfer,
                    .clock = clock_,
                    .deadline = deadline.time(),
                    .movedAt = clock_.steady()};
  const Headers headers = headersOf(transfer);
  std::array<char, CURL_ERROR_SIZE> reason{};
  configure(easy, transfer, headers.get(), exchange);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, reason.data());
  const long leftMs = std::min<long>(deadline.remaining(clock_).count(), 86'400'000);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, std::max<long>(leftMs, 1));
  const CURLcode outcome = curl_easy_perform(easy);
  const bool late = outcome == CURLE_OPERATION_TIMEDOUT || deadline.expired(clock_);
  if (outcome == CURLE_OK) {
    const bool told = exchange.tellHead();
    giveBack(std::move(connection));
    return told ? Result<void>() : fail(ErrorCode::aborted, "The exchange was given up.");
  }
  if (exchange.gaveUp) return fail(ErrorCode::aborted, "The exchange was given up.");
  if (late && !exchange.stalled)
    return fail(ErrorCode::deadlineExceeded, "There was no answer in time.", reason.data());
  return fail(ErrorCode::unavailable, "There was no answer.", reason.data());
}

}  // namespace corbel::net
