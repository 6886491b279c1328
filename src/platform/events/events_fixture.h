// What the tests of this module share: a database with its tables, and a sink that does as it is
// told.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/random.h"
#include "events/dispatcher.h"
#include "events/events.h"
#include "events/events_migrations.h"
#include "store/migration.h"

namespace corbel::events {

template <class T>
T mustBe(Result<T> result) {
  if (result) return *std::move(result);
  ADD_FAILURE() << result.error().message << " " << result.error().detail;
  std::abort();
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Acknowledges everything, unless told otherwise.
class FakeSink final : public EventSink {
 public:
  explicit FakeSink(Retry retry = {}) : retry_(retry) {}
  std::string_view name() const override { return "fake"; }
  Retry retry() const override { return retry_; }
  std::vector<Outcome> publish(std::string_view, std::span<const Event> events, Deadline) override {
    std::vector<Outcome> outcomes;
    std::set<std::string> keys;
    ++calls;
    for (const Event& event : events) {
      EXPECT_TRUE(keys.insert(event.partitionKey).second) << "a key twice in one wave";
      const bool isAway = away || failing.contains(event.subject);
      if (refusing.contains(event.subject)) {
        outcomes.push_back({Verdict::refused, "never"});
      } else if (isAway) {
        outcomes.push_back({Verdict::failed, "away"});
      } else {
        received.push_back(event);
        outcomes.push_back({Verdict::delivered});
      }
    }
    return outcomes;
  }
  std::vector<std::string> subjects(std::string_view key) const {
    std::vector<std::string> found;
    for (const Event& event : received) {
      if (event.partitionKey == key) found.push_back(event.subject);
    }
    return found;
  }

  bool away = false;
  std::set<std::string> failing;   // subjects
  std::set<std::string> refusing;  // subjects
  std::vector<Event> received;
  int calls = 0;

 private:
  const Retry retry_;
};

class EventsTest : public testing::Test {
 protected:
  std::unique_ptr<store::Database> openDatabase() {
    auto opened = mustBe(store::openSqlite({.dataFolder = folder.path()}, clock));
    mustBe(store::migrateUp(*opened, migrations(), clock));
    return opened;
  }
  Result<void> append(const Outbox& to, const std::string& key, const std::string& subject,
                      const std::string& data = "{}") {
    return database->write(
        [&](store::Transaction& tx) {
          return to.append(tx, {.type = kModelChanged,
                                .tenant = "acme",
                                .subject = subject,
                                .partitionKey = key,
                                .data = data});
        },
        Deadline::never());
  }
  std::int64_t rows(const Outbox& of) { return mustBe(of.pending(Deadline::never())).rows; }
  DispatchParts dispatchParts() { return {*database, ids, random, clock, metrics}; }

  TemporaryFolder folder;
  ManualClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  metrics::Metrics metrics;
  std::unique_ptr<store::Database> database = openDatabase();
  Outbox outbox{{*database, ids, clock}, "/corbel", {"fake"}, {}};
};

}  // namespace corbel::events
