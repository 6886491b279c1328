#include "pages/api_document.h"

#include <array>

#include "http/openapi.h"

namespace corbel::pages {
namespace {

constexpr std::string_view kDescription =
    "Predictions from trained models, beside your application.\n\n"
    "**Credentials.** Send an API key or a token as `Authorization: Bearer …`. The key made at the "
    "first start is in "
    "the "
    "data folder, in the file `admin-key`. Each operation names the permission it needs.\n\n"
    "**Errors** are `application/problem+json`: `code` is for programs, `detail` for people, and "
    "`errors` names every "
    "field of the input that is wrong. `correlationId` finds the request in the server's log.\n\n"
    "**Lists** come in pages: pass `nextCursor` as `cursor` until it is null.\n\n"
    "**Limits.** `RateLimit` says what is left of a minute's budget; a 429 says in `Retry-After` "
    "when to come back.";

constexpr std::array kParameters = {
    http::PathParameterDoc{"model", "Name or id of a model.",
                           R"({"type":"string","maxLength":128})", R"("house-prices")"},
    http::PathParameterDoc{"version", "Number of a version: 1, 2, 3 …",
                           R"({"type":"integer","minimum":1})", "1"},
    http::PathParameterDoc{"alias", "Name of an alias, as `champion`.",
                           R"({"type":"string","maxLength":128})", R"("champion")"},
    http::PathParameterDoc{"key", "Id of an API key.", R"({"type":"string","format":"uuid"})",
                           R"("0198a3b2-7c1e-7d7a-9a51-2f3c4d5e6f70")"},
    http::PathParameterDoc{"role", "Name of a role.", R"({"type":"string"})", R"("auditor")"},
    http::PathParameterDoc{"tenant", "Id of a tenant.", R"({"type":"string"})", R"("acme")"},
    http::PathParameterDoc{"webhook", "Id of a webhook.", R"({"type":"string","format":"uuid"})",
                           R"("0198a3b2-7c1e-7d7a-9a51-2f3c4d5e6f70")"},
    http::PathParameterDoc{"event", "Id of an event.", R"({"type":"string","format":"uuid"})",
                           R"("0198a3b2-7c1e-7d7a-9a51-2f3c4d5e6f71")"},
    http::PathParameterDoc{"job", "Id of a job.", R"({"type":"string","format":"uuid"})",
                           R"("0198a3b2-7c1e-7d7a-9a51-2f3c4d5e6f72")"},
    http::PathParameterDoc{"file", "Name of a file of a job, as in its `files`.",
                           R"({"type":"string"})", R"("output")"},
    http::PathParameterDoc{"schedule", "Id of a schedule.", R"({"type":"string","format":"uuid"})",
                           R"("0198a3b2-7c1e-7d7a-9a51-2f3c4d5e6f73")"},
    http::PathParameterDoc{"export", "Id of an export of personal data.",
                           R"({"type":"string","format":"uuid"})",
                           R"("0198a3b2-7c1e-7d7a-9a51-2f3c4d5e6f74")"},
    http::PathParameterDoc{"user", "Id of a user.", R"({"type":"string","format":"uuid"})",
                           R"("0198a3b2-7c1e-7d7a-9a51-2f3c4d5e6f75")"},
    http::PathParameterDoc{"session", "Id of a session.", R"({"type":"string","format":"uuid"})",
                           R"("0198a3b2-7c1e-7d7a-9a51-2f3c4d5e6f76")"}};

}  // namespace

std::string apiDocument(std::span<const http::Route> routes, std::string_view version) {
  return http::openApiDocument(routes, {.title = "Corbel",
                                        .version = version,
                                        .description = kDescription,
                                        .parameters = kParameters});
}

}  // namespace corbel::pages
