#include <gtest/gtest.h>

#include "pages/api_document.h"
#include "pages/docs_api.h"
#include "pages/icon.h"
#include "pages/sign_in_pages.h"
#include "pages/status_page.h"

namespace corbel::pages {
namespace {

constexpr StatusPage::Links kAll;

// One request, answered on the spot.
class Asked final : public http::Exchange {
 public:
  explicit Asked(std::vector<http::Header> headers) { head_.headers = std::move(headers); }
  void readBody(http::BodyPlan) override {}
  void post(std::move_only_function<void()> work) override { work(); }

  http::Response response;

 protected:
  void send(http::Response sent) override { response = std::move(sent); }
};

std::string_view bodyOf(const http::Response& response) {
  if (const auto* fixed = std::get_if<http::StaticBytes>(&response.body)) return fixed->bytes;
  return std::get<std::string>(response.body);
}

std::string_view headerOf(const http::Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
}

http::Response ask(auto& api, std::string_view path, std::vector<http::Header> headers = {}) {
  for (const http::Route& route : http::mount(api, "")) {
    if (route.path != path) continue;
    auto exchange = std::make_shared<Asked>(std::move(headers));
    auto context = std::make_shared<http::CallContext>();
    context->route = &route;
    exchange->setContext(context);
    route.handler(http::Call(exchange));
    return std::move(exchange->response);
  }
  return {.status = 404, .headers = {}, .body = {}};
}

TEST(Docs, ServeEveryFileThatTheirPagesName) {
  DocsApi docs("{}");
  Icon icon;
  for (const char* page : {"/docs", "/redoc"}) {
    const auto html = ask(docs, page);
    std::string_view rest = bodyOf(html);
    for (const std::string_view mark : {"href=\"", "src=\""}) {
      std::string_view text = rest;
      for (auto at = text.find(mark); at != std::string_view::npos; at = text.find(mark)) {
        text.remove_prefix(at + mark.size());
        const auto path = text.substr(0, text.find('"'));
        EXPECT_TRUE(ask(docs, path).status == 200 || ask(icon, path).status == 200) << path;
      }
    }
  }
}

TEST(Docs, NameNoOtherHost) {
  DocsApi docs("{}");
  for (const char* path :
       {"/docs", "/docs/docs.js", "/docs/docs.css", "/redoc", "/redoc/redoc.js"}) {
    EXPECT_EQ(bodyOf(ask(docs, path)).find("//"), std::string_view::npos) << path;
  }
}

TEST(Docs, LetPagesRunScriptsOfThisServerOnly) {
  DocsApi docs("{}");
  for (const char* path : {"/docs", "/redoc"}) {
    const auto response = ask(docs, path);
    const auto policy = headerOf(response, "Content-Security-Policy");
    EXPECT_TRUE(policy.contains("default-src 'none'; script-src 'self';")) << policy;
    EXPECT_TRUE(policy.contains("frame-ancestors 'none'")) << policy;
    EXPECT_FALSE(bodyOf(response).contains("<script>")) << path;
  }
}

TEST(Docs, AreNotSentAgainToWhoHasThem) {
  DocsApi docs(R"({"openapi":"3.1.0"})");
  const auto first = ask(docs, "/openapi.json");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(bodyOf(first), R"({"openapi":"3.1.0"})");
  const std::string etag(headerOf(first, "ETag"));
  const std::string weak = "\"other\", W/" + etag;
  EXPECT_EQ(ask(docs, "/openapi.json", {{"If-None-Match", etag}}).status, 304);
  EXPECT_EQ(ask(docs, "/openapi.json", {{"If-None-Match", weak}}).status, 304);
  EXPECT_EQ(ask(docs, "/openapi.json", {{"If-None-Match", "\"other\""}}).status, 200);
}

TEST(SignIn, PagesAreWholeAndRunScriptsOfThisServerOnly) {
  SignInPages pages;
  Icon icon;
  for (const char* page : {"/sign-in", "/setup"}) {
    const auto response = ask(pages, page);
    const auto policy = headerOf(response, "Content-Security-Policy");
    EXPECT_TRUE(policy.contains("default-src 'none'; script-src 'self'; style-src 'self';"))
        << policy;
    EXPECT_TRUE(policy.contains("form-action 'none'; frame-ancestors 'none'")) << policy;
    const std::string_view html = bodyOf(response);
    EXPECT_FALSE(html.contains("<script>") || html.contains("<style>") || html.contains("style="));
    for (const std::string_view mark :
         {"rel=\"stylesheet\" href=\"", "src=\"", "rel=\"icon\" href=\""}) {
      const auto at = html.find(mark);
      ASSERT_NE(at, std::string_view::npos) << page << mark;
      const auto rest = html.substr(at + mark.size());
      const auto path = rest.substr(0, rest.find('"'));
      EXPECT_TRUE(ask(pages, path).status == 200 || ask(icon, path).status == 200) << path;
    }
  }
}

TEST(SignIn, PagesNameNoOtherHost) {
  SignInPages pages;
  for (const char* path : {"/sign-in", "/sign-in/sign-in.css", "/setup"})
    EXPECT_FALSE(bodyOf(ask(pages, path)).contains("//")) << path;
  for (const char* path : {"/sign-in/sign-in.js", "/setup/setup.js"})
    EXPECT_FALSE(bodyOf(ask(pages, path)).contains("://")) << path;
}

TEST(SignIn, PageOfALinkThatIsVoidSaysWhatToDo) {
  SignInPages pages;
  EXPECT_TRUE(
      bodyOf(ask(pages, "/setup")).contains("corbel user add you@example.com --role owner"));
}

TEST(StatusPage, SaysWhetherTheServerIsReadyAndLinksTheDocs) {
  StatusPage page("1.2.3", kAll, [] { return true; });
  const auto response = ask(page, "/", {{"Host", "localhost:3004"}});
  for (const char* text :
       {"1.2.3", ">ready<", "href=\"/docs\"", "href=\"/redoc\"", "href=\"/health\"",
        "href=\"/metrics\"", "http://localhost:3004/api/v1/ai/models"}) {
    EXPECT_TRUE(bodyOf(response).contains(text)) << text;
  }
  EXPECT_FALSE(bodyOf(response).contains("{{"));
}

TEST(StatusPage, SaysThatTheServerIsNotReady) {
  StatusPage page("1.2.3", kAll, [] { return false; });
  EXPECT_TRUE(bodyOf(ask(page, "/")).contains(">not ready<"));
}

TEST(StatusPage, LinksNoDocsThatAreClosed) {
  StatusPage page("1.2.3", {.docs = false}, [] { return true; });
  EXPECT_FALSE(bodyOf(ask(page, "/")).contains("/docs"));
}

TEST(StatusPage, LinksNoMetricsThatAreElsewhere) {
  StatusPage page("1.2.3", {.metrics = false}, [] { return true; });
  EXPECT_FALSE(bodyOf(ask(page, "/")).contains("/metrics"));
}

TEST(StatusPage, ShowsNothingThatAHostHeaderSmuggles) {
  StatusPage page("1.2.3", kAll, [] { return true; });
  const auto response = ask(page, "/", {{"Host", "a\"><script>alert(1)</script>"}});
  EXPECT_FALSE(bodyOf(response).contains("<script>"));
  EXPECT_TRUE(bodyOf(response).contains("http://127.0.0.1:3004/"));
}

TEST(ApiDocument, ExplainsCredentials) {
  EXPECT_TRUE(apiDocument({}, "1.2.3").contains("Authorization: Bearer"));
}

}  // namespace
}  // namespace corbel::pages
