// The documentation, whole and offline: /openapi.json, /docs (Swagger UI) and /redoc (Redoc). Open
// to all; docs.access says whether and where it is mounted.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "http/route.h"
#include "pages/static_file.h"

namespace corbel::pages {

class DocsApi {
 public:
  // `document` is what /openapi.json serves, see api_document.h.
  explicit DocsApi(std::string document);
  DocsApi(const DocsApi&) = delete;
  DocsApi& operator=(const DocsApi&) = delete;

  // Mount them without a tag: they are pages, not part of the API.
  static constexpr auto routes() {
    constexpr http::RouteOptions kPage{.limit = http::LimitClass::none, .contentType = "text/html"};
    const auto page = [=](std::string_view path, std::string_view summary) {
      return http::get<&DocsApi::serve>(path, http::openToAll, summary, kPage);
    };
    return std::tuple{page("/openapi.json", "The API as an OpenAPI document"),
                      page("/docs", "Documentation to try out"),
                      page("/docs/docs.css", "Look of /docs"),
                      page("/docs/docs.js", "Starts /docs"),
                      page("/docs/swagger-ui.css", "Swagger UI"),
                      page("/docs/swagger-ui-bundle.js", "Swagger UI"),
                      page("/redoc", "Documentation to read"),
                      page("/redoc/redoc.css", "Look of /redoc"),
                      page("/redoc/redoc.js", "Starts /redoc"),
                      page("/redoc/redoc.standalone.js", "Redoc")};
  }

 private:
  void serve(http::Call call, http::Reply<http::Response> reply);

  std::string document_;
  std::map<std::string_view, StaticFile> files_;  // by path
};

}  // namespace corbel::pages
