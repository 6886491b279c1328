// What became of requests that clients may send again: an Idempotency-Key is carried out once, and
// what it answered is answered again (draft-ietf-httpapi-idempotency-key-header-07).
//
// A request whose process went away before its answer was kept is in doubt: it may have been
// carried out or not. It is never carried out again; the client is told to look. While it may still
// be under way, here or in another process, the client is told to wait.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/deadline.h"
#include "base/result.h"
#include "store/migration.h"
#include "store/store.h"

namespace corbel::idempotency {

inline constexpr std::size_t kKeyLength = 255;
inline constexpr std::size_t kBodyBytes = std::size_t{1} << 20;  // of an answer that is kept
inline constexpr std::chrono::hours kKept{24};
inline constexpr std::int64_t kOfTenant = 100'000;  // kept at once
// Longer than any request that takes a key may run: a record that is older and has no answer
// belongs to a process that is gone.
inline constexpr std::chrono::hours kRunningMax{1};
// A process that has not renewed the records of its running requests for so long is gone.
inline constexpr std::chrono::seconds kSilentMax{180};

enum class Processes : std::uint8_t { one, several };  // that use the database

// 1 to kKeyLength visible ASCII characters.
bool isKey(std::string_view text);

struct Request {
  std::string_view tenant;
  std::string_view principal;
  std::string_view key;
  std::string_view fingerprint;  // of method, path and body
};

struct Answer {
  int status = 200;
  std::string contentType = {};
  std::string location = {};  // empty: none
  std::string etag = {};      // empty: none
  std::string body = {};
  bool hasSecret = false;  // its body is not kept
};

// Nobody has sent it before: carry it out, then finish() or forget() it.
struct First {
  std::string id;
};
// Thread-safe. Owns the table of migrations().
class Records {
 public:
  // `process` tells this process from others, and from itself before a restart; without blanks.
  Records(store::Database& database, std::string process, Processes processes = Processes::one)
      : database_(database), process_(std::move(process)), processes_(processes) {}

  // Waits for the store. unprocessable: the key was used for another request. aborted: the first
  // one is under way, or in doubt. resource_exhausted: kOfTenant.
  Result<std::variant<First, Answer>> begin(const Request& request, Deadline deadline) const;
  // The answer is kept when `then` is called, once, from any thread; where that fails, the request
  // stays in doubt.
  void finish(const std::string& id, Answer answer, std::move_only_function<void()> then) const;
  // Nothing was done: the key is as new.
  void forget(const std::string& id, std::move_only_function<void()> then) const;

  // Drops what is older than kKept, and says that this process is there. The owner calls it about
  // once a minute.
  Result<void> removeExpired(Deadline deadline) const;

 private:
  std::string markAt(Timestamp now) const;
  bool mayRun(std::string_view mark, Timestamp createdAt, Timestamp now) const;

  store::Database& database_;
  const std::string process_;
  const Processes processes_;
};

std::span<const store::Migration> migrations();

}  // namespace corbel::idempotency
