#include "net/exchange.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "base/text.h"
#include "base/trace.h"
#include "net/destination.h"
#include "net/public_address.h"

namespace corbel::net {
namespace {

using HeaderList = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

constexpr std::size_t kHeadBytes = std::size_t{64} * 1024;
constexpr std::int64_t kLongestMs = std::int64_t{24} * 3'600 * 1'000;

// What the callbacks of one exchange share; curl keeps pointers into it.
struct Running {
  const StreamingRequest& wanted;
  const Rules& rules;
  const Clock& clock;
  SteadyTime deadline;
  SteadyTime movedAt;
  StreamingHead head = {};
  int status = 0;
  std::size_t headBytes = 0;
  curl_off_t moved = 0;
  bool headTold = false;
  bool gaveUp = false;
  bool stalled = false;
  bool refused = false;  // the address
  std::array<char, CURL_ERROR_SIZE> reason = {};

  bool tellHead() {
    if (headTold) return true;
    headTold = true;
    gaveUp = gaveUp || (wanted.onHead && !wanted.onHead(std::move(head)));
    return !gaveUp;
  }
};

bool isReached(Reach reach, const sockaddr& address) {
  switch (reach) {
    case Reach::anywhere:
      return true;
    case Reach::publicInternet:
      return isPublic(address);
    case Reach::thisMachine:
      return isThisMachine(address);
  }
  std::unreachable();
}

// What was resolved last is what is connected to.
curl_socket_t openSocket(void* user, curlsocktype, curl_sockaddr* address) {
  Running& running = *static_cast<Running*>(user);
  if (!isReached(running.rules.reach, address->addr)) {
    running.refused = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t onHeaderLine(char* data, std::size_t, std::size_t count, void* user) {
  Running& running = *static_cast<Running*>(user);
  std::string_view line(data, count);
  running.headBytes += count;
  if (running.headBytes > kHeadBytes) return 0;
  // A line of status begins a head; that of an interim answer (100) is followed by another.
  if (line.starts_with("HTTP/")) {
    takeUntil(line, ' ');
    running.status = parseNumber<int>(takeUntil(line, ' ').substr(0, 3)).value_or(0);
    running.head = {.status = running.status};
    return count;
  }
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return count;
  const std::string_view name = takeUntil(line, ':');
  running.head.headers.emplace_back(toLowerAscii(name), trim(line));
  return count;
}

std::size_t onAnswer(char* data, std::size_t, std::size_t count, void* user) {
  Running& running = *static_cast<Running*>(user);
  if (!running.tellHead()) return 0;
  if (running.wanted.onBody && !running.wanted.onBody({data, count})) {
    running.gaveUp = true;
    return 0;
  }
  running.movedAt = running.clock.steady();
  return count;
}

std::size_t onRequestBody(char* space, std::size_t size, std::size_t count, void* user) {
  Running& running = *static_cast<Running*>(user);
  const auto filled = running.wanted.body({space, size * count});
  if (!filled) {
    running.gaveUp = true;
    return CURL_READFUNC_ABORT;
  }
  running.movedAt = running.clock.steady();
  return *filled;
}

int watch(void* user, curl_off_t, curl_off_t received, curl_off_t, curl_off_t sent) {
  Running& running = *static_cast<Running*>(user);
  const SteadyTime now = running.clock.steady();
  if (received + sent != running.moved) {
    running.moved = received + sent;
    running.movedAt = now;
  }
  running.stalled = now - running.movedAt > running.wanted.stallMax;
  if (running.wanted.stop.stop_requested()) running.gaveUp = true;
  return running.gaveUp || running.stalled || now >= running.deadline ? 1 : 0;
}

HeaderList headersOf(const StreamingRequest& wanted) {
  HeaderList list(nullptr, &curl_slist_free_all);
  const auto append = [&](const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) return;
    static_cast<void>(list.release());
    list.reset(longer);
  };
  // The span of this request is nearer than what a caller's header says.
  const std::string trace = trace::outgoingTraceparent();
  if (!trace.empty()) append("traceparent: " + trace);
  for (const auto& [name, value] : wanted.headers) {
    if (trace.empty() || !equalsIgnoringCase(name, "traceparent"))
      append(fmt::format("{}: {}", name, value));
  }
  append("Expect:");
  return list;
}

void setRules(CURL* easy, const Rules& rules, Running& running) {
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, rules.schemes.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!rules.caFile.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, rules.caFile.c_str());
  if (rules.connectMax) {
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     std::max<long>(static_cast<long>(rules.connectMax->count()), 1));
  }
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &openSocket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &running);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "Corbel");
}

void setRequest(CURL* easy, const StreamingRequest& wanted, Running& running) {
  curl_easy_setopt(easy, CURLOPT_URL, wanted.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  if (wanted.body) {
    const auto length = wanted.bodyBytes ? static_cast<curl_off_t>(*wanted.bodyBytes) : -1;
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &onRequestBody);
    curl_easy_setopt(easy, CURLOPT_READDATA, &running);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, length);
  } else if (wanted.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, wanted.method.c_str());
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &onHeaderLine);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &running);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &onAnswer);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &running);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &watch);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &running);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, running.reason.data());
}

Result<void> judge(CURLcode outcome, Running& running) {
  const std::string& who = running.rules.who;
  const char* const reason = running.reason.data();
  if (outcome == CURLE_OK && running.tellHead()) return {};
  if (running.gaveUp) return fail(ErrorCode::aborted, "The exchange was given up.");
  if (running.stalled)
    return fail(ErrorCode::unavailable, fmt::format("{} stopped answering.", who), reason);
  if (outcome == CURLE_OPERATION_TIMEDOUT || running.clock.steady() >= running.deadline) {
    return fail(ErrorCode::deadlineExceeded, fmt::format("{} did not answer in time.", who),
                reason);
  }
  if (running.refused && running.rules.reach == Reach::publicInternet)
    return fail(ErrorCode::permissionDenied, fmt::format("{}'s address is not a public one.", who));
  return fail(ErrorCode::unavailable, fmt::format("{} could not be reached.", who), reason);
}

// For people who look at a trace; without what a path or a query may hold.
std::string_view hostOf(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  return url.substr(0, url.find_first_of("/?#"));
}

}  // namespace

Result<Rules> rulesFor(const std::string& url, const DestinationPolicy& policy) {
  CORBEL_TRY(Destination destination, readDestination(url, policy));
  return Rules{.schemes = std::move(destination.scheme),
               .reach = destination.allowed ? Reach::anywhere : Reach::publicInternet};
}

Handle newHandle() { return {curl_easy_init(), &curl_easy_cleanup}; }

Result<void> exchange(CURL* handle, const StreamingRequest& wanted, const Rules& rules,
                      Deadline deadline, const Clock& clock) {
  if (handle == nullptr) return fail(ErrorCode::internal, "The HTTP client could not be started.");
  if (deadline.expired(clock)) return fail(ErrorCode::deadlineExceeded, "There was no time left.");
  std::optional<trace::Span> span;
  if (rules.isSpan) span.emplace("HTTP", hostOf(wanted.url), trace::Kind::client);
  const HeaderList headers = headersOf(wanted);
  Running running{.wanted = wanted,
                  .rules = rules,
                  .clock = clock,
                  .deadline = deadline.time(),
                  .movedAt = clock.steady()};
  setRules(handle, rules, running);
  setRequest(handle, wanted, running);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  const auto left = std::clamp<std::int64_t>(deadline.remaining(clock).count(), 1, kLongestMs);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(left));
  const CURLcode outcome = curl_easy_perform(handle);
  auto judged = judge(outcome, running);
  if (span && judged) span->set("http.response.status_code", std::int64_t{running.status});
  if (span && !judged) span->fail(curl_easy_strerror(outcome));
  curl_easy_reset(handle);  // forgets the request and keeps the connection
  return judged;
}

std::string_view Kept::header(std::string_view name) const {
  const auto found =
      std::ranges::find(head.headers, name, &std::pair<std::string, std::string>::first);
  return found == head.headers.end() ? std::string_view() : found->second;
}

Result<Kept> exchangeWhole(StreamingRequest wanted, const Rules& rules, std::size_t maxBytes,
                           Deadline deadline, const Clock& clock) {
  Kept kept;
  bool tooLong = false;
  wanted.stallMax = std::chrono::milliseconds(kLongestMs);
  wanted.onHead = [&](StreamingHead head) {
    kept.head = std::move(head);
    return true;
  };
  wanted.onBody = [&](std::string_view piece) {
    tooLong = piece.size() > maxBytes - kept.body.size();
    if (!tooLong) kept.body += piece;
    return !tooLong;
  };
  const Handle handle = newHandle();
  const auto outcome = exchange(handle.get(), wanted, rules, deadline, clock);
  if (tooLong) {
    return fail(ErrorCode::unavailable,
                fmt::format("The answer is longer than {} bytes.", maxBytes));
  }
  if (!outcome) return std::unexpected(outcome.error());
  return kept;
}

std::function<std::optional<std::size_t>(std::span<char>)> inPieces(std::string_view text) {
  return [rest = text](std::span<char> space) mutable -> std::optional<std::size_t> {
    const std::size_t length = rest.copy(space.data(), space.size());
    rest.remove_prefix(length);
    return length;
  };
}

}  // namespace corbel::net
