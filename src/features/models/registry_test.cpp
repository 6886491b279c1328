#include "models/registry.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "json/decode.h"
#include "models/signature_json.h"
#include "models_fixture.h"

namespace corbel::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RegistryTest : public ModelsTest {
 protected:
  std::vector<std::string> names(const ModelQuery& query, std::string_view tenant = "acme") {
    std::vector<std::string> found;
    for (const Model& model : mustBe(registry.list(scope(tenant), query)))
      found.push_back(model.name);
    return found;
  }
  static std::string positionOf(const Model& model, ModelOrder order) {
    switch (order) {
      case ModelOrder::name:
        return model.name;
      case ModelOrder::created:
        return std::to_string(model.createdAt.time_since_epoch().count());
      case ModelOrder::updated:
        return std::to_string(model.updatedAt.time_since_epoch().count());
    }
    std::unreachable();
  }
  static ModelQuery after(ModelQuery query, const Model& last) {
    query.afterValue = positionOf(last, query.order);
    query.afterId = last.id;
    return query;
  }
  AliasChange promote(const std::string& model, std::optional<int> version,
                      std::string_view alias = kChampion) {
    return mustBe(registry.promote(scope(), model, alias, version));
  }
  int championOf(const std::string& model) {
    return mustBe(registry.resolve(scope(), model, {})).version.number;
  }
};

TEST_F(RegistryTest, FindsAModelByNameAndById) {
  const Model made = create("prices");
  EXPECT_EQ(mustBe(registry.find(scope(), "prices")).id, made.id);
  EXPECT_EQ(mustBe(registry.find(scope(), made.id)).name, "prices");
  EXPECT_EQ(codeOf(registry.find(scope(), "other")), ErrorCode::notFound);
}

TEST_F(RegistryTest, KeepsEverythingThatAModelWasGiven) {
  NewModel given{.name = "m",
                 .description = "d",
                 .framework = Framework::xgboost,
                 .category = "c",
                 .configuration = R"({"a":1})",
                 .inputSchema = "{}",
                 .outputSchema = R"({"enum":[1]})",
                 .tags = {"x", "y"},
                 .card = "# m"};
  mustBe(registry.create(scope(), given, {}));
  const Model kept = mustBe(registry.find(scope(), "m"));
  EXPECT_EQ(kept.description, "d");
  EXPECT_EQ(kept.framework, Framework::xgboost);
  EXPECT_EQ(kept.category, "c");
  EXPECT_EQ(kept.configuration, R"({"a":1})");
  EXPECT_EQ(kept.inputSchema, "{}");
  EXPECT_EQ(kept.outputSchema, R"({"enum":[1]})");
  EXPECT_THAT(kept.tags, ElementsAre("x", "y"));
  EXPECT_EQ(kept.card, "# m");
  EXPECT_EQ(kept.createdAt, clock.now());
  EXPECT_EQ(kept.latestVersion, 0);
}

TEST_F(RegistryTest, TakesANameOnceInATenant) {
  create("prices");
  const auto again = registry.create(scope(), aModel("prices"), {});
  ASSERT_EQ(codeOf(again), ErrorCode::alreadyExists);
  EXPECT_EQ(again.error().fields.at(0).pointer, "/name");
  EXPECT_TRUE(registry.create(scope("other"), aModel("prices"), {}));
}

TEST_F(RegistryTest, RefusesToRenameAModelToATakenName) {
  create("a");
  create("b");
  const auto renamed =
      registry.change(scope(), "b", std::nullopt, [](Model& model) -> Result<void> {
        model.name = "a";
        return {};
      });
  ASSERT_EQ(codeOf(renamed), ErrorCode::alreadyExists);
  EXPECT_EQ(renamed.error().fields.at(0).pointer, "/name");
  EXPECT_EQ(mustBe(registry.find(scope(), "b")).revision, 1);
}

TEST_F(RegistryTest, CountsModelsThatAreNotArchivedAgainstTheQuota) {
  const Quota two{.models = 2, .storageBytes = {}};
  mustBe(registry.create(scope(), aModel("a"), two));
  mustBe(registry.create(scope(), aModel("b"), two));
  const auto third = registry.create(scope(), aModel("c"), two);
  ASSERT_EQ(codeOf(third), ErrorCode::resourceExhausted);
  EXPECT_THAT(third.error().message, HasSubstr("may have 2 models"));
  EXPECT_TRUE(registry.create(scope("other"), aModel("c"), two));
  ASSERT_TRUE(registry.archive(scope(), "a"));
  EXPECT_TRUE(registry.create(scope(), aModel("c"), two));
}

TEST_F(RegistryTest, ArchivingFreesTheNameAndKeepsTheRow) {
  const Model old = create("prices");
  ASSERT_TRUE(registry.archive(scope(), "prices"));
  EXPECT_EQ(codeOf(registry.archive(scope(), "prices")), ErrorCode::notFound);
  EXPECT_EQ(codeOf(registry.archive(scope(), old.id)), ErrorCode::notFound);
  EXPECT_TRUE(mustBe(registry.find(scope(), old.id)).archivedAt);
  EXPECT_NE(create("prices").id, old.id);
  ModelQuery archived;
  archived.archived = true;
  EXPECT_THAT(names(archived), ElementsAre("prices"));
}

TEST_F(RegistryTest, AnArchivedModelTakesPartInNothing) {
  const std::string id = create("m").id;
  addVersion("m");
  ASSERT_TRUE(registry.archive(scope(), id));
  EXPECT_EQ(codeOf(registry.resolve(scope(), id, {})), ErrorCode::notFound);
  EXPECT_EQ(codeOf(registry.addVersion(scope(), id, aVersion(), {})), ErrorCode::notFound);
  EXPECT_EQ(codeOf(registry.promote(scope(), id, "x", 1)), ErrorCode::notFound);
  EXPECT_EQ(mustBe(registry.version(scope(), id, 1)).number, 1);
}

class PagingTest : public RegistryTest,
                   public testing::WithParamInterface<std::tuple<ModelOrder, bool>> {};

// A list of six, read two at a time, while models are added at both ends: nothing of the six is
// missed or seen twice.
TEST_P(PagingTest, SeesEveryModelOnceWhileOthersAreAdded) {
  const auto [order, descending] = GetParam();
  std::vector<std::string> six = {"m1", "m2", "m3", "m4", "m5", "m6"};
  for (std::size_t i = 0; i < six.size(); ++i) {
    create(six[i]);
    if (i % 2 == 1)
      clock.advance(std::chrono::milliseconds(1));  // pairs of the same time are told apart by id
  }
  ModelQuery query;
  query.order = order;
  query.descending = descending;
  query.limit = 2;
  std::vector<std::string> seen;
  for (int page = 0;; ++page) {
    const auto models = mustBe(registry.list(scope(), query));
    if (models.empty()) break;
    for (const Model& model : models) seen.push_back(model.name);
    query = after(query, models.back());
    create("a" + std::to_string(page));
    create("z" + std::to_string(page));
    ASSERT_LT(page, 20);
    if (seen.size() >= 12) break;
  }
  std::erase_if(seen, [](const std::string& name) { return !name.starts_with('m'); });
  if (descending) std::ranges::reverse(six);
  EXPECT_EQ(seen, six);
}

INSTANTIATE_TEST_SUITE_P(EveryOrder, PagingTest,
                         testing::Combine(testing::Values(ModelOrder::created, ModelOrder::name,
                                                          ModelOrder::updated),
                                          testing::Bool()));

TEST_F(RegistryTest, FiltersByFrameworkCategoryAndTagTogether) {
  auto tagged = [&](std::string name, Framework framework, std::string category,
                    std::vector<std::string> tags) {
    NewModel model = aModel(std::move(name));
    model.framework = framework;
    model.category = std::move(category);
    model.tags = std::move(tags);
    mustBe(registry.create(scope(), model, {}));
  };
  tagged("a", Framework::onnx, "vision", {"prod"});
  tagged("b", Framework::xgboost, "vision", {"prod"});
  tagged("c", Framework::onnx, "text", {"prod"});
  tagged("d", Framework::onnx, "vision", {"test", "Prod"});
  ModelQuery query;
  query.framework = "onnx";
  query.category = "vision";
  query.tag = "prod";
  EXPECT_THAT(names(query), ElementsAre("a"));
}

TEST_F(RegistryTest, TakesWildcardsInTagsAsTheyAre) {
  const std::vector<std::string> tags = {"50%", "5000", "a_b", "aXb", "c\\d", "prod", "production"};
  for (std::size_t i = 0; i < tags.size(); ++i) {
    NewModel model = aModel("m" + std::to_string(i));
    model.tags = {"other", tags[i]};
    mustBe(registry.create(scope(), model, {}));
  }
  for (std::size_t i = 0; i < tags.size(); ++i) {
    ModelQuery query;
    query.tag = tags[i];
    EXPECT_THAT(names(query), ElementsAre("m" + std::to_string(i))) << tags[i];
  }
  ModelQuery everything;
  everything.tag = "%";
  EXPECT_THAT(names(everything), IsEmpty());
}

TEST_F(RegistryTest, CountsRevisionsAndRefusesAnOldOne) {
  create("m");
  const auto describe = [](Model& model) -> Result<void> {
    model.description = "new";
    return {};
  };
  clock.advance(std::chrono::seconds(1));
  const Model changed = mustBe(registry.change(scope(), "m", 1, describe));
  EXPECT_EQ(changed.revision, 2);
  EXPECT_EQ(changed.updatedAt, clock.now());
  EXPECT_EQ(codeOf(registry.change(scope(), "m", 1, describe)), ErrorCode::failedPrecondition);
  EXPECT_TRUE(registry.change(scope(), "m", std::nullopt, describe));
  EXPECT_EQ(mustBe(registry.find(scope(), "m")).revision, 3);
}

TEST_F(RegistryTest, LeavesAModelAloneWhenItsChangeIsRefused) {
  create("m");
  const auto refused =
      registry.change(scope(), "m", std::nullopt, [](Model& model) -> Result<void> {
        model.description = "half";
        return failField("/card", "is too long");
      });
  EXPECT_EQ(codeOf(refused), ErrorCode::invalidArgument);
  EXPECT_EQ(mustBe(registry.find(scope(), "m")).description, "");
}

TEST_F(RegistryTest, NumbersVersionsAndMakesTheFirstOneChampion) {
  create("m");
  EXPECT_EQ(addVersion("m").number, 1);
  EXPECT_EQ(addVersion("m").number, 2);
  EXPECT_EQ(championOf("m"), 1);
  EXPECT_EQ(mustBe(registry.find(scope(), "m")).latestVersion, 2);
}

TEST_F(RegistryTest, KeepsTheLineageOfAVersion) {
  create("m");
  addVersion("m");
  NewVersion child = aVersion("b");
  child.parent = 1;
  child.source = "job 7";
  child.dataHash = "d1";
  child.notes = "better";
  addVersion("m", child);
  const Version kept = mustBe(registry.version(scope(), "m", 2));
  EXPECT_EQ(kept.parent, 1);
  EXPECT_EQ(kept.source, "job 7");
  EXPECT_EQ(kept.dataHash, "d1");
  EXPECT_EQ(kept.notes, "better");
  EXPECT_EQ(kept.createdBy, "user:ann");
  for (const int parent : {0, 3}) {
    child.parent = parent;
    const auto orphan = registry.addVersion(scope(), "m", child, {});
    ASSERT_EQ(codeOf(orphan), ErrorCode::unprocessable);
    EXPECT_EQ(orphan.error().fields.at(0).pointer, "/parent");
  }
}

TEST_F(RegistryTest, ListsVersionsNewestFirstInPages) {
  create("m");
  for (int i = 0; i < 5; ++i) addVersion("m");
  const auto numbers = [&](int before, int limit) {
    std::vector<int> found;
    for (const Version& version :
         mustBe(registry.versions(scope(), "m", {.before = before, .limit = limit, .stage = {}})))
      found.push_back(version.number);
    return found;
  };
  EXPECT_THAT(numbers(100, 2), ElementsAre(5, 4));
  EXPECT_THAT(numbers(4, 2), ElementsAre(3, 2));
  EXPECT_THAT(numbers(2, 2), ElementsAre(1));
}

TEST_F(RegistryTest, ArchivesTheRevisionThatIsMeant) {
  create("m");
  EXPECT_EQ(codeOf(registry.archive(scope(), "m", 7)), ErrorCode::failedPrecondition);
  EXPECT_TRUE(registry.archive(scope(), "m", 1));
}

TEST_F(RegistryTest, CountsEachContentOnceAgainstTheStorageQuota) {
  create("m");
  create("n");
  const Quota quota{.models = {}, .storageBytes = 100};
  mustBe(registry.addVersion(scope(), "m", aVersion("a", 60), quota));
  EXPECT_TRUE(registry.addVersion(scope(), "n", aVersion("a", 60), quota));
  EXPECT_EQ(mustBe(registry.storedBytes(scope())), 60);
  EXPECT_EQ(codeOf(registry.addVersion(scope(), "m", aVersion("b", 41), quota)),
            ErrorCode::insufficientStorage);
  EXPECT_EQ(mustBe(registry.find(scope(), "m")).latestVersion, 1);
  EXPECT_TRUE(registry.addVersion(scope(), "m", aVersion("c", 40), quota));
}

TEST_F(RegistryTest, ResolvesNumbersAliasesTheChampionAndTheLatest) {
  create("m");
  EXPECT_THAT(registry.resolve(scope(), "m", {}).error().message, HasSubstr("has no version yet"));
  addVersion("m", aVersion("one"));
  addVersion("m", aVersion("two"));
  addVersion("m", aVersion("three"));
  promote("m", 2, "challenger");
  const auto content = [&](const VersionRef& which) {
    return mustBe(registry.resolve(scope(), "m", which)).version.artifactSha256;
  };
  EXPECT_EQ(content({}), "one");
  EXPECT_EQ(content({.number = 3, .alias = {}}), "three");
  EXPECT_EQ(content({.number = {}, .alias = "challenger"}), "two");
  promote("m", std::nullopt);
  EXPECT_EQ(content({}), "three");
  EXPECT_THAT(registry.resolve(scope(), "m", {.number = 4, .alias = {}}).error().message,
              HasSubstr("the latest is 3"));
  EXPECT_THAT(registry.resolve(scope(), "m", {.number = {}, .alias = "x"}).error().message,
              HasSubstr("has no alias 'x'"));
}

TEST_F(RegistryTest, WritesDownEveryMoveOfAnAlias) {
  create("m");
  addVersion("m");
  addVersion("m");
  promote("m", 2);
  promote("m", std::nullopt);
  const auto moves = mustBe(registry.history(scope(), "m", 10));
  ASSERT_EQ(moves.size(), 3U);
  EXPECT_EQ(moves[0].version, std::nullopt);
  EXPECT_EQ(moves[0].previous, 2);
  EXPECT_EQ(moves[1].version, 2);
  EXPECT_EQ(moves[1].previous, 1);
  EXPECT_EQ(moves[2].version, 1);
  EXPECT_EQ(moves[2].previous, std::nullopt);
  EXPECT_EQ(moves[1].changedBy, "user:ann");
  EXPECT_EQ(mustBe(registry.history(scope(), "m", 1)).size(), 1U);
}

TEST_F(RegistryTest, RollsBackAndForth) {
  create("m");
  for (int i = 0; i < 3; ++i) addVersion("m");
  promote("m", 2);
  promote("m", 3);
  EXPECT_EQ(mustBe(registry.rollBack(scope(), "m", kChampion)).version, 2);
  EXPECT_EQ(championOf("m"), 2);
  EXPECT_EQ(mustBe(registry.rollBack(scope(), "m", kChampion)).version, 3);
  promote("m", std::nullopt);
  EXPECT_EQ(mustBe(registry.rollBack(scope(), "m", kChampion)).version, 3);
  EXPECT_EQ(championOf("m"), 3);
}

TEST_F(RegistryTest, HasNoWayBackFromAFirstMove) {
  create("m");
  addVersion("m");
  EXPECT_EQ(codeOf(registry.rollBack(scope(), "m", kChampion)), ErrorCode::unprocessable);
  EXPECT_EQ(codeOf(registry.rollBack(scope(), "m", "never-set")), ErrorCode::unprocessable);
}

TEST_F(RegistryTest, PromotingTwiceKeepsTheWayBack) {
  create("m");
  addVersion("m");
  addVersion("m");
  const AliasChange first = promote("m", 2);
  clock.advance(std::chrono::seconds(1));
  const AliasChange second = promote("m", 2);
  EXPECT_EQ(second.previous, 1);
  EXPECT_EQ(second.changedAt, first.changedAt);
  EXPECT_EQ(mustBe(registry.history(scope(), "m", 10)).size(), 2U);
  EXPECT_EQ(mustBe(registry.rollBack(scope(), "m", kChampion)).version, 1);
}

TEST_F(RegistryTest, RefusesAnAliasToAVersionThatDoesNotExist) {
  create("m");
  addVersion("m");
  EXPECT_EQ(codeOf(registry.promote(scope(), "m", "x", 2)), ErrorCode::notFound);
  EXPECT_EQ(codeOf(registry.promote(scope(), "m", "x", std::nullopt)), ErrorCode::notFound);
}

TEST_F(RegistryTest, BoundsTheAliasesOfAModel) {
  create("m");
  addVersion("m");
  for (std::size_t i = 1; i < kMaxAliases; ++i) promote("m", 1, "a" + std::to_string(i));
  EXPECT_EQ(codeOf(registry.promote(scope(), "m", "one-more", 1)), ErrorCode::unprocessable);
  EXPECT_EQ(mustBe(registry.aliases(scope(), "m")).size(), kMaxAliases);
}

TEST_F(RegistryTest, BoundsTheAliasesAlsoWhenOneIsRolledBack) {
  create("m");
  addVersion("m");
  promote("m", 1, "first");
  mustBe(registry.promote(scope(), "m", "first", std::nullopt));
  for (std::size_t i = 1; i < kMaxAliases; ++i) promote("m", 1, "a" + std::to_string(i));
  EXPECT_EQ(codeOf(registry.rollBack(scope(), "m", "first")), ErrorCode::unprocessable);
  EXPECT_EQ(mustBe(registry.aliases(scope(), "m")).size(), kMaxAliases);
  EXPECT_EQ(codeOf(registry.rollBack(scope(), "m", "a1")), ErrorCode::unprocessable);
}

TEST_F(RegistryTest, RefusesToNameOtherClassesThanTheVersionsHave) {
  create("m");
  for (const char* labels : {R"(["no","yes"])", R"(["no","yes","maybe"])"}) {
    NewVersion version = aVersion(labels);
    inference::Signature signature = SumModel().signature();
    signature.task = inference::ModelTask::classification;
    signature.classLabels = mustBe(json::decode<std::vector<std::string>>(labels));
    version.signature = toJson(signature);
    addVersion("m", version);
  }
  const auto declare = [&](std::string schema) {
    return registry.change(scope(), "m", std::nullopt, [&](Model& model) -> Result<void> {
      model.outputSchema = std::move(schema);
      return {};
    });
  };
  const auto refused = declare(R"({"enum":["a","b","c"]})");
  ASSERT_EQ(codeOf(refused), ErrorCode::unprocessable);
  EXPECT_EQ(refused.error().fields.at(0).pointer, "/outputSchema/enum");
  promote("m", 2);
  EXPECT_TRUE(declare(R"({"enum":["a","b","c"]})"));
  EXPECT_TRUE(declare(""));
}

TEST_F(RegistryTest, ShowsAForeignTenantNothing) {
  const std::string id = create("m").id;
  addVersion("m", aVersion("a", 10));
  addVersion("m", aVersion("b", 10));
  promote("m", 2);
  const Scope foreign = scope("other");
  const auto keep = [](Model&) -> Result<void> { return {}; };
  for (const std::string& ref : {id, std::string("m")}) {
    EXPECT_EQ(codeOf(registry.find(foreign, ref)), ErrorCode::notFound);
    EXPECT_EQ(codeOf(registry.change(foreign, ref, std::nullopt, keep)), ErrorCode::notFound);
    EXPECT_EQ(codeOf(registry.archive(foreign, ref)), ErrorCode::notFound);
    EXPECT_EQ(codeOf(registry.addVersion(foreign, ref, aVersion(), {})), ErrorCode::notFound);
    EXPECT_EQ(codeOf(registry.version(foreign, ref, 1)), ErrorCode::notFound);
    EXPECT_EQ(codeOf(registry.versions(foreign, ref, {})), ErrorCode::notFound);
    EXPECT_EQ(codeOf(registry.stageHistory(foreign, ref, 1, 10)), ErrorCode::notFound);
    EXPECT_EQ(codeOf(registry.changeStage(foreign, ref, 1,
                                          [](const Version&) { return Stage::production; })),
              ErrorCode::notFound);
    EXPECT_EQ(codeOf(registry.resolve(foreign, ref, {})), ErrorCode::notFound);
    EXPECT_EQ(codeOf(registry.aliases(foreign, ref)), ErrorCode::notFound);
    EXPECT_EQ(codeOf(registry.promote(foreign, ref, kChampion, 1)), ErrorCode::notFound);
    EXPECT_EQ(codeOf(registry.rollBack(foreign, ref, kChampion)), ErrorCode::notFound);
    EXPECT_EQ(codeOf(registry.history(foreign, ref, 10)), ErrorCode::notFound);
  }
  EXPECT_THAT(names({}, "other"), IsEmpty());
  EXPECT_EQ(mustBe(registry.storedBytes(foreign)), 0);
  EXPECT_EQ(championOf("m"), 2);
  EXPECT_EQ(mustBe(registry.find(scope(), "m")).archivedAt, std::nullopt);
}

TEST_F(RegistryTest, TellsTheListenerWhatChangedAfterItDid) {
  std::vector<std::pair<ModelEvent, int>> told;
  registry.onChange([&](ModelEvent event, const std::string& tenant, const std::string& id) {
    EXPECT_EQ(tenant, "acme");
    told.emplace_back(event, mustBe(registry.find(scope(), id)).latestVersion);
  });
  create("m");
  addVersion("m");
  addVersion("m");
  promote("m", 2);
  promote("m", 2);
  mustBe(registry.rollBack(scope(), "m", kChampion));
  EXPECT_FALSE(
      registry.addVersion(scope(), "m", aVersion("x", 9), {.models = {}, .storageBytes = 1}));
  ASSERT_TRUE(registry.archive(scope(), "m"));
  using enum ModelEvent;
  EXPECT_THAT(told, ElementsAre(std::pair(changed, 1), std::pair(changed, 2), std::pair(changed, 2),
                                std::pair(changed, 2), std::pair(archived, 2)));
}

TEST(ModelName, IsMadeOfFewCharacters) {
  for (const std::string_view good : {"a", "House-prices_2.1", "9lives"})
    EXPECT_TRUE(isModelName(good)) << good;
  for (const std::string_view bad :
       {"", ".a", "-a", "a b", "a/b", "ä", "019b76da-a800-7000-8000-000000000000"}) {
    EXPECT_FALSE(isModelName(bad)) << bad;
  }
  EXPECT_TRUE(isModelName(std::string(128, 'a')));
  EXPECT_FALSE(isModelName(std::string(129, 'a')));
}

TEST(Framework, HasANameBothWays) {
  EXPECT_EQ(parseFramework("sklearn"), Framework::sklearn);
  EXPECT_EQ(name(Framework::lightgbm), "lightgbm");
  EXPECT_EQ(parseFramework("theano"), std::nullopt);
}

}  // namespace
}  // namespace corbel::models
