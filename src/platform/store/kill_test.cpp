// A write that was acknowledged is there after the process was killed in the middle of its work.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "store_fixture.h"

namespace corbel::store {
namespace {

constexpr int kRounds = 6;
constexpr std::int64_t kIdsPerRound = 10'000'000;

using Open = std::function<Result<std::unique_ptr<Database>>()>;

// Writes as fast as it can and reports every acknowledged id, until it is killed.
[[noreturn]] void writeForEver(const Open& open, int report, std::int64_t firstId) {
  auto database = open();
  if (!database) _exit(1);
  std::vector<std::jthread> writers;
  for (std::int64_t writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      for (std::int64_t id = firstId + writer;; id += 4) {
        if (!insertNote(**database, id, std::to_string(id))) _exit(2);
        if (write(report, &id, sizeof id) != sizeof id) _exit(3);
      }
    });
  }
  for (auto& writer : writers) writer.join();
  _exit(4);
}

std::set<std::int64_t> acknowledgedBeforeTheKill(const Open& open, int round) {
  std::array<int, 2> channel{};
  if (pipe(channel.data()) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    close(channel[0]);
    writeForEver(open, channel[1], round * kIdsPerRound);
  }
  close(channel[1]);
  std::set<std::int64_t> acknowledged;
  std::int64_t id = 0;
  // Another moment of the writer's cycle every time.
  const std::size_t killAfter = 20 + static_cast<std::size_t>(round) * 17;
  while (read(channel[0], &id, sizeof id) == sizeof id) {
    acknowledged.insert(id);
    if (acknowledged.size() == killAfter) kill(child, SIGKILL);
  }
  close(channel[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
  return acknowledged;
}

std::set<std::int64_t> storedIds(Database& database) {
  const auto ids = database.read(
      [](Reader& reader) {
        return reader.query("SELECT id FROM notes").all([](const Row& row) {
          return row.integer(0);
        });
      },
      Deadline::never());
  return ids ? std::set<std::int64_t>(ids->begin(), ids->end()) : std::set<std::int64_t>();
}

class Acknowledgement : public ContractTest {};
ON_EVERY_DATABASE(Acknowledgement);

TEST_P(Acknowledgement, OutlivesSigkillInTheMiddleOfWriting) {
  const Open open = [&]() -> Result<std::unique_ptr<Database>> {
    if (GetParam() == Backend::sqlite) return openSqlite({.dataFolder = folder.path()}, clock);
    return openPostgres(postgresOptions(schema), clock);
  };
  ASSERT_TRUE(createNotes(*mustOpen(open())));
  std::set<std::int64_t> acknowledged;
  for (int round = 0; round < kRounds; ++round) {
    acknowledged.merge(acknowledgedBeforeTheKill(open, round));
    const auto opened = mustOpen(open());
    EXPECT_TRUE(opened->checkIntegrity(Deadline::never()));
    const auto stored = storedIds(*opened);
    for (const std::int64_t id : acknowledged) ASSERT_TRUE(stored.contains(id)) << "lost " << id;
  }
  EXPECT_GE(acknowledged.size(), 300u);
}

}  // namespace
}  // namespace corbel::store
