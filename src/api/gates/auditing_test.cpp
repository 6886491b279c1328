#include "gates/auditing.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "audit/audit_migrations.h"
#include "http/route.h"
#include "identity/directory.h"
#include "store/migration.h"

namespace corbel::gates {
namespace {

using identity::Permission;

template <class T>
T mustBe(Result<T> result) {
  if (result) return *std::move(result);
  ADD_FAILURE() << result.error().message << " " << result.error().detail;
  std::abort();
}

class Counting final : public http::Observer {
 public:
  void onAnswered(const http::Answered&, const http::CallContext&) override { ++answered; }
  int answered = 0;
};

class TestExchange final : public http::Exchange {
 public:
  explicit TestExchange(const http::Route& route) {
    head_.peer.address = "192.0.2.7";
    setContext(std::make_shared<http::CallContext>());
    context()->route = &route;
    context()->path = "/api/v1/ai/keys/1";
    context()->requestId = "r1";
  }
  void readBody(http::BodyPlan) override {}
  void post(std::move_only_function<void()>) override {}

 protected:
  void send(http::Response) override {}
};

class AuditingTest : public testing::Test {
 protected:
  AuditingTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    database = mustBe(store::openSqlite({.dataFolder = folder}, clock));
    mustBe(store::migrateUp(*database, audit::migrations(), clock));
    log.emplace(audit::AuditLog::Parts{*database, clock, random});
    auditing.emplace(*log, next);
    route.method = http::Method::del;
    route.path = "/api/v1/ai/keys/{key}";
    route.access = Permission::keysWrite;
  }
  ~AuditingTest() override {
    database.reset();
    std::filesystem::remove_all(folder);
  }

  http::Call call() {
    http::Call made(std::make_shared<TestExchange>(route));
    made.context().principal = std::make_shared<const identity::Principal>(caller);
    made.context().membership = &caller.memberships.front();
    return made;
  }
  Result<void> change() {
    return database->write([](store::Transaction&) -> Result<void> { return {}; },
                           Deadline::never());
  }
  void answer(const http::Call& of, int status) {
    auditing->onAnswered({.remoteAddress = "192.0.2.7", .sent = {.status = status}}, of.context());
    EXPECT_TRUE(change()) << "what was queued before is written then";
  }
  std::vector<audit::Line> lines(const std::string& tenant = "acme") {
    return mustBe(log->oldest({.tenant = tenant}, 0, 100, Deadline::never()));
  }

  std::string folder;
  SystemClock clock;
  std::unique_ptr<store::Database> database;
  Counting next;
  SystemRandom random;
  std::optional<audit::AuditLog> log;
  std::optional<Auditing> auditing;
  http::Route route;
  const identity::Principal caller{.kind = identity::PrincipalKind::apiKey,
                                   .id = "key:7",
                                   .memberships = {{"acme", {}, {Permission::keysWrite}}}};
};

TEST_F(AuditingTest, AChangeHasOneLineThatIsCommittedWithIt) {
  const http::Call deleted = call();
  auditing->run(deleted, [&] { EXPECT_TRUE(change()); });
  ASSERT_EQ(lines().size(), 1u);
  answer(deleted, 204);
  ASSERT_EQ(lines().size(), 1u);
  const audit::Act act = lines().front().act;
  EXPECT_EQ(act.principal, "key:7");
  EXPECT_EQ(act.kind, "api_key");
  EXPECT_EQ(act.action, "DELETE /api/v1/ai/keys/{key}");
  EXPECT_EQ(act.object, "keys/1");
  EXPECT_EQ(act.remote, "192.0.2.7");
  EXPECT_EQ(act.requestId, "r1");
  EXPECT_EQ(next.answered, 1);
}

TEST_F(AuditingTest, WhatChangedNothingAndFailedHasNone) {
  const http::Call missing = call();
  auditing->run(missing, [] {});
  answer(missing, 404);
  EXPECT_TRUE(lines().empty());
}

TEST_F(AuditingTest, ASuccessWithoutAUnitOfItsOwnHasALineToo) {
  const http::Call unloaded = call();
  auditing->run(unloaded, [] {});
  answer(unloaded, 204);
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(lines()[0].act.outcome, audit::Outcome::done);
}

TEST_F(AuditingTest, AnErrorAfterAChangeIsTold) {
  const http::Call half = call();
  auditing->run(half, [&] { EXPECT_TRUE(change()); });
  half.context().errorCode = "internal";
  answer(half, 500);
  ASSERT_EQ(lines().size(), 2u);
  EXPECT_EQ(lines()[1].act.outcome, audit::Outcome::failed);
  EXPECT_EQ(lines()[1].act.code, "internal");
}

TEST_F(AuditingTest, ReadingHasNoLineButItsRefusalHas) {
  route.method = http::Method::get;
  const http::Call read = call();
  auditing->run(read, [&] { EXPECT_TRUE(change()) << "last use, say"; });
  answer(read, 200);
  EXPECT_TRUE(lines().empty());
  const http::Call refused = call();
  refused.context().errorCode = "permission_denied";
  answer(refused, 403);
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(lines()[0].act.outcome, audit::Outcome::refused);
}

TEST_F(AuditingTest, CallersThatNobodyKnowsConcernTheInstallation) {
  const http::Call unknown = call();
  unknown.context().principal = nullptr;
  unknown.context().membership = nullptr;
  answer(unknown, 401);
  ASSERT_EQ(lines("default").size(), 1u);
  EXPECT_EQ(lines("default")[0].act.kind, "anonymous");
  EXPECT_EQ(lines("default")[0].act.principal, "");
}

TEST_F(AuditingTest, StrangersWhoFailToSignInFillNoLog) {
  route.access = http::openToAll;
  route.options.audit = http::Audit::always;
  for (int i = 0; i < 3 * audit::AuditLog::kRefusalBurst; ++i) {
    const http::Call stranger = call();
    stranger.context().principal = nullptr;
    stranger.context().membership = nullptr;
    answer(stranger, i % 2 == 0 ? 401 : 429);
  }
  const auto written = lines("default");
  EXPECT_GE(written.size(), std::size_t{audit::AuditLog::kRefusalBurst});
  EXPECT_LT(written.size(), 2 * std::size_t{audit::AuditLog::kRefusalBurst});
  EXPECT_EQ(written.front().act.outcome, audit::Outcome::refused);
}

TEST_F(AuditingTest, AForeignTenantIsARefusalOfTheCallersOwn) {
  const http::Call stranger = call();
  stranger.context().membership = nullptr;
  answer(stranger, 404);
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(lines()[0].act.outcome, audit::Outcome::refused);
}

TEST_F(AuditingTest, TheRouteTableSaysWhatIsAudited) {
  const auto audited = [](http::Method method, http::RouteOptions options, http::Access access) {
    http::Route tested;
    tested.method = method;
    tested.options = options;
    tested.access = access;
    return http::isAudited(tested);
  };
  using enum http::Method;
  EXPECT_TRUE(audited(post, {}, Permission::keysWrite));
  EXPECT_TRUE(audited(del, {}, Permission::keysWrite));
  EXPECT_FALSE(audited(http::Method::get, {}, Permission::keysWrite));
  EXPECT_FALSE(audited(head, {}, Permission::keysWrite));
  EXPECT_FALSE(audited(post, {.limit = http::LimitClass::inference}, Permission::modelsPredict));
  EXPECT_FALSE(audited(post, {.audit = http::Audit::never}, Permission::keysWrite));
  EXPECT_TRUE(audited(http::Method::get, {.audit = http::Audit::always}, Permission::keysRead));
  EXPECT_FALSE(audited(post, {}, http::openToAll));
}

}  // namespace
}  // namespace corbel::gates
