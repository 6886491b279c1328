#include "gates/gates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/random.h"
#include "crypto/encoding.h"
#include "gates/accounting.h"
#include "http/route.h"
#include "identity/migrations.h"
#include "identity/users.h"
#include "limits/memory_limiter.h"
#include "store/migration.h"
#include "store/store.h"
#include "telemetry/metric_table.h"

namespace corbel::gates {
namespace {

using http::LimitClass;
using identity::Permission;
using ::testing::HasSubstr;

template <class T>
T mustBe(Result<T> result) {
  if (result) return *std::move(result);
  ADD_FAILURE() << result.error().message << " " << result.error().detail;
  std::abort();
}

constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";

class TestExchange final : public http::Exchange {
 public:
  TestExchange(const http::Route& route, std::vector<http::Header> headers,
               http::Method method = http::Method::get) {
    head_.method = method;
    head_.headers = std::move(headers);
    setContext(std::make_shared<http::CallContext>());
    context()->route = &route;
  }
  void readBody(http::BodyPlan) override {}
  void post(std::move_only_function<void()>) override {}

 protected:
  void send(http::Response) override {}
};

http::Route aRoute(http::Access access, LimitClass limit = LimitClass::api) {
  http::Route route;
  route.path = "/test";
  route.access = access;
  route.options.limit = limit;
  return route;
}

// Keys that have to be fetched, from nowhere.
std::unique_ptr<identity::JwtVerifier> verifierOfUnreachableKeys(
    const identity::Directory& directory, const Clock& clock) {
  std::vector<identity::IssuerConfig> issuers;
  const auto fetch = [](const std::string&, std::size_t, Deadline) -> Result<std::string> {
    return fail(ErrorCode::unavailable, "unreachable");
  };
  issuers.push_back({.algorithm = crypto::SignatureAlgorithm::rs256,
                     .keys = identity::jwksUrl("https://keys.example", fetch)});
  return mustBe(identity::JwtVerifier::make(std::move(issuers), directory, clock));
}

std::string url(std::string_view text) {
  return crypto::toBase64Url(std::as_bytes(std::span(text)));
}

class GatesTest : public testing::Test {
 protected:
  GatesTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    database = mustBe(store::openSqlite({.dataFolder = folder}, clock));
    mustBe(store::migrateUp(*database, identity::migrations(), clock));
    directory = mustBe(identity::Directory::load(*database, clock, Deadline::never()));
    keys = mustBe(
        identity::ApiKeys::load({*database, *directory, clock, random, ids}, Deadline::never()));
    tokens = verifierOfUnreachableKeys(*directory, clock);
  }
  ~GatesTest() override {
    keys.reset();
    directory.reset();
    database.reset();
    std::filesystem::remove_all(folder);
  }

  std::string keyOf(const std::string& role, identity::KeyLimits limits = {},
                    const std::string& tenant = "default") {
    const auto by = identity::operatorOf(tenant);
    const auto minted = mustBe(keys->create({.name = "test", .role = role, .limits = limits},
                                            {by, by.memberships.front()}, Deadline::never()));
    return "Bearer " + std::string(minted.text.reveal());
  }
  void addTenant(const std::string& id, identity::TenantQuotas allowed) {
    const auto by = identity::operatorOf("default");
    mustBe(directory->createTenant({.id = id, .name = id, .quotas = allowed},
                                   {by, by.memberships.front()}, Deadline::never()));
  }
  Gates& gates() {
    if (!gates_)
      gates_.emplace(Gates::Parts{*keys, *directory, *tokens, limiter, backend.get(), &memory,
                                  nullptr, &sessions()},
                     quotas, authentication);
    return *gates_;
  }
  identity::Sessions& sessions() {
    if (!sessions_) {
      sessions_.emplace(
          identity::Sessions::Parts{*database, *directory, passwords, limiter, clock, random, ids},
          identity::SessionOptions{});
    }
    return *sessions_;
  }
  // The token of somebody who signed in, and of whom memory knows.
  std::string signedIn(const std::string& role) {
    identity::Users users({*database, *directory, passwords, clock, ids});
    const auto by = identity::operatorOf("default");
    const Secret password("correct horse battery");
    mustBe(users.add({.email = "ada@example.com", .password = password, .roles = {role}},
                     {by, by.memberships.front()}, Deadline::never()));
    const auto user = mustBe(sessions().prove("ada@example.com", password, Deadline::never()));
    std::string token(mustBe(sessions().open(user, {}, Deadline::never())).token.reveal());
    mustBe(sessions().verify(token, Deadline::never()));
    return token;
  }
  static http::Call callOf(const http::Route& route, std::vector<http::Header> sent = {}) {
    return http::Call(std::make_shared<TestExchange>(route, std::move(sent)));
  }
  // The verdict of a call that needs no I/O.
  Result<void> ask(const http::Route& route, const std::string& authorization,
                   std::vector<http::Header> more = {}) {
    if (!authorization.empty()) more.push_back({"Authorization", authorization});
    http::Call call = callOf(route, std::move(more));
    const auto verdict = gates().tryNow(call);
    EXPECT_TRUE(verdict) << "it would wait";
    headers = call.context().responseHeaders;
    return verdict.value_or(Result<void>());
  }
  ErrorCode refusal(const http::Route& route, const std::string& authorization,
                    std::vector<http::Header> more = {}) {
    const auto verdict = ask(route, authorization, std::move(more));
    EXPECT_FALSE(verdict) << "it was let through";
    return verdict ? ErrorCode::internal : verdict.error().code;
  }
  // How many calls in a row are let through.
  int admitted(const http::Route& route, const std::string& authorization, int atMost) {
    int count = 0;
    while (count < atMost && ask(route, authorization)) ++count;
    return count;
  }
  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return {};
  }

  ManualClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  std::filesystem::path folder;
  std::unique_ptr<store::Database> database;
  std::unique_ptr<identity::Directory> directory;
  std::unique_ptr<identity::ApiKeys> keys;
  std::unique_ptr<identity::JwtVerifier> tokens;
  std::unique_ptr<identity::BackendTokens> backend;
  resilience::MemoryGuard memory;
  limits::MemoryLimiter limiter{clock, random};
  identity::Passwords passwords{
      clock, random, {.atOnce = 1, .cost = {.memoryKiB = 64, .passes = 1}}};
  Quotas quotas;
  Gates::Authentication authentication = Gates::Authentication::required;
  std::vector<std::pair<std::string_view, std::string>> headers;
  const http::Route read = aRoute(Permission::modelsRead);
  const http::Route write = aRoute(Permission::modelsWrite);
  const http::Route infer = aRoute(Permission::modelsPredict, LimitClass::inference);
  const http::Route open = aRoute(http::openToAll);

 private:
  std::optional<identity::Sessions> sessions_;
  std::optional<Gates> gates_;
};

TEST_F(GatesTest, LetsAKeyThroughThatMay) { EXPECT_TRUE(ask(read, keyOf("viewer"))); }

TEST_F(GatesTest, TellsTheHandlerWhoCallsForWhichTenant) {
  const std::string authorization = keyOf("viewer");
  http::Call call = callOf(read, {{"Authorization", authorization}});
  ASSERT_TRUE(gates().decide(call));
  EXPECT_EQ(call.principal().kind, identity::PrincipalKind::apiKey);
  EXPECT_EQ(call.tenant(), "default");
}

TEST_F(GatesTest, AsksForACredential) {
  EXPECT_EQ(refusal(read, ""), ErrorCode::unauthenticated);
  EXPECT_EQ(refusal(read, "Basic YTpi"), ErrorCode::unauthenticated);
  EXPECT_EQ(refusal(read, "Bearer"), ErrorCode::unauthenticated);
  EXPECT_EQ(refusal(read, "Bearer crb_aaaaaaaa_bbbb"), ErrorCode::unauthenticated);
  const std::string good = keyOf("viewer");
  EXPECT_EQ(refusal(read, good, {{"Authorization", good}}), ErrorCode::unauthenticated);
}

TEST_F(GatesTest, TakesTheSchemeInAnyCase) {
  EXPECT_TRUE(ask(read, "bearer " + keyOf("viewer").substr(7)));
}

TEST_F(GatesTest, TakesASessionAsBearerOrAsCookie) {
  const std::string token = signedIn("viewer");
  EXPECT_TRUE(ask(read, "Bearer " + token));
  const std::string cookie = "corbel_session=" + token;
  EXPECT_TRUE(ask(read, "", {{"Cookie", cookie}}));
  EXPECT_EQ(refusal(write, "Bearer " + token), ErrorCode::permissionDenied);
  EXPECT_EQ(refusal(read, "", {{"Cookie", "corbel_session=cru_x"}}), ErrorCode::unauthenticated);
}

TEST_F(GatesTest, TakesNothingButASessionFromACookie) {
  const std::string key = keyOf("viewer").substr(7);
  const std::string cookie = "corbel_session=" + key;
  EXPECT_EQ(refusal(read, "", {{"Cookie", cookie}}), ErrorCode::unauthenticated);
}

TEST_F(GatesTest, LetsACookieChangeSomethingFromOwnPagesAlone) {
  const std::string token = signedIn("developer");
  const std::string cookie = "corbel_session=" + token;
  http::Route change = aRoute(Permission::modelsWrite);
  change.method = http::Method::post;
  const auto askFrom = [&](std::vector<http::Header> sent) {
    sent.push_back({"Cookie", cookie});
    sent.push_back({"Host", "corbel.example"});
    http::Call call(std::make_shared<TestExchange>(change, std::move(sent), http::Method::post));
    return gates().tryNow(call).value_or(fail(ErrorCode::internal, "it would wait"));
  };
  EXPECT_TRUE(askFrom({{"Origin", "http://corbel.example"}}));
  EXPECT_TRUE(askFrom({{"Sec-Fetch-Site", "same-origin"}}));
  for (const http::Header& other :
       {http::Header{"Origin", "http://evil.example"}, http::Header{"Origin", "null"},
        http::Header{"Sec-Fetch-Site", "same-site"}, http::Header{"Accept", "*/*"}}) {
    const auto verdict = askFrom({other});
    ASSERT_FALSE(verdict) << other.value;
    EXPECT_EQ(verdict.error().code, ErrorCode::permissionDenied);
  }
  const std::string bearer = "Bearer " + token;
  EXPECT_TRUE(askFrom({{"Authorization", bearer}, {"Origin", "http://evil.example"}}));
}

TEST_F(GatesTest, LetsACookieOpenAWebSocketFromOwnPagesAlone) {
  const std::string token = signedIn("viewer");
  const std::string cookie = "corbel_session=" + token;
  http::Route socket = aRoute(Permission::modelsRead);
  socket.webSocket = true;
  EXPECT_EQ(refusal(socket, "", {{"Cookie", cookie}}), ErrorCode::permissionDenied);
}

TEST_F(GatesTest, RefusesWhatTheRoleLacks) {
  EXPECT_EQ(refusal(write, keyOf("viewer")), ErrorCode::permissionDenied);
  EXPECT_TRUE(ask(write, keyOf("developer")));
}

TEST_F(GatesTest, HidesOtherTenants) {
  addTenant("other", {});
  EXPECT_EQ(refusal(read, keyOf("owner"), {{"X-Tenant-ID", "other"}}), ErrorCode::notFound);
  EXPECT_EQ(refusal(read, keyOf("owner"), {{"X-Tenant-ID", "nowhere"}}), ErrorCode::notFound);
  EXPECT_TRUE(ask(read, keyOf("owner", {}, "other"), {{"X-Tenant-ID", "other"}}));
}

TEST_F(GatesTest, JudgesInItsOrder) {
  addTenant("other", {});
  const std::string viewer = keyOf("viewer", {.requestsPerMinute = 1});
  ASSERT_TRUE(ask(read, viewer));
  EXPECT_EQ(refusal(read, viewer), ErrorCode::resourceExhausted);
  EXPECT_EQ(refusal(write, viewer), ErrorCode::permissionDenied);
  EXPECT_EQ(refusal(write, viewer, {{"X-Tenant-ID", "other"}}), ErrorCode::notFound);
  EXPECT_EQ(refusal(write, "Bearer crb_x_y", {{"X-Tenant-ID", "other"}}),
            ErrorCode::unauthenticated);
  gates().drain();
  EXPECT_EQ(refusal(write, "Bearer crb_x_y", {{"X-Tenant-ID", "other"}}), ErrorCode::unavailable);
}

TEST_F(GatesTest, ARefusedCallTakesNothingFromTheBudget) {
  const std::string viewer = keyOf("viewer", {.requestsPerMinute = 1});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal(write, viewer), ErrorCode::permissionDenied);
  EXPECT_TRUE(ask(read, viewer));
}

TEST_F(GatesTest, LimitsEachKeyByItsOwnBudget) {
  const std::string two = keyOf("viewer", {.requestsPerMinute = 2});
  EXPECT_EQ(admitted(read, two, 10), 2);
  EXPECT_EQ(admitted(infer, two, 10), 0);
  EXPECT_EQ(header("RateLimit-Policy"), R"("key";q=2;w=60)");
  EXPECT_EQ(header("RateLimit"), R"("key";r=0;t=60)");
  EXPECT_EQ(header("Retry-After"), "60");
  EXPECT_EQ(admitted(read, keyOf("viewer"), 5), 5);
  clock.advance(std::chrono::seconds(60));
  EXPECT_EQ(admitted(read, two, 10), 2);
}

TEST_F(GatesTest, GivesKeysAndClassesOfRoutesTheirStandardBudgets) {
  quotas = {.userInference = 1, .userApi = 2, .keyInference = 3, .keyApi = 4};
  const std::string key = keyOf("viewer");
  EXPECT_EQ(admitted(infer, key, 10), 3);
  EXPECT_EQ(admitted(read, key, 10), 4);
  EXPECT_EQ(header("RateLimit-Policy"), R"("api";q=4;w=60)");
}

TEST_F(GatesTest, LimitsTheWholeTenant) {
  addTenant("small", {.requestsPerMinute = 3});
  const std::string first = keyOf("viewer", {}, "small");
  const std::string second = keyOf("viewer", {}, "small");
  EXPECT_EQ(admitted(read, first, 2), 2);
  EXPECT_EQ(admitted(read, second, 10), 1);
  const auto refused = ask(read, first);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("tenant"));
  EXPECT_EQ(header("Retry-After"), "60");
  EXPECT_EQ(header("RateLimit-Policy"), R"("tenant";q=3;w=60)");
  EXPECT_EQ(header("RateLimit"), R"("tenant";r=0;t=60)");
  EXPECT_TRUE(ask(read, keyOf("viewer")));
}

TEST_F(GatesTest, ARefusalOfTheTenantCostsTheCallerNothing) {
  addTenant("small", {.requestsPerMinute = 1});
  ASSERT_TRUE(ask(read, keyOf("viewer", {}, "small")));
  clock.advance(std::chrono::seconds(30));
  const std::string caller = keyOf("viewer", {.requestsPerMinute = 1}, "small");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal(read, caller), ErrorCode::resourceExhausted);
  clock.advance(std::chrono::seconds(30));
  EXPECT_TRUE(ask(read, caller));
}

TEST_F(GatesTest, ARefusalOfTheCallerCostsTheTenantNothing) {
  addTenant("small", {.requestsPerMinute = 2});
  const std::string caller = keyOf("viewer", {.requestsPerMinute = 1}, "small");
  ASSERT_TRUE(ask(read, caller));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal(read, caller), ErrorCode::resourceExhausted);
  EXPECT_EQ(header("RateLimit-Policy"), R"("key";q=1;w=60)");
  EXPECT_TRUE(ask(read, keyOf("viewer", {}, "small")));
}

TEST_F(GatesTest, LeavesHealthOpenWhatever) {
  gates().drain();
  EXPECT_TRUE(ask(open, ""));
  EXPECT_TRUE(ask(open, "Bearer nonsense"));
  EXPECT_EQ(header("RateLimit"), "");
}

TEST_F(GatesTest, RefusesEverythingElseWhileDraining) {
  const std::string key = keyOf("viewer");
  ASSERT_TRUE(ask(read, key));
  gates().drain();
  EXPECT_EQ(refusal(read, key), ErrorCode::unavailable);
  EXPECT_EQ(header("Retry-After"), "5");
}

TEST_F(GatesTest, TrustsEverybodyWhereAuthenticationIsOff) {
  authentication = Gates::Authentication::off;
  EXPECT_TRUE(ask(write, ""));
  EXPECT_EQ(refusal(write, "Bearer crb_aaaaaaaa_bbbb"), ErrorCode::unauthenticated);
}

TEST_F(GatesTest, ATokenWhoseKeysMustBeFetchedIsDecidedLater) {
  const std::string token = "Bearer " + url(R"({"alg":"RS256","typ":"JWT"})") + "." +
                            url(R"({"sub":"ann","exp":1767229200})") + "." +
                            url(std::string(256, 's'));
  http::Call call = callOf(read, {{"Authorization", token}});
  call.context().deadline = Deadline::never();
  EXPECT_FALSE(gates().tryNow(call));
  const auto decided = gates().decide(call);
  ASSERT_FALSE(decided);
  EXPECT_EQ(decided.error().code, ErrorCode::unavailable);
}

// Signing needs OpenSSL, which this module does not know: the token was made once, for "ann",
// viewer, until 2100.
TEST_F(GatesTest, GivesUsersOneBudgetWhateverTheTenant) {
  addTenant("a", {});
  addTenant("b", {});
  std::vector<identity::IssuerConfig> issuers;
  issuers.push_back(mustBe(identity::issuerOfSecret(kSecret)));
  tokens = mustBe(identity::JwtVerifier::make(std::move(issuers), *directory, clock));
  quotas.userInference = 2;
  const std::string token =
      "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
      "eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDAsInRlbmFudHMiOlsiYSIsImIiXSwicm9sZXMiOlsidmlld2VyIl19"
      "."
      "4Ypp8AnZs9LpiOFdStkzpiIpkBpEIzuuro_tC9ytHwE";
  EXPECT_TRUE(ask(infer, token, {{"X-Tenant-ID", "a"}}));
  EXPECT_TRUE(ask(infer, token, {{"X-Tenant-ID", "b"}}));
  EXPECT_EQ(refusal(infer, token, {{"X-Tenant-ID", "a"}}), ErrorCode::resourceExhausted);
  EXPECT_EQ(header("RateLimit-Policy"), R"("infer";q=2;w=60)");
  EXPECT_EQ(refusal(infer, token), ErrorCode::invalidArgument);
}

TEST_F(GatesTest, AsksTheBackendAboutTokensThatNoIssuerClaims) {
  metrics::Metrics metrics;
  resilience::Dependency dependency({.name = "auth.backend"}, {clock, random, metrics});
  std::vector<std::string> asked;
  Result<identity::BackendTokens::Answer> answer =
      identity::BackendTokens::Answer{200, R"({"id":"ann"})"};
  backend = std::make_unique<identity::BackendTokens>(
      identity::BackendTokens::Parts{*directory, clock, dependency},
      [&](std::string_view token, Deadline) {
        asked.emplace_back(token);
        return answer;
      },
      identity::ClaimMap{});
  http::Call call = callOf(read, {{"Authorization", "Bearer session-1"}});
  call.context().deadline = Deadline::never();
  EXPECT_FALSE(gates().tryNow(call)) << "not on a network thread";
  EXPECT_TRUE(gates().decide(call));
  EXPECT_EQ(call.principal().id, "user:ann");
  EXPECT_TRUE(ask(read, "Bearer session-1")) << "it is known now";

  const std::string ours = "Bearer " + url(R"({"alg":"RS256"})") + "." +
                           url(R"({"sub":"ann","exp":99999999999})") + "." +
                           url(std::string(256, 's'));
  http::Call claimed = callOf(read, {{"Authorization", ours}});
  claimed.context().deadline = Deadline::never();
  EXPECT_EQ(gates().decide(claimed).error().code, ErrorCode::unavailable);
  EXPECT_EQ(asked, std::vector<std::string>{"session-1"});

  answer = fail(ErrorCode::unavailable, "away");
  http::Call unknown = callOf(read, {{"Authorization", "Bearer session-2"}});
  unknown.context().deadline = Deadline::never();
  EXPECT_EQ(gates().decide(unknown).error().code, ErrorCode::unavailable);
  headers = unknown.context().responseHeaders;
  EXPECT_EQ(header("Retry-After"), "1");
}

TEST_F(GatesTest, RefusesHeavyWorkThenEverythingWhenMemoryIsShort) {
  const std::string key = keyOf("owner");
  http::Route upload = aRoute(Permission::modelsWrite);
  upload.input = http::Input::upload;
  const http::Route admin = aRoute(Permission::systemRead);
  memory.update({91, 100}, {});
  EXPECT_TRUE(ask(upload, key));
  memory.update({93, 100}, {});
  EXPECT_EQ(refusal(upload, key), ErrorCode::unavailable);
  EXPECT_EQ(header("Retry-After"), "2");
  EXPECT_EQ(refusal(infer, key, {{"Content-Length", "1000000"}}), ErrorCode::unavailable);
  EXPECT_TRUE(ask(infer, key, {{"Content-Length", "1000"}}));
  memory.update({96, 100}, {});
  EXPECT_EQ(refusal(infer, key, {{"Content-Length", "1000"}}), ErrorCode::unavailable);
  EXPECT_EQ(refusal(read, key), ErrorCode::unavailable);
  EXPECT_TRUE(ask(admin, key));
  EXPECT_TRUE(ask(open, ""));
  memory.update({50, 100}, {});
  EXPECT_TRUE(ask(upload, key));
}

TEST_F(GatesTest, AccountsForEveryRequestUnderItsRoute) {
  metrics::Metrics metrics;
  Accounting accounting(metrics);
  const std::string authorization = keyOf("viewer");
  http::Call call = callOf(read, {{"Authorization", authorization}});
  ASSERT_TRUE(gates().decide(call));
  accounting.onAnswered({.sent = {.status = 200}, .duration = std::chrono::milliseconds(3)},
                        call.context());
  http::CallContext nowhere;
  nowhere.path = "/made/up/by/the/client";
  accounting.onAnswered({.sent = {.status = 404}, .duration = std::chrono::milliseconds(1)},
                        nowhere);
  const std::string text = metrics.expose();
  EXPECT_THAT(
      text,
      HasSubstr(
          R"(ai_service_requests_total{method="GET",status="200",route="/test",tenant="default"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(route="none")"));
  EXPECT_THAT(text, testing::Not(HasSubstr("made/up")));
}

TEST(Accounting, WantsBodiesOnlyWhereTheyWouldBeLogged) {
  metrics::Metrics metrics;
  EXPECT_FALSE(Accounting(metrics).wantsBodies());
  EXPECT_FALSE(
      Accounting(metrics, Accounting::Bodies::logged).wantsBodies());  // the level is not debug
}

}  // namespace
}  // namespace corbel::gates
