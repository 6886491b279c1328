#include "identity/jwt.h"

#include <map>

#include "claims.h"
#include "identity_fixture.h"
#include "token_maker.h"

namespace corbel::identity {
namespace {

using crypto::SignatureAlgorithm;
using std::chrono::seconds;

const Deadline kSoon = Deadline::never();
constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";
constexpr std::string_view kHs256 = R"({"alg":"HS256","typ":"JWT"})";
constexpr std::int64_t kNow = 1767225600;  // where ManualClock stands

IssuerConfig secretIssuer() { return issuerOfSecret(kSecret).value(); }

IssuerConfig keyIssuer(SignatureAlgorithm algorithm, const SigningKey& key) {
  return {.iss = "https://login",
          .algorithm = algorithm,
          .keys = publicKeyFromPem(algorithm, key.publicPem()).value()};
}

// {"sub":"ann","exp":…} with `more` members.
std::string claimsWith(std::string_view more = "") {
  return fmt::format(R"({{"sub":"ann","exp":{}{}}})", kNow + 600, more);
}

std::string issued(std::string_view more = "") {
  return claimsWith(fmt::format(R"(,"iss":"https://login"{})", more));
}

class JwtTest : public IdentityTest {
 protected:
  std::unique_ptr<JwtVerifier> verifierOf(std::vector<IssuerConfig> issuers) {
    return mustBe(JwtVerifier::make(std::move(issuers), *directory, clock));
  }
  Result<PrincipalRef> verify(const IssuerConfig& issuer, const std::string& token) {
    return verifierOf({issuer})->verify(token, kSoon);
  }
  Result<PrincipalRef> verifySecret(std::string_view payload, std::string_view header = kHs256) {
    return verify(secretIssuer(), hmacToken(header, payload, kSecret));
  }
};

using Tokens = JwtTest;
using Claim = JwtTest;
using TokenConfusion = JwtTest;
using TokenMemory = JwtTest;
using Issuers = JwtTest;

TEST_F(Tokens, OfEveryAlgorithmAreAccepted) {
  const std::map<SignatureAlgorithm, SigningKey> keys = {
      {SignatureAlgorithm::rs256, SigningKey::rsa()},
      {SignatureAlgorithm::ps256, SigningKey::rsa()},
      {SignatureAlgorithm::es256, SigningKey::ec()},
      {SignatureAlgorithm::edDsa, SigningKey::ed25519()}};
  for (const auto& [algorithm, key] : keys) {
    const std::string header =
        fmt::format(R"({{"alg":"{}","typ":"JWT","kid":"any"}})", name(algorithm));
    const auto principal =
        verify(keyIssuer(algorithm, key), keyToken(header, issued(), key, algorithm));
    ASSERT_TRUE(principal.has_value()) << name(algorithm) << principal.error().detail;
    EXPECT_EQ((*principal)->id, "user:ann@https://login");
    const SigningKey other = algorithm == SignatureAlgorithm::edDsa   ? SigningKey::ed25519()
                             : algorithm == SignatureAlgorithm::es256 ? SigningKey::ec()
                                                                      : SigningKey::rsa();
    EXPECT_FALSE(verify(keyIssuer(algorithm, other), keyToken(header, issued(), key, algorithm)))
        << name(algorithm);
  }
}

TEST_F(Tokens, OfASharedSecretAloneMakeAViewerOfTheDefaultTenant) {
  const PrincipalRef ann = mustBe(verifySecret(claimsWith()));
  EXPECT_EQ(ann->kind, PrincipalKind::user);
  EXPECT_EQ(ann->id, "user:ann");
  EXPECT_EQ(mustBe(chooseTenant(*ann, ""))->tenant, "default");
  EXPECT_EQ(ann->memberships.front().permissions, *builtInRole("viewer"));
}

TEST_F(Tokens, AreCheckedForTheirTimes) {
  const auto verdict = [&](std::string_view times) {
    return verifySecret(fmt::format(R"({{"sub":"ann",{}}})", times)).has_value();
  };
  EXPECT_TRUE(verdict(fmt::format(R"("exp":{},"nbf":{},"iat":{})", kNow + 1, kNow, kNow)));
  EXPECT_TRUE(verdict(fmt::format(R"("exp":{})", kNow - 29)));
  EXPECT_FALSE(verdict(fmt::format(R"("exp":{})", kNow - 30)));
  EXPECT_TRUE(verdict(fmt::format(R"("exp":{},"nbf":{})", kNow + 600, kNow + 30)));
  EXPECT_FALSE(verdict(fmt::format(R"("exp":{},"nbf":{})", kNow + 600, kNow + 31)));
  EXPECT_FALSE(verdict(fmt::format(R"("exp":{},"iat":{})", kNow + 600, kNow + 31)));
}

TEST_F(Tokens, ThatHaveExpiredSaySo) {
  EXPECT_EQ(verifySecret(fmt::format(R"({{"sub":"ann","exp":{}}})", kNow - 100)).error().message,
            "The token has expired.");
}

TEST_F(Claim, OfTheUserIsSubElseIdElseWhatTheMapSays) {
  const std::string exp = fmt::format(R"("exp":{})", kNow + 600);
  EXPECT_EQ(mustBe(verifySecret("{\"id\":\"bob\"," + exp + "}"))->id, "user:bob");
  EXPECT_EQ(mustBe(verifySecret("{\"id\":42," + exp + "}"))->id, "user:42");
  EXPECT_EQ(mustBe(verifySecret("{\"id\":\"bob\",\"sub\":\"ann\"," + exp + "}"))->id, "user:ann");
  IssuerConfig mapped = secretIssuer();
  mapped.claims.user = "/user/email";
  const std::string token =
      hmacToken(kHs256, "{\"user\":{\"email\":\"a@b\"},\"name\":\"Ann\"," + exp + "}", kSecret);
  EXPECT_EQ(mustBe(verify(mapped, token))->id, "user:a%40b");
  EXPECT_EQ(mustBe(verify(mapped, token))->name, "Ann");
}

TEST_F(Claim, OfTheUserMustNameSomebody) {
  const std::string exp = fmt::format(R"("exp":{})", kNow + 600);
  for (const std::string_view user :
       {R"("sub":"")", R"("sub":null)", R"("sub":["ann"])", R"("sub":"a\nb")", R"("sub":1.5)",
        R"("sub":true)", R"("name":"ann")"}) {
    EXPECT_FALSE(verifySecret(fmt::format("{{{},{}}}", user, exp))) << user;
  }
  EXPECT_FALSE(verifySecret(fmt::format(R"({{"sub":"{}",{}}})", std::string(256, 'a'), exp)));
}

TEST_F(Claim, OfRolesGivesTheirPermissions) {
  EXPECT_EQ(mustBe(verifySecret(claimsWith(R"(,"roles":["developer","unknown"])")))
                ->memberships.front()
                .permissions,
            *builtInRole("developer"));
  EXPECT_EQ(
      mustBe(verifySecret(claimsWith(R"(,"roles":"viewer service")")))->memberships.front().roles,
      (std::vector<std::string>{"viewer", "service"}));
  EXPECT_TRUE(
      mustBe(verifySecret(claimsWith(R"(,"roles":[])")))->memberships.front().permissions.empty());
  EXPECT_FALSE(verifySecret(claimsWith(R"(,"roles":{"admin":true})")));
  EXPECT_FALSE(verifySecret(claimsWith(R"(,"roles":[["admin"]])")));
}

TEST_F(Claim, OfTenantsSelectsThoseThatExist) {
  addTenant("acme");
  const PrincipalRef ann =
      mustBe(verifySecret(claimsWith(R"(,"tenants":["acme","default","nowhere","acme"])")));
  EXPECT_EQ(ann->memberships.size(), 2u);
  EXPECT_EQ(mustBe(chooseTenant(*ann, "acme"))->tenant, "acme");
  EXPECT_EQ(chooseTenant(*ann, "nowhere").error().code, ErrorCode::notFound);
  const PrincipalRef lost = mustBe(verifySecret(claimsWith(R"(,"tenants":["nowhere"])")));
  EXPECT_EQ(chooseTenant(*lost, "").error().code, ErrorCode::permissionDenied);
}

TEST_F(Claim, OfIssuerAndAudienceAreCheckedWhereConfigured) {
  IssuerConfig strict = secretIssuer();
  strict.iss = "https://login";
  strict.audiences = {"corbel", "corbel-dev"};
  strict.requiredClaims = {"email"};
  const auto verdict = [&](std::string_view more) {
    return verify(strict, hmacToken(kHs256, claimsWith(more), kSecret)).has_value();
  };
  EXPECT_TRUE(verdict(R"(,"iss":"https://login","aud":"corbel","email":"a")"));
  EXPECT_TRUE(verdict(R"(,"iss":"https://login","aud":["x","corbel-dev"],"email":"a")"));
  EXPECT_FALSE(verdict(R"(,"iss":"https://login","aud":"corbel")"));
  EXPECT_FALSE(verdict(R"(,"iss":"https://login","email":"a")"));
  EXPECT_FALSE(verdict(R"(,"iss":"https://login","aud":["x"],"email":"a")"));
  EXPECT_FALSE(verdict(R"(,"iss":"https://login","aud":{"corbel":1},"email":"a")"));
  EXPECT_FALSE(verdict(R"(,"iss":"https://login/","aud":"corbel","email":"a")"));
  EXPECT_FALSE(verdict(R"(,"iss":["https://login"],"aud":"corbel","email":"a")"));
  EXPECT_FALSE(verdict(R"(,"aud":"corbel","email":"a")"));
}

// One row a trick; all of them must end as 401.
TEST_F(TokenConfusion, EndsInNobody) {
  const SigningKey rsa = SigningKey::rsa();
  const SigningKey ec = SigningKey::ec();
  const auto verifier =
      verifierOf({secretIssuer(),
                  keyIssuer(SignatureAlgorithm::rs256, rsa),
                  {.iss = "https://ec",
                   .algorithm = SignatureAlgorithm::es256,
                   .keys = publicKeyFromPem(SignatureAlgorithm::es256, ec.publicPem()).value()}});
  const std::string goodClaims = claimsWith();
  const std::string good = hmacToken(kHs256, goodClaims, kSecret);
  const std::string ecPart =
      unsignedPart(R"({"alg":"ES256"})", claimsWith(R"(,"iss":"https://ec")"));
  const std::string ecDer = ec.sign(ecPart, SignatureAlgorithm::es256);
  ASSERT_TRUE(verifier->verify(good, kSoon));
  ASSERT_TRUE(verifier->verify(ecPart + "." + url(rawOf(ecDer)), kSoon));

  std::map<std::string, std::string> tricks;
  const auto add = [&](std::string_view trick, std::string token) {
    tricks.emplace(trick, std::move(token));
  };
  for (const std::string_view none : {"none", "None", "NONE", "nOnE"}) {
    const std::string part = unsignedPart(fmt::format(R"({{"alg":"{}"}})", none), goodClaims);
    add(fmt::format("{} without signature", none), part + ".");
    add(fmt::format("{} with a signature", none), part + "." + url("x"));
    add(fmt::format("{} in two parts", none), part);
    add(fmt::format("{} of the key issuer", none),
        unsignedPart(fmt::format(R"({{"alg":"{}"}})", none), issued()) + ".");
  }
  add("empty signature", good.substr(0, good.rfind('.') + 1));
  add("no alg", hmacToken(R"({"typ":"JWT"})", goodClaims, kSecret));
  add("alg null", hmacToken(R"({"alg":null})", goodClaims, kSecret));
  add("alg list", hmacToken(R"({"alg":["HS256"]})", goodClaims, kSecret));
  add("alg lower case", hmacToken(R"({"alg":"hs256"})", goodClaims, kSecret));
  add("alg twice", hmacToken(R"({"alg":"HS256","alg":"none"})", goodClaims, kSecret));
  add("alg twice, escaped", hmacToken(R"({"alg":"HS256","\u0061lg":"none"})", goodClaims, kSecret));
  add("alg of the other issuer", keyToken(kHs256, issued(), rsa, SignatureAlgorithm::rs256));
  const std::string pem = rsa.publicPem();
  for (const auto& [what, secret] : std::map<std::string, std::string>{
           {"PEM", pem},
           {"PEM without last line end", pem.substr(0, pem.size() - 1)},
           {"PEM with CRLF", fmt::format("{}\r\n", pem)},
           {"DER", rsa.publicDer()},
           {"JWK", rsa.jwk("")},
           {"nothing", ""}}) {
    add("HS256 with the public key as " + what, hmacToken(kHs256, issued(), secret));
    add("HS256 with the public key as " + what + ", no iss", hmacToken(kHs256, goodClaims, secret));
  }
  for (const std::string_view kid : {R"("unknown")", R"("../../../../dev/null")",
                                     R"("' UNION SELECT 'x' --")", R"("")", "1", "null"}) {
    add(fmt::format("kid {}", kid),
        keyToken(fmt::format(R"({{"alg":"RS256","kid":{}}})", kid), issued(), SigningKey::rsa(),
                 SignatureAlgorithm::rs256));
  }
  add("kid of 1 MB",
      hmacToken(fmt::format(R"({{"alg":"HS256","kid":"{}"}})", std::string(1 << 20, 'k')),
                goodClaims, kSecret));
  for (const std::string_view extension :
       {R"("jku":"https://evil/jwks")", R"("x5u":"https://evil/cert")",
        R"("jwk":{"kty":"oct","k":"AAAA"})", R"("x5c":["MIIB"])", R"("crit":["b64"],"b64":false)",
        R"("b64":false)", R"("crit":["exp"])", R"("crit":[])", R"("zip":"DEF")",
        R"("enc":"A256GCM")", R"("cty":"JWT")", R"("typ":"JWE")", R"("typ":"logout+jwt")",
        R"("typ":"dpop+jwt")", R"("typ":1)", R"("typ":null)"}) {
    add(std::string(extension),
        hmacToken(fmt::format(R"({{"alg":"HS256",{}}})", extension), goodClaims, kSecret));
  }
  for (const std::string_view payload :
       {R"("sub":"ann","sub":"root")", R"("sub":"ann","\u0073ub":"root")",
        R"("sub":"ann","x":{"y":1,"y":2})"}) {
    add(fmt::format("duplicate claim {}", payload),
        hmacToken(kHs256, fmt::format(R"({{{},"exp":{}}})", payload, kNow + 600), kSecret));
  }
  for (const std::string_view exp :
       {R"("1767226200")", "1767226200.0", "1.7e9", "1e400", "-1", "99999999999999999999",
        "1767226200000", "9223372036854775807", "null", "true", "[1767226200]", "{}"}) {
    add(fmt::format("exp {}", exp),
        hmacToken(kHs256, fmt::format(R"({{"sub":"ann","exp":{}}})", exp), kSecret));
    add(fmt::format("nbf {}", exp),
        hmacToken(kHs256, claimsWith(fmt::format(R"(,"nbf":{})", exp)), kSecret));
    add(fmt::format("iat {}", exp),
        hmacToken(kHs256, claimsWith(fmt::format(R"(,"iat":{})", exp)), kSecret));
  }
  add("no exp", hmacToken(kHs256, R"({"sub":"ann"})", kSecret));
  add("ES256 in DER", ecPart + "." + url(ecDer));
  add("ES256 r = s = 0", ecPart + "." + url(std::string(64, '\0')));
  add("ES256 r = 0", ecPart + "." + url(std::string(32, '\0') + rawOf(ecDer).substr(32)));
  add("ES256 s = 0", ecPart + "." + url(rawOf(ecDer).substr(0, 32) + std::string(32, '\0')));
  add("nested JWE", "eyJhbGciOiJSU0EtT0FFUCJ9.AAAA.BBBB.CCCC.DDDD");
  add("nested JWS", hmacToken(R"({"alg":"HS256","cty":"JWT"})", "\"" + good + "\"", kSecret));
  add("payload is a token", hmacToken(kHs256, good, kSecret));
  add("payload is a list", hmacToken(kHs256, "[]", kSecret));
  add("payload too deep",
      hmacToken(kHs256, claimsWith(",\"x\":" + std::string(20, '[') + std::string(20, ']')),
                kSecret));
  add("payload not UTF-8", hmacToken(kHs256, claimsWith(",\"x\":\"\xff\""), kSecret));
  add("payload with a tail", hmacToken(kHs256, goodClaims + "{}", kSecret));
  add("four parts", good + ".x");
  add("padding", good + "=");
  add("white space", good + " ");
  add("line end", good + "\n");
  add("standard base64", good.substr(0, good.rfind('.') + 1) + "++//");
  add("empty", "");
  add("dots", "..");
  add("foreign iss", keyToken(R"({"alg":"RS256"})", claimsWith(R"(,"iss":"https://evil")"), rsa,
                              SignatureAlgorithm::rs256));
  add("missing iss", keyToken(R"({"alg":"RS256"})", goodClaims, rsa, SignatureAlgorithm::rs256));
  add("a key issuer's iss with the shared secret", hmacToken(kHs256, issued(), kSecret));
  for (std::size_t i = 0; i < good.size(); i += 7) {
    std::string changed = good;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    add(fmt::format("character {} changed", i), changed);
  }
  for (const auto& [trick, token] : tricks) {
    const auto verdict = verifier->tryVerify(token);
    ASSERT_TRUE(verdict.has_value()) << trick;
    ASSERT_FALSE(verdict->has_value()) << trick;
    EXPECT_EQ(verdict->error().code, ErrorCode::unauthenticated) << trick;
  }
  EXPECT_GT(tricks.size(), 100u);
}

TEST_F(TokenMemory, KeepsTokensThatShareABeginningApart) {
  const auto verifier = verifierOf({secretIssuer()});
  const std::string padding(300, 'p');
  const auto tokenOf = [&](std::string_view user) {
    return hmacToken(kHs256,
                     fmt::format(R"({{"x":"{}","exp":{},"sub":"{}"}})", padding, kNow + 600, user),
                     kSecret);
  };
  const std::string ann = tokenOf("ann");
  const std::string bob = tokenOf("bob");
  ASSERT_EQ(ann.substr(0, 200), bob.substr(0, 200));
  EXPECT_EQ(mustBe(verifier->verify(ann, kSoon))->id, "user:ann");
  EXPECT_EQ(mustBe(verifier->verify(bob, kSoon))->id, "user:bob");
  EXPECT_EQ(mustBe(verifier->verify(ann, kSoon))->id, "user:ann");
  const std::string forged = ann.substr(0, ann.rfind('.')) + bob.substr(bob.rfind('.'));
  EXPECT_FALSE(verifier->verify(forged, kSoon));
}

TEST_F(TokenMemory, AnswersAgainWithTheSamePrincipal) {
  const auto verifier = verifierOf({secretIssuer()});
  const std::string token = hmacToken(kHs256, claimsWith(), kSecret);
  EXPECT_EQ(mustBe(verifier->verify(token, kSoon)), mustBe(verifier->verify(token, kSoon)));
}

TEST_F(TokenMemory, NeverOutlivesTheToken) {
  IssuerConfig exact = secretIssuer();
  exact.leeway = seconds(0);
  const auto verifier = verifierOf({exact});
  const std::string token =
      hmacToken(kHs256, fmt::format(R"({{"sub":"ann","exp":{}}})", kNow + 10), kSecret);
  clock.advance(seconds(9));
  EXPECT_TRUE(verifier->verify(token, kSoon));
  clock.advance(seconds(1));
  EXPECT_FALSE(verifier->verify(token, kSoon));
}

TEST_F(TokenMemory, AsksAgainAfterAMinuteWhatTheRolesAllow) {
  ASSERT_TRUE(directory->saveRole({.name = "analyst", .permissions = {Permission::modelsRead}},
                                  caller("default", "owner"), kSoon));
  const auto verifier = verifierOf({secretIssuer()});
  const std::string token = hmacToken(kHs256, claimsWith(R"(,"roles":["analyst"])"), kSecret);
  EXPECT_FALSE(mustBe(verifier->verify(token, kSoon))->memberships.front().permissions.empty());
  ASSERT_TRUE(directory->removeRole("analyst", caller("default", "owner"), kSoon));
  clock.advance(seconds(60));
  EXPECT_TRUE(mustBe(verifier->verify(token, kSoon))->memberships.front().permissions.empty());
}

TEST_F(Issuers, OfTheSameSubjectAreDifferentPeople) {
  IssuerConfig named = secretIssuer();
  named.iss = "https://login";
  const auto verifier = verifierOf({secretIssuer(), named});
  const PrincipalRef local =
      mustBe(verifier->verify(hmacToken(kHs256, claimsWith(), kSecret), kSoon));
  const PrincipalRef remote = mustBe(verifier->verify(hmacToken(kHs256, issued(), kSecret), kSoon));
  EXPECT_NE(local->id, remote->id);
  const std::string crafted = fmt::format(R"({{"sub":"ann@https://login","exp":{}}})", kNow + 600);
  EXPECT_NE(mustBe(verifier->verify(hmacToken(kHs256, crafted, kSecret), kSoon))->id, remote->id);
}

TEST_F(Issuers, ThatAreWrongAreNamed) {
  const auto pointerOf = [&](IssuerConfig issuer) {
    std::vector<IssuerConfig> issuers;
    issuers.push_back(secretIssuer());
    issuers.push_back(std::move(issuer));
    return JwtVerifier::make(std::move(issuers), *directory, clock).error().fields.at(0).pointer;
  };
  IssuerConfig late = secretIssuer();
  late.iss = "https://login";
  late.leeway = seconds(61);
  EXPECT_EQ(pointerOf(late), "/issuers/1/leeway");
  EXPECT_EQ(pointerOf({.iss = "https://login",
                       .algorithm = SignatureAlgorithm::hs256,
                       .keys = jwksFile("keys.json")}),
            "/issuers/1/algorithm");
  EXPECT_EQ(pointerOf({.iss = "https://login",
                       .algorithm = SignatureAlgorithm::rs256,
                       .keys = secretIssuer().keys}),
            "/issuers/1");
  EXPECT_FALSE(issuerOfSecret("short").has_value());
}

TEST_F(Issuers, WithoutAnIssAreOneAtMost) {
  IssuerConfig second = secretIssuer();
  second.algorithm = SignatureAlgorithm::hs512;
  const auto made = JwtVerifier::make({secretIssuer(), second}, *directory, clock);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().fields.at(0).pointer, "/issuers/1/iss");
}

TEST_F(Issuers, CanMoveFromOneAlgorithmToAnother) {
  const SigningKey key = SigningKey::rsa();
  IssuerConfig old = secretIssuer();
  old.iss = "https://login";
  const auto verifier = verifierOf({old, keyIssuer(SignatureAlgorithm::rs256, key)});
  const PrincipalRef before = mustBe(verifier->verify(hmacToken(kHs256, issued(), kSecret), kSoon));
  const PrincipalRef after = mustBe(verifier->verify(
      keyToken(R"({"alg":"RS256"})", issued(), key, SignatureAlgorithm::rs256), kSoon));
  EXPECT_EQ(before->id, after->id);
}

}  // namespace
}  // namespace corbel::identity
