// What every database promises to those who read, on each of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store_fixture.h"

namespace corbel::store {
namespace {

using std::chrono::milliseconds;

using Rows = NotesTest;
using Reads = NotesTest;
ON_EVERY_DATABASE(Rows);
ON_EVERY_DATABASE(Reads);

TEST_P(Rows, GiveBackEveryTypeThatWasBound) {
  const std::array<std::byte, 3> blob{std::byte{0}, std::byte{255}, std::byte{7}};
  const Timestamp time(milliseconds(1767225600123));
  const std::optional<std::string> nothing;
  const auto matches = database->read(
      [&](Reader& reader) {
        return reader
            .query("SELECT ?, ?, ?, ?, ?, ?, ?, ?", -7, 2.5, "ä", blob, true, time, nothing,
                   Bytes())
            .one([&](const Row& row) {
              return row.integer<int>(0) == -7 && row.real(1) == 2.5 && row.text(2) == "ä" &&
                     std::ranges::equal(row.bytes(3), blob) && row.boolean(4) &&
                     row.time(5) == time && row.isNull(6) && !row.optionalString(6) &&
                     row.bytes(7).empty() && !row.isNull(7);
            });
      },
      Deadline::never());
  ASSERT_TRUE(matches);
  EXPECT_EQ(*matches, true);
}

TEST_P(Rows, BindAnEmptyViewAsEmptyTextNotAsNull) {
  const auto isNull = database->read(
      [](Reader& reader) {
        return reader.query("SELECT ?", std::string_view()).one([](const Row& row) {
          return row.isNull(0);
        });
      },
      Deadline::never());
  ASSERT_TRUE(isNull);
  EXPECT_EQ(*isNull, false);
}

TEST_P(Rows, OfAnotherTypeThanAskedForFailTheQuery) {
  const auto read = [&](auto map) {
    return database->read(
        [&](Reader& reader) { return reader.query("SELECT 'x', NULL, 70000").one(map); },
        Deadline::never());
  };
  EXPECT_EQ(read([](const Row& row) { return row.integer(0); }).error().code, ErrorCode::internal);
  EXPECT_EQ(read([](const Row& row) { return row.string(1); }).error().code, ErrorCode::internal);
  EXPECT_EQ(read([](const Row& row) { return row.integer<std::int16_t>(2); }).error().code,
            ErrorCode::internal);
  EXPECT_EQ(read([](const Row& row) { return row.integer(3); }).error().code, ErrorCode::internal);
  EXPECT_TRUE(read([](const Row& row) { return row.optionalString(1); }));
}

static_assert(detail::countPlaceholders("SELECT '?', \"?\" /* ? */ -- ?\n WHERE a = ?") == 1);

TEST_P(Rows, AreMatchedByLikeLetterForLetter) {
  const auto matches = database->read(
      [](Reader& reader) {
        return reader.query("SELECT 'Prod' LIKE 'pro%', 'prod' LIKE 'pro%'")
            .one([](const Row& row) { return std::pair(row.boolean(0), row.boolean(1)); });
      },
      Deadline::never());
  ASSERT_TRUE(matches);
  EXPECT_EQ(*matches, std::pair(false, true));
}

TEST_P(Reads, SeeOneSnapshotFromTheirFirstQueryOn) {
  const auto seen = database->read(
      [&](Reader& reader) -> Result<std::pair<std::int64_t, std::int64_t>> {
        const auto count = [&] {
          return reader.query("SELECT count(*) FROM notes").one([](const Row& row) {
            return row.integer(0);
          });
        };
        CORBEL_TRY(const auto before, count());
        CORBEL_CHECK(insertNote(*database, 1, "written meanwhile"));
        CORBEL_TRY(const auto after, count());
        return std::pair(*before, *after);
      },
      Deadline::never());
  EXPECT_EQ(seen, std::pair(std::int64_t{0}, std::int64_t{0}));
  EXPECT_EQ(countNotes(*database), 1);
}

TEST_P(Reads, CannotWrite) {
  const auto wrote = database->read(
      [](Reader& reader) {
        return reader.query("INSERT INTO notes VALUES (1, 'x') RETURNING id").one([](const Row&) {
          return 0;
        });
      },
      Deadline::never());
  EXPECT_FALSE(wrote);
  EXPECT_EQ(countNotes(*database), 0);
  EXPECT_TRUE(database->healthy());
}

constexpr Sql<0> kEndless =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

TEST_P(Reads, ThatRunAwayAreStoppedAtTheDeadline) {
  const auto outcome = database->read(
      [](Reader& reader) {
        return reader.query(kEndless).one([](const Row& row) { return row.integer(0); });
      },
      Deadline::after(clock, milliseconds(20)));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::deadlineExceeded);
  EXPECT_EQ(countNotes(*database), 0);
}

TEST_P(Rows, OfNullsOfEveryKindAreNull) {
  const auto nulls = database->read(
      [](Reader& reader) {
        return reader
            .query("SELECT ?, ?, ?, ?, ?", std::optional<bool>(), std::optional<int>(),
                   std::optional<double>(), std::optional<std::string>(),
                   std::optional<std::vector<std::byte>>())
            .one([](const Row& row) {
              int count = 0;
              for (int column = 0; column < 5; ++column) count += row.isNull(column) ? 1 : 0;
              return count;
            });
      },
      Deadline::never());
  EXPECT_EQ(nulls, 5);
}

TEST_P(Rows, KeepTruthAndBytesInTheirColumns) {
  const std::array<std::byte, 3> bytes{std::byte{0}, std::byte{255}, std::byte{7}};
  const auto outcome = database->write(
      [&](Transaction& tx) -> Result<bool> {
        CORBEL_CHECK(
            tx.execute({"CREATE TABLE mixed (truth BOOLEAN, bytes BLOB, number BIGINT)",
                        "CREATE TABLE mixed (truth BOOLEAN, bytes BYTEA, number BIGINT)"}));
        CORBEL_CHECK(tx.execute("INSERT INTO mixed VALUES (?, ?, ?)", true, bytes, INT64_MIN));
        CORBEL_TRY(const auto same,
                   tx.query("SELECT truth, bytes, number FROM mixed WHERE truth = ? AND bytes = ?",
                            true, bytes)
                       .one([&](const Row& row) {
                         return row.boolean(0) && std::ranges::equal(row.bytes(1), bytes) &&
                                row.integer(2) == INT64_MIN;
                       }));
        return same.value_or(false);
      },
      Deadline::never());
  EXPECT_EQ(outcome, true);
}

TEST_P(Rows, AddUpAsWholeNumbers) {
  ASSERT_TRUE(insertNote(*database, 1, "a"));
  ASSERT_TRUE(insertNote(*database, 2, "b"));
  const auto sum = database->read(
      [](Reader& reader) {
        return reader.query("SELECT CAST(SUM(id) AS BIGINT) FROM notes").one([](const Row& row) {
          return row.integer(0);
        });
      },
      Deadline::never());
  EXPECT_EQ(sum, 3);
}

TEST_P(Rows, RefuseTextThatIsNone) {
  const std::string zero("a\0b", 3);
  for (const std::string& text : {zero, std::string("\xff"), std::string("\xc0\x80")}) {
    EXPECT_EQ(insertNote(*database, 1, text).error().code, ErrorCode::invalidArgument);
  }
  EXPECT_EQ(insertNote(*database, 1, std::string(17 << 20, 'x')).error().code,
            ErrorCode::payloadTooLarge);
  EXPECT_EQ(countNotes(*database), 0);
}

TEST_P(Rows, AreNotAskedForWithinTheRowsOfAnother) {
  ASSERT_TRUE(insertNote(*database, 1, "a"));
  const auto nested = database->read(
      [](Reader& reader) {
        return reader.query("SELECT id FROM notes").each([&](const Row&) -> Result<void> {
          CORBEL_CHECK(reader.query("SELECT 1").one([](const Row&) { return 1; }));
          return {};
        });
      },
      Deadline::never());
  EXPECT_EQ(nested.error().code, ErrorCode::internal);
}

}  // namespace
}  // namespace corbel::store
