#include "models/removal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/personal_models.h"
#include "models_fixture.h"

namespace corbel::models {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RemovalTest : public ModelsTest {
 protected:
  static Scope of(std::string_view actor) { return {"acme", actor, Deadline::never()}; }
  void addModel(const std::string& name, std::string_view actor) {
    mustBe(registry.create(of(actor), aModel(name), {}));
    mustBe(registry.addVersion(of(actor), name, aVersion("file of " + name), {}));
  }
  Removed removeDemo() {
    const auto letGo = [this](store::Transaction&, const std::string& file) -> Result<void> {
      gone.push_back(file);
      return {};
    };
    return mustBe(removeMadeBy(*database, "acme", "user:demo", letGo, Deadline::never()));
  }
  std::vector<std::string> gone;
};

TEST_F(RemovalTest, TakesOutWhatOneHasMadeWithItsFilesAndNothingElse) {
  addModel("demo", "user:demo");
  addModel("mine", "user:ann");
  const Removed removed = removeDemo();
  EXPECT_THAT(removed.models, ElementsAre("demo"));
  EXPECT_THAT(gone, ElementsAre("file of demo"));
  EXPECT_TRUE(registry.find(scope(), "mine"));
  EXPECT_EQ(codeOf(registry.find(scope(), "demo")), ErrorCode::notFound);
  EXPECT_THAT(removeDemo().models, IsEmpty());
}

TEST_F(RemovalTest, LeavesAModelInWhichSomebodyElseHasAHand) {
  addModel("demo", "user:demo");
  mustBe(registry.addVersion(of("user:ann"), "demo", aVersion("another"), {}));
  const Removed removed = removeDemo();
  EXPECT_THAT(removed.models, IsEmpty());
  EXPECT_THAT(removed.kept, ElementsAre("demo"));
  EXPECT_EQ(mustBe(registry.versions(scope(), "demo", {})).size(), 2U);
}

TEST_F(RemovalTest, AnErasureTakesTheNameAndTheNotesFromVersions) {
  mustBe(registry.create(scope(), aModel("houses"), {}));
  NewVersion version = aVersion();
  version.notes = "by ann herself";
  mustBe(registry.addVersion(scope(), "houses", version, {}));
  const auto place = personalModels(*database);
  const personal::Person ann{"acme", "user:ann", clock.now(), "erased:1"};
  EXPECT_EQ(mustBe(place.erase(ann, Deadline::never())).count, 2) << "the version and its alias";
  const Version after = mustBe(registry.version(scope(), "houses", 1));
  EXPECT_EQ(after.createdBy, "erased:1");
  EXPECT_EQ(after.notes, "");
  EXPECT_EQ(mustBe(registry.history(scope(), "houses", 10)).front().changedBy, "erased:1");
}

}  // namespace
}  // namespace corbel::models
