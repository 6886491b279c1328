// Bench "writes": acknowledged small writes a second with 1 and with 64 writers, each waiting for
// its commit, while readers ask for one row by key; on SQLite, and on PostgreSQL where
// tests/support/postgres.py runs it. usage: writes_bench [FOLDER [SECONDS]]
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "store/store.h"

namespace {

using namespace corbel;
using Clocks = std::chrono::steady_clock;

struct Row {
  std::string name;
  double acknowledgedPerSecond;
  double writeP99Ms;
  double readP50Ms;
  double readP95Ms;
  double readsPerSecond;
  double unitsPerGroup;
};

double percentile(std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  std::ranges::sort(sorted);
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

double msSince(Clocks::time_point start) {
  return std::chrono::duration<double, std::milli>(Clocks::now() - start).count();
}

// Every thread calls `work` until the time is over; the latencies of all calls in milliseconds.
template <class Work>
std::vector<double> latencies(int threads, Clocks::time_point end, Work work) {
  std::vector<std::vector<double>> perThread(static_cast<std::size_t>(threads));
  {
    std::vector<std::jthread> running;
    for (auto& own : perThread) {
      running.emplace_back([&own, end, work] {
        while (Clocks::now() < end) {
          const auto start = Clocks::now();
          if (!work()) std::abort();
          own.push_back(msSince(start));
        }
      });
    }
  }
  std::vector<double> all;
  for (const auto& own : perThread) all.insert(all.end(), own.begin(), own.end());
  return all;
}

Row measure(store::Database& database, std::string name, int writers, double seconds) {
  static std::atomic<std::int64_t> last = 0;
  const std::string body(400, 'x');
  const auto before = database.stats();
  const auto start = Clocks::now();
  const auto end = start + std::chrono::milliseconds(static_cast<int>(seconds * 1000));
  std::vector<double> writes;
  std::jthread writing([&] {
    writes = latencies(writers, end, [&] {
      const std::int64_t id = ++last;
      return database
          .write(
              [&](store::Transaction& tx) {
                return tx.execute("INSERT INTO bench (id, owner, body) VALUES (?, ?, ?)", id,
                                  id % 1'000, body);
              },
              Deadline::never())
          .has_value();
    });
  });
  // Two readers at a rate that a server has, not as fast as they can: they would take the processor
  // from the writers.
  auto reads = latencies(2, end, [&] {
    const auto found = database.read(
        [](store::Reader& reader) {
          return reader.query("SELECT body FROM bench WHERE id = ?", last / 2)
              .one([](const store::Row& row) { return row.text(0).size(); });
        },
        Deadline::never());
    std::this_thread::sleep_for(std::chrono::microseconds(500));
    return found.has_value();
  });
  writing.join();
  const double elapsed = msSince(start) / 1000;
  const auto after = database.stats();
  const auto units = static_cast<double>(after.unitsCommitted - before.unitsCommitted);
  for (double& ms : reads) ms -= 0.5;  // the pause
  return {.name = std::move(name),
          .acknowledgedPerSecond = static_cast<double>(writes.size()) / elapsed,
          .writeP99Ms = percentile(writes, 0.99),
          .readP50Ms = percentile(reads, 0.5),
          .readP95Ms = percentile(reads, 0.95),
          .readsPerSecond = static_cast<double>(reads.size()) / elapsed,
          .unitsPerGroup = units / static_cast<double>(after.groups - before.groups)};
}

Result<void> prepare(store::Database& database) {
  return database.write(
      [](store::Transaction& tx) -> Result<void> {
        CORBEL_CHECK(tx.execute("DROP TABLE IF EXISTS bench"));
        CORBEL_CHECK(
            tx.execute("CREATE TABLE bench (id INTEGER NOT NULL PRIMARY KEY, owner BIGINT NOT "
                       "NULL, body TEXT NOT NULL)"));
        return tx.execute("CREATE INDEX bench_by_owner ON bench (owner)");
      },
      Deadline::never());
}

bool measureAll(Result<std::unique_ptr<store::Database>> database, const std::string& name,
                double seconds, std::vector<Row>& rows) {
  const auto prepared =
      database ? prepare(**database) : Result<void>(std::unexpected(database.error()));
  if (!prepared) {
    fmt::print("{}: {}\n", name, prepared.error().message);
    return false;
  }
  for (const int writers : {1, 64})
    rows.push_back(measure(**database, fmt::format("{}-w{}", name, writers), writers, seconds));
  return true;
}

void writeJson(const std::vector<Row>& rows) {
  std::string json;
  const auto add = [&](const Row& row, const char* metric, const char* unit, double value) {
    json += fmt::format(R"({}{{"case": "{}", "metric": "{}", "unit": "{}", "value": {:.3f}}})",
                        json.empty() ? "" : ", ", row.name, metric, unit, value);
  };
  for (const Row& row : rows) {
    add(row, "acked_per_s", "1/s", row.acknowledgedPerSecond);
    add(row, "reads_p95_ms", "ms", row.readP95Ms);
  }
  std::ofstream("build/bench/writes.json")
      << fmt::format(R"({{"name": "writes", "machine": "{} cores", "rows": [{}]}})",
                     std::thread::hardware_concurrency(), json)
      << '\n';
}

}  // namespace

int main(int count, char** arguments) {
  const std::filesystem::path folder = count > 1 ? arguments[1] : "build/bench/writes-data";
  const double seconds = count > 2 ? std::atof(arguments[2]) : 3;
  const SystemClock clock;
  std::vector<Row> rows;
  auto sqlite = store::openSqlite({.dataFolder = folder}, clock);
  if (!measureAll(std::move(sqlite), "sqlite", seconds, rows)) return 1;
  if (const char* const url = std::getenv("CORBEL_TEST_POSTGRES")) {
    auto postgres = store::openPostgres({.url = Secret(url)}, clock);
    if (!measureAll(std::move(postgres), "postgres", seconds, rows)) return 1;
  }
  fmt::print("{:14} {:>12} {:>14} {:>12} {:>12} {:>10} {:>12}\n", "case", "acked/s", "write p99 ms",
             "read p50 ms", "read p95 ms", "reads/s", "units/group");
  for (const Row& row : rows) {
    fmt::print("{:14} {:>12.0f} {:>14.2f} {:>12.3f} {:>12.3f} {:>10.0f} {:>12.1f}\n", row.name,
               row.acknowledgedPerSecond, row.writeP99Ms, row.readP50Ms, row.readP95Ms,
               row.readsPerSecond, row.unitsPerGroup);
  }
  writeJson(rows);
  return 0;
}
