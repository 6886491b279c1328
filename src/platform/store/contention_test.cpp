#include "contention.h"

#include <gtest/gtest.h>

namespace corbel::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ContentionTest : public testing::Test {
 protected:
  bool mayRun(std::string_view statement) { return contention.enter(statement, now).has_value(); }
  void run(std::string_view statement, const std::optional<Error>& error) {
    const auto ticket = contention.enter(statement, now);
    ASSERT_TRUE(ticket);
    contention.leave(statement, *ticket, error ? &*error : nullptr, now);
  }

  static constexpr std::string_view kUpdate = "UPDATE a";
  static constexpr std::string_view kOther = "UPDATE b";
  const Error locked = contendedError("");
  SystemRandom random;
  Contention contention{random};
  SteadyTime now{seconds(100)};
};

TEST_F(ContentionTest, LetsNobodyWaitForWhatTwoHaveWaitedForInVain) {
  run(kUpdate, locked);
  EXPECT_TRUE(mayRun(kUpdate));
  run(kUpdate, locked);
  EXPECT_FALSE(mayRun(kUpdate));
  EXPECT_TRUE(mayRun(kOther));
}

TEST_F(ContentionTest, LetsOneTryAgainAndEverybodyOnceThatRan) {
  run(kUpdate, locked);
  run(kUpdate, locked);
  now += milliseconds(1'001);
  const auto trial = contention.enter(kUpdate, now);
  ASSERT_TRUE(trial);
  EXPECT_FALSE(mayRun(kUpdate));
  contention.leave(kUpdate, *trial, nullptr, now);
  EXPECT_TRUE(mayRun(kUpdate));
  EXPECT_TRUE(mayRun(kUpdate));
}

TEST_F(ContentionTest, IsNoticedToBeOverWithinThreeSeconds) {
  run(kUpdate, locked);
  for (int i = 0; i < 20; ++i) {
    run(kUpdate, locked);
    EXPECT_FALSE(mayRun(kUpdate));
    now += milliseconds(3'001);
  }
}

TEST_F(ContentionTest, LearnsNothingFromOtherErrors) {
  run(kUpdate, locked);
  for (int i = 0; i < 10; ++i) run(kUpdate, Error{ErrorCode::alreadyExists, "taken", "", {}});
  EXPECT_TRUE(mayRun(kUpdate));
}

}  // namespace
}  // namespace corbel::store
