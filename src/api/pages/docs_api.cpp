#include "pages/docs_api.h"

#include <utility>

#include "assets.h"

namespace corbel::pages {
namespace {

// Everything from this server, nothing inline but styles, which both libraries set on elements;
// Redoc's search runs in a worker that it makes of its own text.
constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' "
    "data:; font-src 'self'; "
    "connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors "
    "'none'";
constexpr std::string_view kFilePolicy = "default-src 'none'; frame-ancestors 'none'";

constexpr std::string_view kHtml = "text/html; charset=utf-8";
constexpr std::string_view kCss = "text/css; charset=utf-8";
constexpr std::string_view kScript = "text/javascript; charset=utf-8";

}  // namespace

DocsApi::DocsApi(std::string document)
    : document_(std::move(document)),
      files_{{"/openapi.json", {document_, "application/json", kFilePolicy}},
             {"/docs", {assets::kDocsHtml, kHtml, kPagePolicy}},
             {"/docs/docs.css", {assets::kDocsCss, kCss, kFilePolicy}},
             {"/docs/docs.js", {assets::kDocsJs, kScript, kFilePolicy}},
             {"/docs/swagger-ui.css", {assets::kSwaggerUiCss, kCss, kFilePolicy}},
             {"/docs/swagger-ui-bundle.js", {assets::kSwaggerUiJs, kScript, kFilePolicy}},
             {"/redoc", {assets::kRedocHtml, kHtml, kPagePolicy}},
             {"/redoc/redoc.css", {assets::kRedocCss, kCss, kFilePolicy}},
             {"/redoc/redoc.js", {assets::kRedocJs, kScript, kFilePolicy}},
             {"/redoc/redoc.standalone.js", {assets::kRedocLibrary, kScript, kFilePolicy}}} {}

// NOLINTNEXTLINE(performance-unnecessary-value-param): the form of a handler that answers at once
void DocsApi::serve(http::Call call, http::Reply<http::Response> reply) {
  reply(files_.at(call.route().path).answer(call.head()));
}

}  // namespace corbel::pages
