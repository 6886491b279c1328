#include "http/router.h"

#include <gtest/gtest.h>

namespace corbel::http {
namespace {

Route aRoute(Method method, std::string_view path) {
  Route route;
  route.method = method;
  route.path = path;
  return route;
}

class RouterTest : public ::testing::Test {
 protected:
  static std::vector<Route> routes() {
    std::vector<Route> list;
    list.push_back(aRoute(Method::get, "/"));
    list.push_back(aRoute(Method::get, "/models"));
    list.push_back(aRoute(Method::post, "/models"));
    list.push_back(aRoute(Method::get, "/models/compare"));
    list.push_back(aRoute(Method::get, "/models/{model}"));
    list.push_back(aRoute(Method::get, "/models/{model}/versions/{version}"));
    return list;
  }
  std::string matched(Method method, std::string_view path) const {
    const auto found = router_.match(method, path);
    const auto* match = std::get_if<Router::Match>(&found);
    return match != nullptr ? std::string(match->route->path) : "";
  }
  Router router_{routes()};
};

TEST_F(RouterTest, FindsTheRouteOfMethodAndPath) {
  EXPECT_EQ(matched(Method::get, "/"), "/");
  EXPECT_EQ(matched(Method::post, "/models"), "/models");
  EXPECT_EQ(matched(Method::get, "/models/m1/versions/2"), "/models/{model}/versions/{version}");
}

TEST_F(RouterTest, PrefersALiteralSegment) {
  EXPECT_EQ(matched(Method::get, "/models/compare"), "/models/compare");
  EXPECT_EQ(matched(Method::get, "/models/other"), "/models/{model}");
}

TEST_F(RouterTest, DecodesParametersOnce) {
  const auto found = router_.match(Method::get, "/models/a%2Fb%2520/versions/1");
  const auto& match = std::get<Router::Match>(found);
  EXPECT_EQ(match.parameters["model"], "a/b%20");
  EXPECT_EQ(match.parameters["version"], "1");
}

TEST_F(RouterTest, KnowsNoOtherSpellingOfAPath) {
  for (const char* path :
       {"/models/", "//models", "/mod%65ls", "/models;x", "/Models", "/models/%zz", "/models/%0a",
        "/models/%ff", "/models//versions/1", "models", ""}) {
    EXPECT_TRUE(std::holds_alternative<Router::Unknown>(router_.match(Method::get, path))) << path;
  }
}

TEST_F(RouterTest, NamesTheMethodsOfAKnownPath) {
  const auto found = router_.match(Method::del, "/models");
  EXPECT_EQ(std::get<Router::OtherMethod>(found).allow, "GET, HEAD, POST");
}

TEST_F(RouterTest, AnswersHeadByTheGetRoute) {
  EXPECT_EQ(matched(Method::head, "/models"), "/models");
}

}  // namespace
}  // namespace corbel::http
