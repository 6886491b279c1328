#include "jobs/personal_jobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "jobs/job_store.h"
#include "jobs_fixture.h"

namespace corbel::jobs {
namespace {

using personal::Person;
using testing::ElementsAre;
using testing::HasSubstr;

class PersonalJobsTest : public JobsTest {
 protected:
  Person ann() { return {"acme", "user:ann", clock.now(), "erased:1"}; }
  Job addFor(std::string_view who, std::string_view kind = "work") {
    return mustBe(queue.add({.tenant = "acme",
                             .kind = kind,
                             .createdBy = who,
                             .files = {{"input", std::string(64, 'a'), 3, "text/csv"}}},
                            kSoon));
  }
  std::vector<Job> begin(std::chrono::seconds lease = std::chrono::seconds(30)) {
    return write<std::vector<Job>>([&](store::Transaction& tx) {
      return rows::claim(tx, {.kinds = ",work,",
                              .token = "a",
                              .now = clock.now(),
                              .until = clock.now() + lease,
                              .limit = 1});
    });
  }
  std::vector<std::string> left() {
    std::vector<std::string> makers;
    for (const Job& job : mustBe(queue.list("acme", {}, kSoon))) makers.push_back(job.createdBy);
    return makers;
  }
  personal::Erased erase() { return mustBe(place.erase(ann(), kSoon)); }

  std::vector<std::string> forgotten;
  personal::Place place = personalJobs(
      {.database = *database,
       .queue = queue,
       .readFile = [](const JobFile&, Deadline,
                      const auto& take) { return take(std::as_bytes(std::span("a,b", 3))); },
       .letGo = [this](store::Transaction&, const JobFile& file) -> Result<void> {
         forgotten.push_back(file.name);
         return {};
       },
       .sweep = [](Deadline) -> Result<void> { return {}; },
       .keptKind = "of-a-route"});
};

TEST_F(PersonalJobsTest, ShowsTheJobsOfOneWithTheirFilesAndOfNobodyElse) {
  addFor("user:ann");
  addFor("user:bob");
  std::vector<std::string> shown;
  ASSERT_TRUE(place.show(
      ann(),
      [&](std::string_view json) -> Result<void> {
        shown.emplace_back(json);
        return {};
      },
      kSoon));
  EXPECT_THAT(shown,
              ElementsAre(HasSubstr(R"("createdBy":"user:ann")"), HasSubstr(R"("base64":"YSxi")")));
}

TEST_F(PersonalJobsTest, RemovesWhatNobodyWorksOnAndTellsOfItsFiles) {
  addFor("user:ann");
  addFor("user:bob");
  EXPECT_EQ(erase().count, 1);
  EXPECT_FALSE(erase().again);
  EXPECT_THAT(left(), ElementsAre("user:bob"));
  EXPECT_THAT(forgotten, ElementsAre("input"));
}

TEST_F(PersonalJobsTest, TellsWhatRunsToStopAndRemovesItWhenItsWorkerIsGone) {
  addFor("user:ann");
  const Job running = begin().at(0);
  const auto erased = erase();
  EXPECT_EQ(erased.count, 0);
  EXPECT_TRUE(erased.again);
  EXPECT_TRUE(get(running).cancelRequested);
  clock.advance(std::chrono::seconds(31));
  EXPECT_EQ(erase().count, 1);
  EXPECT_TRUE(left().empty());
}

TEST_F(PersonalJobsTest, LeavesWhatCameLater) {
  const Person before = ann();
  clock.advance(std::chrono::seconds(1));
  addFor("user:ann");
  EXPECT_EQ(mustBe(place.erase(before, kSoon)).count, 0);
  EXPECT_THAT(left(), ElementsAre("user:ann"));
}

TEST_F(PersonalJobsTest, AJobThatHasToEndLosesTheNameAlone) {
  addFor("user:ann", "of-a-route");
  EXPECT_EQ(erase().count, 0);
  EXPECT_THAT(left(), ElementsAre("erased:1"));
}

TEST_F(PersonalJobsTest, RemovesSchedules) {
  const auto schedules_ = personalSchedules(*database);
  mustBe(schedules.create("acme", {.name = "nightly", .kind = "work", .cron = "@daily"}, "user:ann",
                          kSoon));
  mustBe(schedules.create("acme", {.name = "other", .kind = "work", .cron = "@daily"}, "user:bob",
                          kSoon));
  EXPECT_EQ(mustBe(schedules_.erase(ann(), kSoon)).count, 1);
  EXPECT_EQ(mustBe(schedules.list("acme", kSoon)).size(), 1U);
}

}  // namespace
}  // namespace corbel::jobs
