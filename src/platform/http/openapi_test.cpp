#include "http/openapi.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include "operation_id.h"

namespace corbel::http {
namespace {

struct Thing {
  std::string name;
  static constexpr auto rules() {
    return std::array{json::rule<&Thing::name>({.example = R"("lamp")"})};
  }
};
BOOST_DESCRIBE_STRUCT(Thing, (), (name))

struct ListThings {
  int limit = 50;
  static constexpr auto rules() {
    return std::array{json::rule<&ListThings::limit>(
        {.doc = "How many.", .min = 1, .max = 200, .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(ListThings, (), (limit))

class ThingsApi {
 public:
  static constexpr auto routes() {
    return std::tuple{
        get<&ThingsApi::list>("/api/v1/ai/things", Permission::modelsRead, "List things"),
        post<&ThingsApi::create>("/api/v1/ai/things", Permission::modelsWrite, "Make a thing",
                                 {.limit = LimitClass::inference}),
        upload<&ThingsApi::open, &ThingsApi::finish>("/api/v1/ai/things/{thing}/parts",
                                                     Permission::modelsWrite, "Send"),
        del<&ThingsApi::remove>("/api/v1/ai/things/{thing}/parts/{part}", Permission::modelsWrite,
                                "Remove"),
        get<&ThingsApi::text>("/health", openToAll, "Fine?",
                              {.limit = LimitClass::none, .contentType = "text/plain"})};
  }

 private:
  Result<Thing> list(Call&, const ListThings&) { return Thing{}; }
  Result<Created<Thing>> create(Call&, const Thing&) { return Created<Thing>{}; }
  Result<std::shared_ptr<BodySink>> open(Call&) { return nullptr; }
  Result<Created<Thing>> finish(Call&, const ListThings&) { return Created<Thing>{}; }
  Result<NoContent> remove(Call&) { return NoContent{}; }
  Result<Response> text(Call&) { return Response{}; }
};

class OpenApiTest : public ::testing::Test {
 protected:
  OpenApiTest() {
    auto routes = mount(api_, "things");
    for (Route& page : mount(api_, "")) {
      page.path = "/page";
      routes.push_back(std::move(page));
    }
    text_ = openApiDocument(routes, {"Things", "1.2.3", "About things.", kParameters});
    document_ = parser_.parse(text_);
  }
  simdjson::dom::element at(std::string_view pointer) const {
    return document_.at_pointer(pointer);
  }
  std::string textAt(std::string_view pointer) const {
    return std::string(std::string_view(at(pointer)));
  }
  bool has(std::string_view pointer) const {
    return document_.at_pointer(pointer).error() == simdjson::SUCCESS;
  }

  static constexpr std::array kParameters = {
      PathParameterDoc{"thing", "Name of a thing.", R"({"type":"string"})", R"("lamp")"}};
  ThingsApi api_;
  std::string text_;
  simdjson::dom::parser parser_;
  simdjson::dom::element document_;
};

constexpr std::string_view kThings = "/paths/~1api~1v1~1ai~1things";

TEST_F(OpenApiTest, SaysWhatItDescribes) {
  EXPECT_EQ(textAt("/openapi"), "3.1.0");
  EXPECT_EQ(textAt("/info/title"), "Things");
  EXPECT_EQ(textAt("/info/version"), "1.2.3");
  EXPECT_EQ(textAt("/tags/0/name"), "things");
}

TEST_F(OpenApiTest, LeavesPagesOut) { EXPECT_FALSE(has("/paths/~1page")); }

TEST_F(OpenApiTest, NamesPermissionAndBudgetOfAnOperation) {
  const std::string post = std::string(kThings) + "/post";
  EXPECT_EQ(textAt(post + "/x-permission"), "models:write");
  EXPECT_EQ(textAt(post + "/x-limit"), "inference");
  EXPECT_FALSE(has("/paths/~1health/get/x-permission"));
  EXPECT_FALSE(has("/paths/~1health/get/x-limit"));
  EXPECT_EQ(at("/paths/~1health/get/security").get_array().size(), 0u);
}

TEST_F(OpenApiTest, DescribesTheQuery) {
  const std::string parameters = std::string(kThings) + "/get/parameters";
  EXPECT_EQ(textAt(parameters + "/0/$ref"), "#/components/parameters/Tenant");
  EXPECT_EQ(textAt(parameters + "/1/name"), "limit");
  EXPECT_EQ(textAt(parameters + "/1/in"), "query");
  EXPECT_EQ(std::int64_t(at(parameters + "/1/schema/maximum")), 200);
}

TEST_F(OpenApiTest, DescribesParametersOfThePath) {
  const std::string parameters =
      std::string(kThings) + "~1{thing}~1parts~1{part}/delete/parameters";
  EXPECT_EQ(textAt(parameters + "/0/description"), "Name of a thing.");
  EXPECT_EQ(textAt(parameters + "/0/example"), "lamp");
  EXPECT_EQ(textAt(parameters + "/1/name"), "part");
}

TEST_F(OpenApiTest, ShowsABodyWithItsExample) {
  const std::string body = std::string(kThings) + "/post/requestBody/content/application~1json";
  EXPECT_EQ(textAt(body + "/schema/$ref"), "#/components/schemas/Thing");
  EXPECT_EQ(textAt(body + "/example/name"), "lamp");
  EXPECT_TRUE(has("/components/schemas/Thing/properties/name"));
}

TEST_F(OpenApiTest, TakesAnUploadAsBytesAndItsArgumentsFromTheQuery) {
  const std::string post = std::string(kThings) + "~1{thing}~1parts/post";
  EXPECT_EQ(textAt(post + "/requestBody/content/application~1octet-stream/schema/format"),
            "binary");
  EXPECT_EQ(textAt(post + "/parameters/3/in"), "query");
}

TEST_F(OpenApiTest, ListsTheAnswersAnOperationCanGive) {
  const std::string post = std::string(kThings) + "/post/responses";
  EXPECT_TRUE(has(post + "/201/headers/Location"));
  for (const char* status : {"400", "401", "403", "409", "413", "415", "422", "429", "default"}) {
    EXPECT_TRUE(has(post + "/" + status)) << status;
  }
  EXPECT_TRUE(has(std::string(kThings) + "~1{thing}~1parts~1{part}/delete/responses/204"));
  EXPECT_FALSE(has(std::string(kThings) + "~1{thing}~1parts~1{part}/delete/responses/204/content"));
  EXPECT_FALSE(has("/paths/~1health/get/responses/401"));
  EXPECT_EQ(textAt("/paths/~1health/get/responses/200/content/text~1plain/schema/type"), "string");
  EXPECT_EQ(textAt("/components/responses/NotFound/content/application~1problem+json/schema/$ref"),
            "#/components/schemas/Problem");
}

std::vector<std::string> idsOf(std::initializer_list<std::pair<Method, std::string_view>> routes) {
  std::vector<Route> made(routes.size());
  std::vector<const Route*> pointers;
  std::size_t next = 0;
  for (const auto& [method, path] : routes) {
    made[next].method = method;
    made[next].path = path;
    pointers.push_back(&made[next++]);
  }
  return operationIds(pointers);
}

TEST(OperationIds, ReadLikeFunctionsOfAClient) {
  EXPECT_EQ(idsOf({{Method::get, "/api/v1/ai/models"},
                   {Method::get, "/api/v1/ai/models/{model}"},
                   {Method::post, "/api/v1/ai/models/{model}/batch-predict"},
                   {Method::del, "/api/v1/ai/models/{model}/aliases/{alias}"}}),
            (std::vector<std::string>{"getModels", "getModel", "postModelBatchPredict",
                                      "deleteModelAlias"}));
}

TEST(OperationIds, AreWholePathsWhereShortOnesWouldBeShared) {
  EXPECT_EQ(idsOf({{Method::get, "/health"}, {Method::get, "/api/v1/ai/health"}}),
            (std::vector<std::string>{"getHealth", "getApiV1AiHealth"}));
}

}  // namespace
}  // namespace corbel::http
