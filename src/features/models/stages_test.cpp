#include <gtest/gtest.h>

#include <chrono>

#include "models_fixture.h"

namespace corbel::models {
namespace {

class StagesTest : public ModelsTest {
 protected:
  Version moveTo(Stage stage) {
    return mustBe(registry.changeStage(scope(), "m", 1, [&](const Version&) { return stage; }));
  }
};

TEST_F(StagesTest, WritesDownEveryMoveOfAVersionFromStageToStage) {
  create("m");
  addVersion("m");
  addVersion("m");
  moveTo(Stage::staging);
  clock.advance(std::chrono::seconds(1));
  moveTo(Stage::production);
  EXPECT_EQ(moveTo(Stage::production).stage, Stage::production);
  const auto moves = mustBe(registry.stageHistory(scope(), "m", 1, 10));
  ASSERT_EQ(moves.size(), 2U);
  EXPECT_EQ(moves[0].stage, Stage::production);
  EXPECT_EQ(moves[0].previous, Stage::staging);
  EXPECT_EQ(moves[0].changedBy, "user:ann");
  EXPECT_EQ(moves[0].changedAt - moves[1].changedAt, std::chrono::seconds(1));
  EXPECT_TRUE(mustBe(registry.stageHistory(scope(), "m", 2, 10)).empty());
  EXPECT_EQ(mustBe(registry.version(scope(), "m", 1)).stage, Stage::production);
}

TEST_F(StagesTest, ListsTheVersionsOfAStage) {
  create("m");
  for (int i = 0; i < 3; ++i) addVersion("m");
  moveTo(Stage::archived);
  const auto listed = mustBe(
      registry.versions(scope(), "m", {.before = 100, .limit = 10, .stage = Stage::archived}));
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].number, 1);
}

TEST_F(StagesTest, ARefusedMoveChangesNoStage) {
  create("m");
  addVersion("m");
  const auto refuse = [](const Version&) -> Result<Stage> {
    return fail(ErrorCode::failedPrecondition, "no");
  };
  EXPECT_EQ(codeOf(registry.changeStage(scope(), "m", 1, refuse)), ErrorCode::failedPrecondition);
  EXPECT_EQ(mustBe(registry.version(scope(), "m", 1)).stage, Stage::none);
  EXPECT_TRUE(mustBe(registry.stageHistory(scope(), "m", 1, 10)).empty());
}

TEST_F(StagesTest, KeepsVersionsWhenTheTablesGoBackToTheTimeBeforeStages) {
  create("m");
  addVersion("m", aVersion("kept"));
  moveTo(Stage::production);
  std::vector<store::Migration> all(migrations().begin(), migrations().end());
  all.insert(all.end(), custody::migrations().begin(), custody::migrations().end());
  mustBe(store::migrateDown(*database, all, 11));
  mustBe(store::migrateUp(*database, all, clock));
  const Version version = mustBe(registry.version(scope(), "m", 1));
  EXPECT_EQ(version.artifactSha256, "kept");
  EXPECT_EQ(version.stage, Stage::none);
}

}  // namespace
}  // namespace corbel::models
