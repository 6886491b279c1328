#include "net/transfer.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/text.h"

namespace corbel::net {
namespace {

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

constexpr std::size_t kHeaderFields = 200;

struct Running {
  const Transfer& wanted;
  Transferred answer;
  std::int64_t left = 0;  // of the request's body
  bool stopped = false;   // by `read` or `write`
  bool tooLong = false;
};

std::size_t give(char* space, std::size_t one, std::size_t count, void* user) {
  Running& running = *static_cast<Running*>(user);
  const auto wanted = static_cast<std::size_t>(
      std::min<std::int64_t>(static_cast<std::int64_t>(one * count), running.left));
  if (wanted == 0) return 0;
  const std::size_t given = running.wanted.read(std::span(space, wanted));
  running.left -= static_cast<std::int64_t>(given);
  running.stopped = given == 0;
  return given == 0 ? CURL_READFUNC_ABORT : given;
}

std::size_t takeHeader(char* bytes, std::size_t one, std::size_t count, void* user) {
  Running& running = *static_cast<Running*>(user);
  std::string_view rest(bytes, one * count);
  // The status is wanted before the body comes: "HTTP/1.1 200 OK".
  if (rest.starts_with("HTTP/")) {
    running.answer.headers.clear();
    takeUntil(rest, ' ');
    running.answer.status = parseNumber<int>(takeUntil(rest, ' ').substr(0, 3)).value_or(0);
    return one * count;
  }
  const std::string_view name = takeUntil(rest, ':');
  while (rest.ends_with('\n') || rest.ends_with('\r')) rest.remove_suffix(1);
  if (!rest.empty() && running.answer.headers.size() < kHeaderFields)
    running.answer.headers.emplace_back(toLowerAscii(name), trim(rest));
  return one * count;
}

std::size_t takeBody(char* bytes, std::size_t one, std::size_t count, void* user) {
  Running& running = *static_cast<Running*>(user);
  const std::string_view piece(bytes, one * count);
  if (running.wanted.write && running.answer.status / 100 == 2) {
    running.stopped = !running.wanted.write(piece);
    return running.stopped ? 0 : piece.size();
  }
  running.tooLong = piece.size() > kKeptBytes - running.answer.body.size();
  if (running.tooLong) return 0;
  running.answer.body.append(piece);
  return piece.size();
}

Headers headersOf(const Transfer& wanted) {
  Headers list(nullptr, &curl_slist_free_all);
  const auto append = [&](const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) return;
    static_cast<void>(list.release());
    list.reset(longer);
  };
  for (const auto& [name, value] : wanted.headers) append(fmt::format("{}: {}", name, value));
  append("Expect:");
  return list;
}

void configure(CURL* easy, Running& running, const curl_slist* headers) {
  const Transfer& wanted = running.wanted;
  curl_easy_setopt(easy, CURLOPT_URL, wanted.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!wanted.caFile.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, wanted.caFile.c_str());
  if (wanted.read) {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(wanted.bodyBytes));
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &give);
    curl_easy_setopt(easy, CURLOPT_READDATA, &running);
  } else if (wanted.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, wanted.method.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &takeHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &running);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &takeBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &running);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "Corbel");
}

}  // namespace

std::string_view Transferred::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, &std::pair<std::string, std::string>::first);
  return found == headers.end() ? std::string_view() : found->second;
}

Result<Transferred> transfer(const Transfer& wanted, Deadline deadline, const Clock& clock) {
  if (deadline.expired(clock)) return fail(ErrorCode::deadlineExceeded, "There was no time left.");
  const Easy easy(curl_easy_init(), &curl_easy_cleanup);
  if (easy == nullptr) return fail(ErrorCode::internal, "The HTTP client could not be started.");
  Running running{.wanted = wanted, .answer = {}, .left = wanted.bodyBytes};
  const Headers headers = headersOf(wanted);
  std::array<char, CURL_ERROR_SIZE> reason{};
  configure(easy.get(), running, headers.get());
  curl_easy_setopt(easy.get(), CURLOPT_ERRORBUFFER, reason.data());
  constexpr std::int64_t kLongestMs = 24LL * 3'600 * 1'000;
  const auto left = std::clamp<std::int64_t>(deadline.remaining(clock).count(), 1, kLongestMs);
  curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(left));
  const CURLcode outcome = curl_easy_perform(easy.get());
  if (outcome == CURLE_OPERATION_TIMEDOUT)
    return fail(ErrorCode::deadlineExceeded, "The server did not answer in time.", reason.data());
  if (running.stopped) return fail(ErrorCode::aborted, "The transfer was stopped.");
  if (running.tooLong)
    return fail(ErrorCode::unavailable, "The server's answer is longer than expected.");
  if (outcome != CURLE_OK)
    return fail(ErrorCode::unavailable, "The server could not be reached.", reason.data());
  return std::move(running.answer);
}

}  // namespace corbel::net
