// What the tests of this module share: a database with its tables, a clock that stands, and kinds
// that do as they are told.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "events/events_migrations.h"
#include "jobs/jobs.h"
#include "jobs/jobs_migrations.h"
#include "jobs/schedules.h"
#include "store/migration.h"

namespace corbel::jobs {

template <class T>
T mustBe(Result<T> result) {
  if (result) return *std::move(result);
  ADD_FAILURE() << result.error().message << " " << result.error().detail;
  std::abort();
}

template <class T>
ErrorCode codeOf(const Result<T>& result) {
  if (!result) return result.error().code;
  ADD_FAILURE() << "it worked";
  return ErrorCode::internal;
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

// Deadlines pass as they do; the time of the wall stands until told otherwise.
class WallClock final : public Clock {
 public:
  SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
  Timestamp now() const override { return wall_.now(); }
  void advance(std::chrono::milliseconds by) { wall_.advance(by); }

 private:
  ManualClock wall_;
};

class JobsTest : public testing::Test {
 protected:
  inline static const Deadline kSoon = Deadline::never();

  JobsTest() {
    kinds.add({.name = "work",
               .doc = "Does as it is told.",
               .attemptsMax = 3,
               .deadline = std::chrono::hours(1),
               .check = {},
               .run = [this](Context& context) { return work(context); }});
    kinds.add({.name = "of-a-route", .doc = "", .start = Start::byRoute, .check = {}, .run = {}});
  }

  std::unique_ptr<store::Database> openDatabase() {
    auto opened = mustBe(store::openSqlite({.dataFolder = folder.path()}, clock));
    std::vector<store::Migration> all;
    for (const auto part : {migrations(), events::migrations()})
      all.insert(all.end(), part.begin(), part.end());
    mustBe(store::migrateUp(*opened, all, clock));
    return opened;
  }
  Job add(std::string_view tenant = "acme", int priority = 0) {
    return mustBe(queue.add(
        {.tenant = tenant, .kind = "work", .createdBy = "user:ann", .priority = priority}, kSoon));
  }
  Job get(const Job& job) { return mustBe(queue.get(job.tenant, job.id, kSoon)); }
  template <class T>
  T write(std::function<Result<T>(store::Transaction&)> fn) {
    return mustBe(database->write([&](store::Transaction& tx) { return fn(tx); }, kSoon));
  }

  TemporaryFolder folder;
  WallClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  std::unique_ptr<store::Database> database = openDatabase();
  Kinds kinds;
  std::function<Result<std::string>(Context&)> work = [](Context&) { return "{}"; };
  events::Outbox outbox{{*database, ids, clock}, "/corbel", {"fake"}, {}};
  Queue queue{{*database, kinds, ids, clock, &outbox}, {.ofTenant = 3, .ofAll = 5}};
  Schedules schedules{{*database, queue, kinds, ids}};
};

}  // namespace corbel::jobs
