#include "http/session_cookie.h"

#include <gtest/gtest.h>

namespace corbel::http {
namespace {

RequestHead asked(std::vector<Header> headers) {
  RequestHead head;
  head.headers = std::move(headers);
  return head;
}

TEST(SessionCookie, IsFoundAmongOthers) {
  EXPECT_EQ(sessionCookieOf(asked({{"Cookie", "a=1; corbel_session=cru_x; b=2"}})), "cru_x");
  EXPECT_EQ(sessionCookieOf(asked({{"cookie", "a=1"}, {"Cookie", "corbel_session=cru_x"}})),
            "cru_x");
  EXPECT_EQ(sessionCookieOf(asked({{"Cookie", "xcorbel_session=cru_x"}})), "");
  EXPECT_EQ(sessionCookieOf(asked({})), "");
}

TEST(SessionCookie, OfAnEncryptedConnectionGoesFirst) {
  const auto both = asked({{"Cookie", "corbel_session=cru_a; __Host-corbel_session=cru_b"}});
  EXPECT_EQ(sessionCookieOf(both), "cru_b");
}

TEST(SessionCookie, ThatIsThereTwiceIsNone) {
  EXPECT_EQ(sessionCookieOf(asked({{"Cookie", "corbel_session=cru_a; corbel_session=cru_b"}})), "");
}

TEST(SessionCookie, CannotBeReadByScriptsOrSentByOtherSites) {
  EXPECT_EQ(sessionCookie("cru_x", std::chrono::seconds(60), Transport::plain),
            "corbel_session=cru_x; Path=/; Max-Age=60; HttpOnly; SameSite=Strict");
  EXPECT_EQ(noSessionCookie(Transport::encrypted),
            "__Host-corbel_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure");
}

TEST(SessionToken, IsTheBearersBeforeTheCookies) {
  const Header cookie{"Cookie", "corbel_session=cru_a"};
  EXPECT_EQ(sessionTokenOf(asked({{"Authorization", "Bearer cru_b"}, cookie})), "cru_b");
  EXPECT_EQ(sessionTokenOf(asked({cookie})), "cru_a");
  EXPECT_EQ(sessionTokenOf(asked({{"Authorization", "Basic eA=="}, cookie})), "");
}

TEST(OwnPage, IsWhatTheBrowserSaysItIs) {
  const Header host{"Host", "corbel.example:3004"};
  const auto from = [&](std::vector<Header> headers) {
    headers.push_back(host);
    return isFromOwnPage(asked(std::move(headers)));
  };
  EXPECT_TRUE(from({{"Origin", "http://corbel.example:3004"}}));
  EXPECT_TRUE(from({{"Origin", "https://corbel.example:3004"}, {"Sec-Fetch-Site", "same-origin"}}));
  EXPECT_TRUE(from({{"Sec-Fetch-Site", "same-origin"}}));
  for (const char* origin :
       {"null", "http://corbel.example", "http://evil.example",
        "http://corbel.example:3004.evil.example", "http://a.corbel.example:3004",
        "http://corbel.example:30040", "ftp://corbel.example:3004"})
    EXPECT_FALSE(from({{"Origin", origin}})) << origin;
  for (const char* site : {"cross-site", "same-site", "none", "x"})
    EXPECT_FALSE(from({{"Origin", "http://corbel.example:3004"}, {"Sec-Fetch-Site", site}}))
        << site;
}

TEST(OwnPage, IsNotARequestThatSaysNothing) {
  EXPECT_FALSE(isFromOwnPage(asked({{"Host", "corbel.example"}})));
  EXPECT_FALSE(isFromOwnPage(asked({{"Origin", "http://"}})));
}

}  // namespace
}  // namespace corbel::http
