#include "privacy/personal_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <map>
#include <optional>

#include "audit/audit_migrations.h"
#include "base/random.h"
#include "jobs/jobs_migrations.h"
#include "privacy/privacy_migrations.h"
#include "secrets/secrets_migrations.h"
#include "store/migration.h"

namespace corbel::privacy {
namespace {

using personal::Erased;
using personal::Person;
using testing::HasSubstr;

template <class T>
T mustBe(Result<T> result) {
  if (result) return *std::move(result);
  ADD_FAILURE() << result.error().message << " " << result.error().detail;
  std::abort();
}

// An attempt that nobody watches.
class QuietContext final : public jobs::Context {
 public:
  explicit QuietContext(jobs::Job job) : job_(std::move(job)) {}
  const jobs::Job& job() const override { return job_; }
  Deadline deadline() const override { return Deadline::never(); }
  std::stop_token stop() const override { return source.get_token(); }
  void progress(double, std::string_view, std::string_view) override {}
  void log(std::string_view) override {}
  void attach(jobs::JobFile) override {}
  std::stop_source source;

 private:
  const jobs::Job job_;
};

class PersonalDataTest : public testing::Test {
 protected:
  ~PersonalDataTest() override { std::filesystem::remove_all(folder); }

  std::unique_ptr<store::Database> openDatabase() const {
    auto opened = mustBe(store::openSqlite({.dataFolder = folder / "db"}, clock));
    std::vector<store::Migration> all;
    for (const auto part :
         {jobs::migrations(), audit::migrations(), secrets::migrations(), migrations()})
      all.insert(all.end(), part.begin(), part.end());
    mustBe(store::migrateUp(*opened, all, clock));
    return opened;
  }
  // Has the diaries of everybody in `diaries`.
  personal::Place diariesPlace() {
    return {
        .name = "diaries",
        .doc = "Diaries are removed.",
        .show = [this](const Person& person, const personal::Show& show, Deadline) -> Result<void> {
          for (const std::string& page : diaries[person.principal])
            CORBEL_CHECK(show("{\"page\":\"" + page + "\"}"));
          return {};
        },
        .erase = [this](const Person& person, Deadline) -> Result<Erased> {
          if (broken) return fail(ErrorCode::unavailable, "The drawer is locked.");
          const auto pages = static_cast<std::int64_t>(diaries[person.principal].size());
          diaries.erase(person.principal);
          return Erased{pages};
        },
        .names = [this](Deadline) -> Result<std::vector<personal::Name>> {
          std::vector<personal::Name> names;
          for (const auto& [principal, pages] : diaries) names.push_back({"acme", principal});
          return names;
        }};
  }
  std::unique_ptr<PersonalData> openPersonalData() {
    return mustBe(PersonalData::open({.database = *database,
                                      .queue = queue,
                                      .objects = *objects,
                                      .vault = *vault,
                                      .audit = audit,
                                      .clock = clock,
                                      .places = {diariesPlace()},
                                      .erasuresFile = folder / "erasures"},
                                     Deadline::never()));
  }
  jobs::Job ask(RequestKind kind, std::string_view principal = "user:ann") {
    return mustBe(personalData->ask(kind, {"acme", principal, "user:admin"}, Deadline::never()));
  }
  Result<std::string> carryOut(const jobs::Job& job) {
    QuietContext context(job);
    return personalData->carryOut(context);
  }
  std::string exported(const jobs::Job& job) {
    const auto file = mustBe(personalData->openExport("acme", job.id, Deadline::never()));
    std::string text(static_cast<std::size_t>(file.sizeBytes()), '\0');
    mustBe(file.read(0, std::as_writable_bytes(std::span(text))));
    return text;
  }

  const std::filesystem::path folder = [] {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    return std::filesystem::path(mkdtemp(pattern.data()));
  }();
  std::map<std::string, std::vector<std::string>> diaries{{"user:ann", {"monday", "tuesday"}},
                                                          {"user:bob", {"sunday"}}};
  bool broken = false;
  SystemClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  std::unique_ptr<store::Database> database = openDatabase();
  jobs::Kinds kinds = [this] {
    jobs::Kinds made;
    for (const auto& kind : personalDataJobs([this] { return personalData.get(); })) made.add(kind);
    return made;
  }();
  jobs::Queue queue{{*database, kinds, ids, clock}, {}};
  std::unique_ptr<objects::ObjectStore> objects =
      mustBe(objects::openLocalObjects(folder / "objects", clock));
  std::unique_ptr<secrets::Vault> vault = mustBe(secrets::Vault::open(
      {*database, random, clock, ids}, {(folder / "master-key").string()}, Deadline::never()));
  audit::AuditLog audit{{*database, clock, random}};
  std::unique_ptr<PersonalData> personalData = openPersonalData();
};

TEST_F(PersonalDataTest, ExportsAPersonAndNobodyElse) {
  const auto job = ask(RequestKind::exporting);
  EXPECT_FALSE(personalData->openExport("acme", job.id, Deadline::never())) << "not ready";
  EXPECT_THAT(mustBe(carryOut(job)), HasSubstr(R"({"place":"diaries","count":2})"));
  const std::string text = exported(job);
  EXPECT_THAT(text, HasSubstr(R"("principal":"user:ann")"));
  EXPECT_THAT(text, HasSubstr(R"({"place":"diaries","thing":{"page":"monday"}})"));
  EXPECT_EQ(text.find("sunday"), std::string::npos);
  EXPECT_FALSE(personalData->openExport("other", job.id, Deadline::never()));
}

TEST_F(PersonalDataTest, ErasesAPersonAndTheExportsAboutHer) {
  const auto shown = ask(RequestKind::exporting);
  mustBe(carryOut(shown));
  const auto job = ask(RequestKind::erasure);
  EXPECT_THAT(mustBe(carryOut(job)), HasSubstr(R"({"place":"diaries","count":2})"));
  EXPECT_FALSE(diaries.contains("user:ann"));
  EXPECT_TRUE(diaries.contains("user:bob"));
  EXPECT_FALSE(personalData->openExport("acme", shown.id, Deadline::never()));
  EXPECT_EQ(objects->usage().objects, 0);
  for (const Request& request : mustBe(personalData->list("acme", "", 10, Deadline::never())))
    EXPECT_EQ(request.subject, "");
}

TEST_F(PersonalDataTest, AnErasureThatFailedGoesOnAndIsToldOnce) {
  const auto job = ask(RequestKind::erasure);
  broken = true;
  EXPECT_FALSE(carryOut(job));
  broken = false;
  mustBe(carryOut(job));
  EXPECT_THAT(mustBe(carryOut(job)), HasSubstr(R"("count":2)")) << "what it had done";
  EXPECT_FALSE(mustBe(audit.verify({}, Deadline::never())).broken);
}

TEST_F(PersonalDataTest, WhoComesBackWithABackupIsErasedAgain) {
  mustBe(carryOut(ask(RequestKind::erasure)));
  personalData.reset();
  ASSERT_TRUE(database->write(
      [](store::Transaction& tx) { return tx.execute("DELETE FROM personal_requests"); },
      Deadline::never()));
  diaries["user:ann"] = {"monday"};
  personalData = openPersonalData();
  EXPECT_EQ(mustBe(personalData->catchUp(Deadline::never())), 1);
  EXPECT_FALSE(diaries.contains("user:ann"));
  EXPECT_TRUE(diaries.contains("user:bob"));
  diaries["user:ann"] = {"a new life"};
  EXPECT_EQ(mustBe(personalData->catchUp(Deadline::never())), 0) << "once";
  EXPECT_TRUE(diaries.contains("user:ann"));
}

TEST_F(PersonalDataTest, WhatAnotherFolderHasErasedIsWrittenDownHere) {
  mustBe(carryOut(ask(RequestKind::erasure)));
  std::filesystem::remove(folder / "erasures");
  mustBe(personalData->catchUp(Deadline::never()));
  EXPECT_EQ(ErasuresFile(folder / "erasures").read()->size(), 1u);
}

TEST_F(PersonalDataTest, ATombstoneOfAnotherInstallationIsRefused) {
  ASSERT_TRUE(ErasuresFile(folder / "erasures")
                  .add({"1", "acme", std::string(64, '0'), "0011223344556677", clock.now()}));
  const auto refused = personalData->catchUp(Deadline::never());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::failedPrecondition);
}

TEST_F(PersonalDataTest, NobodyErasesHimselfOrAKey) {
  const auto himself =
      personalData->ask(RequestKind::erasure, {"acme", "user:ann", "user:ann"}, Deadline::never());
  EXPECT_EQ(himself.error().code, ErrorCode::unprocessable);
  for (const std::string_view nobody : {"key:1", "user:", "ann"}) {
    const auto refused = personalData->ask(RequestKind::exporting, {"acme", nobody, "user:admin"},
                                           Deadline::never());
    EXPECT_EQ(refused.error().code, ErrorCode::invalidArgument) << nobody;
  }
}

}  // namespace
}  // namespace corbel::privacy
