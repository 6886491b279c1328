#include "models/serving.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <condition_variable>
#include <latch>
#include <map>
#include <thread>

#include "base/limits.h"
#include "base/mutex.h"
#include "models/predicting.h"
#include "models_fixture.h"

namespace corbel::models {
namespace {

// Where a loader waits until the test lets it go on.
class Barrier {
 public:
  void wait() {
    MutexLock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    while (!open_) lock.wait(changed_);
  }
  void awaitWaiting() {
    MutexLock lock(mutex_);
    while (waiting_ == 0) lock.wait(changed_);
  }
  void open() {
    const MutexLock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  int waiting_ CORBEL_GUARDED_BY(mutex_) = 0;
  bool open_ CORBEL_GUARDED_BY(mutex_) = false;
};

class ServingTest : public ModelsTest {
 protected:
  using Handle = std::shared_ptr<const ServedModel>;

  Result<std::shared_ptr<const inference::Model>> loadFile(const Version& version,
                                                           Deadline deadline) {
    loadedUntil = deadline;
    {
      const MutexLock lock(mutex_);
      ++loadsOf_[version.artifactSha256];
    }
    if (beforeLoading) beforeLoading(version);
    if (version.artifactSha256 == "broken")
      return fail(ErrorCode::unprocessable, "cannot be opened");
    return std::make_shared<SumModel>(static_cast<std::size_t>(version.artifactBytes), classes);
  }
  int loadsOf(const std::string& content) {
    const MutexLock lock(mutex_);
    return loadsOf_[content];
  }
  std::unique_ptr<Serving> serve(ServingOptions options = {}) {
    auto made = std::make_unique<Serving>(
        registry,
        [this](const Version& version, Deadline deadline) { return loadFile(version, deadline); },
        options, metrics, clock);
    registry.onChange(
        [raw = made.get()](ModelEvent event, const std::string& tenant, const std::string& id) {
          event == ModelEvent::archived ? raw->drop(tenant, id) : raw->forget(tenant, id);
        });
    return made;
  }
  // Nobody else is loading it.
  static Result<Handle> loadHere(Serving& serving, const std::string& ref,
                                 const VersionRef& which = {}, std::string_view tenant = "acme") {
    return serving.load(scope(tenant), ref, which, [] { FAIL() << "it was parked"; });
  }
  Handle load(Serving& serving, const std::string& ref, const VersionRef& which = {}) {
    clock.advance(std::chrono::milliseconds(1));
    return mustBe(loadHere(serving, ref, which));
  }
  std::string registered(const std::string& name, std::int64_t bytes = 1000) {
    const std::string id = create(name).id;
    addVersion(name, aVersion("file of " + name, bytes));
    return id;
  }

  metrics::Metrics metrics;
  std::function<void(const Version&)> beforeLoading;
  Deadline loadedUntil = Deadline::never();
  std::vector<std::string> classes;  // of the models that are loaded

 private:
  Mutex mutex_;
  std::map<std::string, int> loadsOf_ CORBEL_GUARDED_BY(mutex_);
};

const VersionRef kDefaultVersion;
VersionRef numbered(int number) { return {.number = number, .alias = {}}; }

TEST_F(ServingTest, CountsModelsOfOneNameApartForEveryTenant) {
  registered("m");
  create("m", "other");
  mustBe(registry.addVersion(scope("other"), "m", aVersion("file of another"), {}));
  const auto serving = serve();
  load(*serving, "m")->metrics->answered.add(2);
  mustBe(loadHere(*serving, "m", {}, "other"))->metrics->answered.add(3);
  const std::string text = metrics.expose();
  EXPECT_TRUE(text.contains(R"({status="ok",tenant="acme",model="m"} 2)")) << text;
  EXPECT_TRUE(text.contains(R"({status="ok",tenant="other",model="m"} 3)")) << text;
}

TEST_F(ServingTest, FindsWithoutWaitingWhatWasLoadedByThatName) {
  const std::string id = registered("m");
  const auto serving = serve();
  EXPECT_EQ(serving->find("acme", "m", kDefaultVersion), nullptr);
  const auto served = load(*serving, "m");
  EXPECT_EQ(serving->find("acme", "m", kDefaultVersion), served);
  EXPECT_EQ(serving->find("acme", id, kDefaultVersion), nullptr);
  EXPECT_EQ(served->modelName, "m");
  EXPECT_EQ(served->version, 1);
}

TEST_F(ServingTest, LoadsAVersionOnceForAllItsNames) {
  const std::string id = registered("m");
  const auto serving = serve();
  const auto served = load(*serving, "m");
  EXPECT_EQ(load(*serving, id), served);
  EXPECT_EQ(load(*serving, "m", numbered(1)), served);
  EXPECT_EQ(load(*serving, "m", {.number = {}, .alias = "champion"}), served);
  EXPECT_EQ(loadsOf("file of m"), 1);
  EXPECT_EQ(serving->stats().models, 1U);
}

TEST_F(ServingTest, KeepsTenantsApart) {
  registered("m");
  const auto serving = serve();
  load(*serving, "m");
  EXPECT_EQ(serving->find("other", "m", kDefaultVersion), nullptr);
  EXPECT_EQ(codeOf(loadHere(*serving, "m", {}, "other")), ErrorCode::notFound);
}

TEST_F(ServingTest, ParksWhoComesWhileSomebodyLoadsTheVersion) {
  const std::string id = registered("m");
  const auto serving = serve();
  Barrier barrier;
  beforeLoading = [&](const Version&) { barrier.wait(); };
  Handle found;
  std::latch resumed(1);
  {
    std::jthread caller([&] { EXPECT_TRUE(loadHere(*serving, "m")); });
    barrier.awaitWaiting();
    const auto parked = serving->load(scope(), id, {}, [&] {
      found = serving->find("acme", "m", kDefaultVersion);
      resumed.count_down();
    });
    EXPECT_EQ(mustBe(parked), nullptr);
    barrier.open();
  }
  resumed.wait();
  EXPECT_NE(found, nullptr);
  EXPECT_EQ(load(*serving, id), found);
  EXPECT_EQ(loadsOf("file of m"), 1);
}

TEST_F(ServingTest, KeepsNobodyWaitingForAnotherModel) {
  registered("slow");
  registered("quick");
  const auto serving = serve();
  Barrier barrier;
  beforeLoading = [&](const Version& version) {
    if (version.artifactSha256 == "file of slow") barrier.wait();
  };
  std::jthread caller([&] { EXPECT_TRUE(loadHere(*serving, "slow")); });
  barrier.awaitWaiting();
  EXPECT_TRUE(loadHere(*serving, "quick"));
  std::latch late(1);
  const Scope now{"acme", "ann", Deadline::at(std::chrono::steady_clock::now())};
  EXPECT_EQ(mustBe(serving->load(now, "slow", {}, [&] { late.count_down(); })), nullptr);
  late.wait();  // while it still loads
  barrier.open();
}

TEST_F(ServingTest, GivesALoadTimeOfItsOwn) {
  registered("m");
  const auto serving = serve();
  EXPECT_TRUE(serving->load({"acme", "ann", Deadline::never()}, "m", {}, [] {}));
  EXPECT_EQ(loadedUntil.time(), clock.steady() + limits::kValidationDeadline);
}

TEST_F(ServingTest, TriesAgainWhatCouldNotBeLoaded) {
  create("m");
  addVersion("m", aVersion("broken"));
  const auto serving = serve();
  EXPECT_EQ(codeOf(loadHere(*serving, "m")), ErrorCode::unprocessable);
  EXPECT_EQ(codeOf(loadHere(*serving, "m")), ErrorCode::unprocessable);
  EXPECT_EQ(loadsOf("broken"), 2);
  EXPECT_EQ(serving->stats().models, 0U);
}

TEST_F(ServingTest, GivesUpTheLeastRecentlyUsedWhenThereAreTooMany) {
  for (const char* name : {"a", "b", "c"}) registered(name);
  const auto serving = serve({.maxModels = 2});
  load(*serving, "a");
  load(*serving, "b");
  clock.advance(std::chrono::seconds(1));
  serving->find("acme", "a", kDefaultVersion);
  load(*serving, "c");
  EXPECT_NE(serving->find("acme", "a", kDefaultVersion), nullptr);
  EXPECT_EQ(serving->find("acme", "b", kDefaultVersion), nullptr);
  EXPECT_EQ(serving->stats().evictions, 1U);
  EXPECT_EQ(serving->stats().models, 2U);
}

TEST_F(ServingTest, GivesUpAsManyAsTheBytesAsk) {
  registered("a", 40);
  registered("b", 40);
  registered("large", 90);
  const auto serving = serve({.maxModels = 10, .maxBytes = 100});
  load(*serving, "a");
  load(*serving, "b");
  EXPECT_EQ(serving->stats().bytes, 80U);
  load(*serving, "large");
  EXPECT_EQ(serving->stats().bytes, 90U);
  EXPECT_EQ(serving->stats().evictions, 2U);
}

TEST_F(ServingTest, GivesUpTheOldestWhenMemoryIsShort) {
  registered("a");
  registered("b");
  const auto serving = serve();
  load(*serving, "a");
  load(*serving, "b");
  EXPECT_TRUE(serving->giveUpOldest());
  EXPECT_EQ(serving->find("acme", "a", kDefaultVersion), nullptr);
  EXPECT_TRUE(serving->giveUpOldest());
  EXPECT_FALSE(serving->giveUpOldest());
}

TEST_F(ServingTest, MakesRoomByGivingUpTheOldest) {
  registered("a", 40);
  registered("b", 40);
  const auto serving = serve();
  load(*serving, "a");
  load(*serving, "b");
  const ProcessMemory memory{200, [&] { return 100 + serving->stats().bytes; }};
  EXPECT_TRUE(serving->makeRoom(20, memory));
  EXPECT_EQ(serving->stats().models, 2U);
  EXPECT_TRUE(serving->makeRoom(60, memory));
  EXPECT_NE(serving->find("acme", "b", kDefaultVersion), nullptr);
  EXPECT_EQ(serving->stats().models, 1U);
}

TEST_F(ServingTest, GivesUpNothingForWhatCannotFit) {
  registered("a", 40);
  const auto serving = serve();
  load(*serving, "a");
  const ProcessMemory memory{200, [&] { return 100 + serving->stats().bytes; }};
  for (const std::uint64_t tooMuch : {101UL, 201UL, ~0UL})
    EXPECT_EQ(codeOf(serving->makeRoom(tooMuch, memory)), ErrorCode::unavailable);
  EXPECT_EQ(serving->stats().models, 1U);
}

TEST_F(ServingTest, ServesNoModelWhoseClassesAreNotThoseDeclared) {
  registered("m");
  mustBe(registry.change(scope(), "m", std::nullopt, [](Model& model) -> Result<void> {
    model.outputSchema = R"({"enum":["a","b"]})";
    return {};
  }));
  classes = {"0", "1", "2"};
  EXPECT_EQ(codeOf(loadHere(*serve(), "m")), ErrorCode::unprocessable);
  classes = {"0", "1"};
  EXPECT_TRUE(loadHere(*serve(), "m"));
}

TEST_F(ServingTest, ServesAModelLargerThanTheCache) {
  registered("huge", 500);
  const auto serving = serve({.maxModels = 10, .maxBytes = 100});
  load(*serving, "huge");
  EXPECT_NE(serving->find("acme", "huge", kDefaultVersion), nullptr);
}

TEST_F(ServingTest, LooksNamesUpAnewAfterAChangeButKeepsTheEngine) {
  registered("m");
  addVersion("m", aVersion("second"));
  const auto serving = serve();
  const auto first = load(*serving, "m");
  mustBe(registry.promote(scope(), "m", kChampion, 2));
  EXPECT_EQ(serving->find("acme", "m", kDefaultVersion), nullptr);
  EXPECT_EQ(load(*serving, "m")->version, 2);
  EXPECT_EQ(load(*serving, "m", numbered(1))->engine, first->engine);
  EXPECT_EQ(loadsOf("file of m"), 1);
}

TEST_F(ServingTest, FollowsTheSettingsOfTheModelWithoutReadingTheFileAgain) {
  registered("m");
  const auto serving = serve();
  const auto before = load(*serving, "m");
  EXPECT_EQ(before->plan.fields()[0].name, "a");
  mustBe(registry.change(scope(), "m", std::nullopt, [](Model& model) -> Result<void> {
    model.inputSchema =
        R"({"type":"object","properties":{"x":{"type":"number"},"y":{"type":"number"}},"required":["x","y"]})";
    model.outputSchema = R"({"enum":["low","high"]})";
    model.configuration = R"({"cache":{"ttlSeconds":60}})";
    return {};
  }));
  const auto after = load(*serving, "m");
  EXPECT_EQ(after->plan.fields()[0].name, "x");
  EXPECT_THAT(after->labels, testing::ElementsAre(R"("low")", R"("high")"));
  EXPECT_EQ(after->cacheTtl, std::chrono::seconds(60));
  EXPECT_NE(after->modelRevision, before->modelRevision);
  EXPECT_EQ(after->engine, before->engine);
  EXPECT_EQ(serving->stats().models, 1U);
}

TEST_F(ServingTest, DoesNotRememberANameThatMovedWhileItWasLoaded) {
  registered("m");
  addVersion("m", aVersion("second"));
  const auto serving = serve();
  beforeLoading = [&](const Version& version) {
    if (version.number == 1) mustBe(registry.promote(scope(), "m", kChampion, 2));
  };
  EXPECT_EQ(load(*serving, "m")->version, 1);
  EXPECT_EQ(serving->find("acme", "m", kDefaultVersion), nullptr);
  EXPECT_EQ(load(*serving, "m")->version, 2);
}

TEST_F(ServingTest, GivesMemoryBackOnUnload) {
  const std::string id = registered("m");
  const auto serving = serve();
  std::weak_ptr<const inference::Model> engine = load(*serving, "m")->engine;
  EXPECT_FALSE(serving->unload("other", id, 1));
  EXPECT_FALSE(serving->unload("acme", id, 2));
  EXPECT_FALSE(engine.expired());
  EXPECT_TRUE(serving->unload("acme", id, 1));
  EXPECT_TRUE(engine.expired());
  EXPECT_EQ(serving->find("acme", "m", kDefaultVersion), nullptr);
  EXPECT_EQ(serving->stats().bytes, 0U);
}

TEST_F(ServingTest, GivesMemoryBackWhenTheModelIsArchived) {
  registered("m");
  const auto serving = serve();
  load(*serving, "m");
  ASSERT_TRUE(registry.archive(scope(), "m"));
  EXPECT_EQ(serving->stats().models, 0U);
  EXPECT_EQ(codeOf(loadHere(*serving, "m")), ErrorCode::notFound);
}

TEST_F(ServingTest, AHandleOutlivesUnload) {
  const std::string id = registered("m");
  const auto serving = serve();
  const auto served = load(*serving, "m");
  serving->unload("acme", id, 1);
  inference::InputRow row{{1, 2}, {}};
  const auto result = predict(*served, row, Importance::no, Deadline::never(), clock);
  ASSERT_TRUE(result);
  EXPECT_THAT(result->prediction.values, testing::ElementsAre(8));
}

TEST_F(ServingTest, ExplainsBySamplingWhatNoEngineExplains) {
  registered("m");
  const auto serving = serve();
  const auto served = load(*serving, "m");
  const auto result =
      predict(*served, inference::InputRow{{1, 2}, {}}, Importance::yes, Deadline::never(), clock);
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_TRUE(result->importance);
  EXPECT_EQ(result->importance->method, "sampling");
  EXPECT_EQ(result->importance->space, "value");
  EXPECT_EQ(result->importance->base, 0);
  EXPECT_THAT(result->importance->contributions,
              testing::ElementsAre(testing::DoubleNear(2, 1e-9), testing::DoubleNear(6, 1e-9)));
}

TEST_F(ServingTest, StopsSamplingAtTheDeadline) {
  registered("m");
  const auto serving = serve();
  const auto served = load(*serving, "m");
  const auto late = predict(*served, inference::InputRow{{1, 2}, {}}, Importance::yes,
                            Deadline::at(clock.steady()), clock);
  EXPECT_EQ(codeOf(late), ErrorCode::deadlineExceeded);
}

TEST_F(ServingTest, ExplainsOnlyNamedFields) {
  registered("m");
  const auto served = load(*serve(), "m");
  const inference::Tensors tensors = {{{1, 2}, std::vector<float>{1, 2}}};
  const auto result = predict(*served, tensors, Importance::yes, Deadline::never(), clock);
  ASSERT_EQ(codeOf(result), ErrorCode::unprocessable);
  EXPECT_EQ(result.error().fields.at(0).pointer, "/options/includeFeatureImportance");
}

}  // namespace
}  // namespace corbel::models
