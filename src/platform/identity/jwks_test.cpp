#include "identity/jwks.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <latch>
#include <thread>

#include "base/descriptor.h"
#include "fetched_keys.h"
#include "identity/jwt.h"
#include "identity_fixture.h"
#include "telemetry/log.h"
#include "token_maker.h"

namespace corbel::identity {
namespace {

using crypto::SignatureAlgorithm;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const Deadline kSoon = Deadline::never();

std::string setOf(std::initializer_list<std::string> keys) {
  std::string list;
  for (const std::string& key : keys) list += (list.empty() ? "" : ",") + key;
  return "{\"keys\":[" + list + "]}";
}

// An issuer's server under the test's control.
class TestSource final : public JwksSource {
 public:
  explicit TestSource(std::string text) : text_(std::move(text)) {}
  Result<std::string> fetch(Deadline) override {
    ++fetches;
    if (arrived != nullptr) arrived->count_down();
    if (release != nullptr) release->wait();
    const MutexLock lock(mutex_);
    if (text_.empty()) return fail(ErrorCode::unavailable, "the server does not answer");
    return text_;
  }
  void answer(std::string text) {
    const MutexLock lock(mutex_);
    text_ = std::move(text);
  }
  void goAway() { answer(""); }

  std::atomic<int> fetches = 0;
  std::latch* arrived = nullptr;
  std::latch* release = nullptr;

 private:
  Mutex mutex_;
  std::string text_ CORBEL_GUARDED_BY(mutex_);
};

class JwksTest : public IdentityTest {
 protected:
  // No leeway for the token's life: these tests move the clock by hours.
  std::string token(const SigningKey& key, std::string_view kid) const {
    return tokenOf("https://login", key, kid);
  }
  std::string tokenOf(std::string_view iss, const SigningKey& key, std::string_view kid) const {
    const auto now = std::chrono::duration_cast<seconds>(clock.now().time_since_epoch()).count();
    const std::string header = fmt::format(R"({{"alg":"ES256","kid":"{}"}})", kid);
    return keyToken(header, fmt::format(R"({{"sub":"ann","iss":"{}","exp":{}}})", iss, now + 5),
                    key, SignatureAlgorithm::es256);
  }
  ErrorCode codeOf(const std::string& text) { return verifier->verify(text, kSoon).error().code; }
  bool accepts(const std::string& text) { return verifier->verify(text, kSoon).has_value(); }

  SigningKey first = SigningKey::ec();
  SigningKey second = SigningKey::ec();
  std::shared_ptr<TestSource> source =
      std::make_shared<TestSource>(setOf({first.jwk(R"(,"kid":"one")")}));
  std::unique_ptr<JwtVerifier> verifier = mustBe(JwtVerifier::make(
      {{.iss = "https://login", .algorithm = SignatureAlgorithm::es256, .keys = source}},
      *directory, clock));
};

using FetchedKeySet = JwksTest;

TEST_F(FetchedKeySet, IsFetchedWhereWaitingIsAllowed) {
  EXPECT_FALSE(verifier->tryVerify(token(first, "one")).has_value());
  EXPECT_EQ(source->fetches, 0);
  EXPECT_TRUE(accepts(token(first, "one")));
  clock.advance(seconds(1));
  const auto again = verifier->tryVerify(token(first, "one"));
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(again->has_value());
  EXPECT_EQ(source->fetches, 1);
}

TEST_F(FetchedKeySet, IsFetchedAtTheStartIfAsked) {
  EXPECT_TRUE(verifier->fetchKeys(kSoon));
  EXPECT_TRUE(verifier->tryVerify(token(first, "one")).has_value());
}

TEST_F(FetchedKeySet, IsRenewedForAnUnknownKeyButNotWithin30Seconds) {
  ASSERT_TRUE(accepts(token(first, "one")));
  source->answer(setOf({first.jwk(R"(,"kid":"one")"), second.jwk(R"(,"kid":"two")")}));
  clock.advance(seconds(29));
  EXPECT_EQ(codeOf(token(second, "two")), ErrorCode::unauthenticated);
  clock.advance(seconds(1));
  EXPECT_FALSE(verifier->tryVerify(token(second, "two")).has_value());
  EXPECT_TRUE(accepts(token(second, "two")));
  EXPECT_EQ(source->fetches, 2);
}

TEST_F(FetchedKeySet, IsFetchedAtMostOnceIn30SecondsDuringAStormOfUnknownKeys) {
  ASSERT_TRUE(accepts(token(first, "one")));
  for (int i = 0; i < 90; ++i) {
    clock.advance(seconds(1));
    for (int j = 0; j < 5; ++j)
      EXPECT_FALSE(accepts(token(second, fmt::format("random-{}-{}", i, j))));
  }
  EXPECT_EQ(source->fetches, 1 + 3);
}

TEST_F(FetchedKeySet, DropsKeysThatTheIssuerWithdrew) {
  ASSERT_TRUE(accepts(token(first, "one")));
  source->answer(setOf({second.jwk(R"(,"kid":"two")")}));
  clock.advance(minutes(10));
  EXPECT_FALSE(accepts(token(first, "one")));
  EXPECT_TRUE(accepts(token(second, "two")));
}

TEST_F(FetchedKeySet, IsUsedForADayWhileTheIssuerIsAway) {
  ASSERT_TRUE(accepts(token(first, "one")));
  source->goAway();
  clock.advance(hours(24) - seconds(31));
  EXPECT_TRUE(accepts(token(first, "one")));
  EXPECT_TRUE(verifier->tryVerify(token(first, "one")).has_value());
  clock.advance(seconds(31));
  EXPECT_EQ(codeOf(token(first, "one")), ErrorCode::unavailable);
}

TEST_F(FetchedKeySet, ThatWasNeverThereMakesTokensUncheckableNotWrong) {
  source->goAway();
  EXPECT_EQ(codeOf(token(first, "one")), ErrorCode::unavailable);
  const auto soon = verifier->tryVerify(token(first, "one"));
  ASSERT_TRUE(soon.has_value());
  EXPECT_EQ(soon->error().code, ErrorCode::unavailable);
  source->answer(setOf({first.jwk(R"(,"kid":"one")")}));
  clock.advance(seconds(30));
  EXPECT_TRUE(accepts(token(first, "one")));
  EXPECT_EQ(source->fetches, 2);
}

TEST_F(FetchedKeySet, IsRenewedInTheBackgroundBeforeItIsOld) {
  verifier->refreshKeys(kSoon);
  EXPECT_EQ(source->fetches, 1);
  for (int i = 0; i < 9 * 60; ++i) {
    clock.advance(seconds(1));
    verifier->refreshKeys(kSoon);
  }
  EXPECT_EQ(source->fetches, 2) << "once, eight minutes later";
  source->answer(setOf({second.jwk(R"(,"kid":"two")")}));
  clock.advance(minutes(8));
  verifier->refreshKeys(kSoon);
  EXPECT_TRUE(verifier->tryVerify(token(second, "two")).has_value()) << "no caller waits for it";
}

TEST_F(FetchedKeySet, IsBackTwoSecondsAfterItsIssuer) {
  source->goAway();
  verifier->refreshKeys(kSoon);
  EXPECT_EQ(codeOf(token(first, "one")), ErrorCode::unavailable);
  source->answer(setOf({first.jwk(R"(,"kid":"one")")}));
  clock.advance(seconds(1));
  verifier->refreshKeys(kSoon);
  EXPECT_EQ(source->fetches, 1) << "not more often than every two seconds";
  clock.advance(seconds(1));
  verifier->refreshKeys(kSoon);
  EXPECT_TRUE(accepts(token(first, "one")));
}

TEST_F(FetchedKeySet, ThatBecameEmptyHugeOrNonsenseIsNotBelieved) {
  ASSERT_TRUE(accepts(token(first, "one")));
  for (const std::string& answer :
       {std::string(R"({"keys":[]})"), std::string("<html>maintenance</html>"),
        "{\"keys\":[" + std::string(70'000, ' ') + "]}"}) {
    source->answer(answer);
    clock.advance(minutes(10));
    verifier->refreshKeys(kSoon);
    EXPECT_TRUE(accepts(token(first, "one"))) << answer.substr(0, 40);
    EXPECT_TRUE(verifier->keySet(0, kSoon)->failure);
  }
}

TEST_F(FetchedKeySet, TellsHowOldItIsAndWhyItCannotBeRenewed) {
  const KeySetState fresh = *verifier->keySet(0, kSoon);
  EXPECT_EQ(fresh.age, seconds(0));
  EXPECT_FALSE(fresh.failure);
  source->goAway();
  clock.advance(minutes(9));
  EXPECT_EQ(verifier->keySet(0, kSoon)->age, minutes(9));
  EXPECT_EQ(source->fetches, 1);
  clock.advance(minutes(1));
  const KeySetState old = *verifier->keySet(0, kSoon);
  EXPECT_EQ(old.age, minutes(10));
  ASSERT_TRUE(old.failure);
  EXPECT_EQ(old.failure->message, "the server does not answer");
  EXPECT_EQ(old.untilNextAttempt, seconds(30));
  EXPECT_EQ(verifier->keySet(0, kSoon)->untilNextAttempt, seconds(30));
  EXPECT_EQ(source->fetches, 2);
  clock.advance(hours(24));
  EXPECT_FALSE(verifier->keySet(0, kSoon)->age);
  EXPECT_FALSE(verifier->keySet(1, kSoon));
}

TEST_F(FetchedKeySet, IsFetchedOnceForManyCallersAndHoldsFewOfThem) {
  std::latch arrived(1);
  std::latch release(1);
  source->arrived = &arrived;
  source->release = &release;
  std::atomic<int> accepted = 0;
  std::atomic<int> unavailable = 0;
  const std::string text = token(first, "one");
  {
    std::vector<std::jthread> threads;
    const auto call = [&] {
      const auto verdict = verifier->verify(text, kSoon);
      ++(verdict ? accepted : unavailable);
    };
    threads.emplace_back(call);
    arrived.wait();
    for (int i = 0; i < 20; ++i) threads.emplace_back(call);
    while (unavailable < 20) std::this_thread::yield();
    release.count_down();
  }
  EXPECT_EQ(accepted, 1);
  EXPECT_EQ(source->fetches, 1);
}

TEST_F(FetchedKeySet, OfASlowIssuerHoldsOneThreadWhateverTheNumberOfIssuers) {
  const auto other = std::make_shared<TestSource>(setOf({second.jwk(R"(,"kid":"two")")}));
  verifier = mustBe(JwtVerifier::make(
      {{.iss = "https://login", .algorithm = SignatureAlgorithm::es256, .keys = source},
       {.iss = "https://other", .algorithm = SignatureAlgorithm::es256, .keys = other}},
      *directory, clock));
  std::latch arrived(1);
  std::latch release(1);
  source->arrived = &arrived;
  source->release = &release;
  std::jthread slow([&] { EXPECT_TRUE(accepts(token(first, "one"))); });
  arrived.wait();
  EXPECT_EQ(codeOf(tokenOf("https://other", second, "two")), ErrorCode::unavailable);
  EXPECT_EQ(other->fetches, 0);
  release.count_down();
  slow.join();
  EXPECT_TRUE(accepts(tokenOf("https://other", second, "two")));
}

TEST_F(FetchedKeySet, ThatCannotBeFetchedIsAWarningOnceForEachAttempt) {
  const Descriptor file(memfd_create("log", 0));
  const SystemClock system;
  source->goAway();
  Error error;
  {
    const log::Sink sink({.descriptor = file.number()}, system);
    for (int i = 0; i < 3; ++i) error = verifier->verify(token(first, "one"), kSoon).error();
  }
  std::string lines(4'096, '\0');
  lines.resize(static_cast<std::size_t>(pread(file.number(), lines.data(), lines.size(), 0)));
  EXPECT_EQ(std::ranges::count(lines, '\n'), 1) << lines;
  EXPECT_NE(lines.find("the server does not answer"), std::string::npos) << lines;
  EXPECT_NE(lines.find("https://login"), std::string::npos) << lines;
  EXPECT_NE(error.detail.find("the server does not answer"), std::string::npos) << error.detail;
}

TEST(KeySets, FindKeysByTheirIds) {
  const SigningKey a = SigningKey::ec();
  const SigningKey b = SigningKey::ec();
  const auto set = KeySet::parse(
      setOf({a.jwk(R"(,"kid":"a")"), b.jwk(R"(,"kid":"b","use":"sig","alg":"ES256")")}),
      SignatureAlgorithm::es256);
  ASSERT_TRUE(set.has_value()) << set.error().message;
  EXPECT_NE(set->find("a"), nullptr);
  EXPECT_NE(set->find("b"), set->find("a"));
  EXPECT_EQ(set->find("c"), nullptr);
  EXPECT_EQ(set->find(std::nullopt), nullptr);
  EXPECT_NE(KeySet::parse(setOf({a.jwk("")}), SignatureAlgorithm::es256)->find(std::nullopt),
            nullptr);
}

TEST(KeySets, ReadEveryTypeOfKey) {
  EXPECT_TRUE(KeySet::parse(setOf({SigningKey::rsa().jwk("")}), SignatureAlgorithm::rs256));
  EXPECT_TRUE(KeySet::parse(setOf({SigningKey::rsa().jwk("")}), SignatureAlgorithm::ps256));
  EXPECT_TRUE(KeySet::parse(setOf({SigningKey::ed25519().jwk("")}), SignatureAlgorithm::edDsa));
}

TEST(KeySets, LeaveOutKeysForOtherPurposes) {
  const SigningKey ec = SigningKey::ec();
  for (const std::string& other :
       {ec.jwk(R"(,"use":"enc")"), ec.jwk(R"(,"alg":"ES384")"), ec.jwk(R"(,"key_ops":["sign"])"),
        ec.jwk(R"(,"use":1,"alg":"ECDH-ES")"), SigningKey::rsa().jwk(""),
        SigningKey::ed25519().jwk(""), std::string(R"({"kty":"oct","k":"AAAA"})"),
        std::string("{}")}) {
    EXPECT_FALSE(KeySet::parse(setOf({other}), SignatureAlgorithm::es256)) << other;
    EXPECT_TRUE(
        KeySet::parse(setOf({other, ec.jwk(R"(,"kid":"good")")}), SignatureAlgorithm::es256))
        << other;
  }
  EXPECT_FALSE(
      KeySet::parse(setOf({R"({"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"})"}),
                    SignatureAlgorithm::hs256));
}

TEST(KeySets, RefuseWhatIsDamagedOrAmbiguous) {
  const std::string key = SigningKey::ec().jwk(R"(,"kid":"a")");
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), std::string(R"({"keys":{}})"),
        setOf({}), setOf({"1"}), setOf({key, key}),
        setOf({R"({"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"})"}),
        setOf({R"({"kty":"EC","crv":"P-256"})"}), std::string(100'000, ' ') + setOf({key}),
        "{\"keys\":[],\"keys\":[" + key + "]}"}) {
    EXPECT_FALSE(KeySet::parse(text, SignatureAlgorithm::es256)) << text.substr(0, 100);
  }
  std::string many = key;
  for (int i = 0; i < 64; ++i) many += ",{}";
  EXPECT_FALSE(KeySet::parse("{\"keys\":[" + many + "]}", SignatureAlgorithm::es256));
}

TEST_F(FetchedKeySet, ComesFromAFileThatIsReadAnew) {
  const std::string file = (folder.path() / "keys.json").string();
  const auto fromFile = jwksFile(file);
  EXPECT_EQ(fromFile->fetch(kSoon).error().code, ErrorCode::unavailable);
  std::ofstream(file) << "one";
  EXPECT_EQ(mustBe(fromFile->fetch(kSoon)), "one");
  std::ofstream(file) << std::string(1'000'000, 'x');
  EXPECT_GT(mustBe(fromFile->fetch(kSoon)).size(), KeySet::kMaxBytes);
}

TEST_F(FetchedKeySet, ComesFromAUrlWithinTheBoundOfSize) {
  std::string asked;
  const auto fromUrl = jwksUrl(
      "https://login/jwks",
      [&](const std::string& address, std::size_t maxBytes, Deadline) -> Result<std::string> {
        asked = fmt::format("{} {}", address, maxBytes);
        return std::string("keys");
      });
  EXPECT_EQ(mustBe(fromUrl->fetch(kSoon)), "keys");
  EXPECT_EQ(asked, "https://login/jwks 65536");
}

}  // namespace
}  // namespace corbel::identity
