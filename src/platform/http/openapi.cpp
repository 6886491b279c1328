#include "http/openapi.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/text.h"
#include "http/status.h"
#include "json/encode.h"
#include "json/schema.h"
#include "operation_id.h"

namespace corbel::http {
namespace {

// What problem.cpp writes, for the schema.
struct ProblemField {
  std::string pointer;
  std::string message;
  static constexpr auto rules() {
    return std::array{
        json::rule<&ProblemField::pointer>(
            {.doc = "JSON pointer into the request.", .example = R"("/input/age")"}),
        json::rule<&ProblemField::message>({.doc = "What is wrong, and what is allowed."})};
  }
};
BOOST_DESCRIBE_STRUCT(ProblemField, (), (pointer, message))

struct Problem {
  std::string type;
  std::string title;
  int status = 0;
  std::string detail;
  std::optional<std::string> instance;
  std::string code;
  std::optional<std::string> correlationId;
  std::optional<std::vector<ProblemField>> errors;
  static constexpr auto rules() {
    using Self = Problem;
    return std::array{
        json::rule<&Self::type>({.example = R"("urn:corbel:error:invalid_argument")"}),
        json::rule<&Self::title>({.example = R"("Bad Request")"}),
        json::rule<&Self::status>({.example = "400", .min = 400, .max = 599}),
        json::rule<&Self::detail>(
            {.doc = "For people: what is wrong, what is allowed, what to do."}),
        json::rule<&Self::instance>({.doc = "The request's path."}),
        json::rule<&Self::code>({.doc = "For programs.", .example = R"("invalid_argument")"}),
        json::rule<&Self::correlationId>(
            {.doc = "The request's X-Request-ID; the server's log has it too."}),
        json::rule<&Self::errors>(
            {.doc = "Everything that is wrong with the input, field by field."})};
  }
};
BOOST_DESCRIBE_STRUCT(Problem, (),
                      (type, title, status, detail, instance, code, correlationId, errors))

// The refusals that operations name; each is a component of that name.
struct Refusal {
  int status;
  std::string_view component;
  std::string_view doc;
};
constexpr std::array kRefusals = {
    Refusal{400, "BadRequest", "Not parseable, or of the wrong type or shape."},
    Refusal{401, "Unauthenticated", "No credential, or one that proves nobody."},
    Refusal{403, "PermissionDenied", "The caller lacks the permission that `x-permission` names."},
    Refusal{404, "NotFound", "Does not exist, or belongs to another tenant."},
    Refusal{409, "AlreadyExists", "The name or id is taken, or a concurrent change won."},
    Refusal{412, "PreconditionFailed", "If-Match names another revision than the current one."},
    Refusal{413, "TooLarge", "The body is longer than this operation allows."},
    Refusal{415, "UnsupportedMediaType", "The Content-Type is not accepted here."},
    Refusal{422, "Unprocessable", "Well-formed, but against the rules of the thing."},
    Refusal{429, "TooManyRequests",
            "The budget of this minute is used up; Retry-After says when to come back."}};

bool appliesTo(const Refusal& refusal, const Route& route) {
  const bool hasBody = route.input == Input::json || route.input == Input::upload;
  switch (refusal.status) {
    case 400:
      return route.input != Input::none;
    case 401:
    case 403:
      return !route.access.isOpen();
    case 404:
      return route.path.contains('{');
    case 409:
      return route.successStatus == 201;
    case 412:
      return route.options.takesIfMatch;
    case 413:
    case 415:
    case 422:
      return hasBody;
    default:
      return !route.access.isOpen() && route.options.limit != LimitClass::none;
  }
}

std::string descriptionOf(const Route& route) {
  std::string text(route.options.description);
  if (route.access.isOpen()) return text;
  if (!text.empty()) text += "\n\n";
  return text.append("Needs the permission `")
      .append(identity::name(route.access.permission()))
      .append("`.");
}

std::string_view word(LimitClass limit) {
  switch (limit) {
    case LimitClass::none:
      return {};
    case LimitClass::api:
      return "api";
    case LimitClass::inference:
      return "inference";
  }
  std::unreachable();
}

class DocumentWriter {
 public:
  explicit DocumentWriter(const OpenApiInfo& info) : info_(info) {}

  std::string write(std::span<const Route> routes) {
    for (const Route& route : routes) {
      if (!route.tag.empty()) routes_.push_back(&route);
    }
    ids_ = operationIds(routes_);
    object([&] {
      writer_.field("openapi", "3.1.0");
      about();
      tags();
      writer_.key("security");
      array([&] { object([&] { emptyArray("bearer"); }); });
      paths();
      components();
    });
    return std::move(out_);
  }

 private:
  void object(auto&& content) {
    writer_.beginObject();
    content();
    writer_.endObject();
  }
  void object(std::string_view name, auto&& content) {
    writer_.key(name);
    object(content);
  }
  void array(auto&& content) {
    writer_.beginArray();
    content();
    writer_.endArray();
  }
  void emptyArray(std::string_view name) {
    writer_.key(name);
    array([] {});
  }
  void raw(std::string_view name, std::string_view json) {
    writer_.key(name);
    writer_.raw(json);
  }
  void optionalText(std::string_view name, std::string_view text) {
    if (!text.empty()) writer_.field(name, text);
  }

  void about() {
    object("info", [&] {
      writer_.field("title", info_.title);
      writer_.field("version", info_.version);
      writer_.field("description", info_.description);
    });
    writer_.key("servers");
    array([&] { object([&] { writer_.field("url", "/"); }); });
  }

  void tags() {
    std::set<std::string_view> seen;
    writer_.key("tags");
    array([&] {
      for (const Route* route : routes_) {
        if (seen.insert(route->tag).second) object([&] { writer_.field("name", route->tag); });
      }
    });
  }

  void paths() {
    object("paths", [&] {
      std::set<std::string_view> seen;
      for (const Route* route : routes_) {
        if (seen.insert(route->path).second)
          object(route->path, [&] { operationsAt(route->path); });
      }
    });
  }

  void operationsAt(std::string_view path) {
    for (std::size_t i = 0; i < routes_.size(); ++i) {
      if (routes_[i]->path == path) operation(*routes_[i], ids_[i]);
    }
  }

  void operation(const Route& route, const std::string& id) {
    std::string method(name(route.method));
    std::ranges::transform(method, method.begin(), lowerAscii);
    object(method, [&] {
      writer_.field("operationId", id);
      writer_.key("tags");
      array([&] { writer_.value(route.tag); });
      writer_.field("summary", route.summary);
      optionalText("description", descriptionOf(route));
      access(route);
      parameters(route);
      requestBody(route);
      responses(route);
    });
  }

  void access(const Route& route) {
    if (route.access.isOpen()) {
      emptyArray("security");
    } else {
      writer_.field("x-permission", identity::name(route.access.permission()));
      optionalText("x-limit", word(route.options.limit));
    }
  }

  void parameters(const Route& route) {
    writer_.key("parameters");
    array([&] {
      std::string_view rest = route.path;
      while (!rest.empty()) {
        const std::string_view segment = takeUntil(rest, '/');
        if (segment.starts_with('{')) pathParameter(segment.substr(1, segment.size() - 2));
      }
      if (!route.access.isOpen()) reference("parameters", "Tenant");
      if (route.takesIdempotencyKey()) reference("parameters", "IdempotencyKey");
      if (route.options.takesIfMatch) reference("parameters", "IfMatch");
      if (route.options.takesIfNoneMatch) reference("parameters", "IfNoneMatch");
      if (route.request == nullptr || route.input == Input::json) return;
      for (const json::QueryParameter& parameter : json::queryParameters(*route.request))
        queryParameter(parameter);
    });
  }

  void pathParameter(std::string_view name) {
    const auto doc = std::ranges::find(info_.parameters, name, &PathParameterDoc::name);
    object([&] {
      writer_.field("name", name);
      writer_.field("in", "path");
      writer_.field("required", true);
      if (doc == info_.parameters.end()) return raw("schema", R"({"type":"string"})");
      writer_.field("description", doc->doc);
      raw("schema", doc->schema);
      raw("example", doc->example);
    });
  }

  void queryParameter(const json::QueryParameter& parameter) {
    object([&] {
      writer_.field("name", parameter.name);
      writer_.field("in", "query");
      optionalText("description", parameter.doc);
      writer_.field("required", parameter.required);
      raw("schema", parameter.schema);
      if (!parameter.example.empty()) raw("example", parameter.example);
    });
  }

  void reference(std::string_view kind, std::string_view name) {
    object([&] {
      writer_.field("$ref", "#/components/" + std::string(kind) + "/" + std::string(name));
    });
  }

  void requestBody(const Route& route) {
    if (route.input != Input::json && route.input != Input::upload) return;
    object("requestBody", [&] {
      writer_.field("required", true);
      object("content",
             [&] { route.input == Input::json ? jsonBodies(route) : fileBodies(route); });
    });
  }

  void jsonBodies(const Route& route) {
    jsonBody(detail::kJsonType, *route.request);
    if (route.method == Method::patch) jsonBody(detail::kMergePatchType, *route.request);
  }

  void jsonBody(std::string_view mediaType, const json::Type& type) {
    object(mediaType, [&] {
      raw("schema", registry_.add(type));
      raw("example", json::exampleOf(type));
    });
  }

  void fileBodies(const Route& route) {
    fileBody(detail::kFileType);
    for (std::string_view types = route.options.uploadTypes; !types.empty();)
      fileBody(trim(takeUntil(types, ',')));
  }

  void fileBody(std::string_view mediaType) {
    object(mediaType, [&] { raw("schema", R"({"type":"string","format":"binary"})"); });
  }

  void responses(const Route& route) {
    object("responses", [&] {
      object(std::to_string(route.successStatus), [&] { success(route); });
      if (route.options.takesIfNoneMatch) object("304", [&] { notModified(); });
      for (const Refusal& refusal : kRefusals) {
        if (!appliesTo(refusal, route)) continue;
        writer_.key(std::to_string(refusal.status));
        reference("responses", refusal.component);
      }
      writer_.key("default");
      reference("responses", "Failed");
    });
  }

  void success(const Route& route) {
    writer_.field("description", statusText(route.successStatus));
    if (route.successStatus == 201 || route.successStatus == 202)
      object("headers", [&] { location(); });
    if (route.successStatus == 204 || route.webSocket) return;
    object("content", [&] {
      object(route.options.contentType, [&] {
        raw("schema", responseSchema(route));
        if (route.response != nullptr) raw("example", json::exampleOf(*route.response));
      });
    });
  }

  void notModified() { writer_.field("description", statusText(304)); }

  void location() {
    object("Location", [&] {
      writer_.field("description", "Path of what was made.");
      raw("schema", R"({"type":"string"})");
    });
  }

  std::string responseSchema(const Route& route) {
    if (route.response != nullptr) return registry_.add(*route.response);
    const bool isText = route.options.contentType.starts_with("text/");
    return isText ? R"({"type":"string"})" : R"({"type":"string","format":"binary"})";
  }

  void components() {
    const std::string problem = registry_.add<Problem>();
    object("components", [&] {
      raw("schemas", registry_.components());
      object("responses", [&] {
        for (const Refusal& refusal : kRefusals)
          problemResponse(refusal.component, refusal.doc, problem);
        problemResponse("Failed", "Anything else that went wrong.", problem);
      });
      object("parameters", [&] {
        header("Tenant", "X-Tenant-ID",
               "Which of the caller's tenants is meant. An API key belongs to one and needs none.");
        header("IdempotencyKey", "Idempotency-Key",
               "Made by the client, unique for what it wants done: a repetition within 24 hours is "
               "answered as the first request was, and not carried out.");
        header("IfMatch", "If-Match", "The ETag of the state that is meant; another one is 412.");
        header("IfNoneMatch", "If-None-Match", "The ETag of the state you have; it is 304 then.");
      });
      object("securitySchemes", [&] { object("bearer", [&] { bearer(); }); });
    });
  }

  void problemResponse(std::string_view name, std::string_view doc, std::string_view schema) {
    object(name, [&] {
      writer_.field("description", doc);
      object("content",
             [&] { object("application/problem+json", [&] { raw("schema", schema); }); });
    });
  }

  void header(std::string_view component, std::string_view name, std::string_view doc) {
    object(component, [&] {
      writer_.field("name", name);
      writer_.field("in", "header");
      writer_.field("description", doc);
      writer_.field("required", false);
      raw("schema", R"({"type":"string"})");
    });
  }

  void bearer() {
    writer_.field("type", "http");
    writer_.field("scheme", "bearer");
    writer_.field("description", "An API key, or a token of a configured issuer.");
  }

  const OpenApiInfo& info_;
  std::vector<const Route*> routes_;
  std::vector<std::string> ids_;
  json::SchemaRegistry registry_;
  std::string out_;
  json::Writer writer_{out_};
};

}  // namespace

std::string openApiDocument(std::span<const Route> routes, const OpenApiInfo& info) {
  return DocumentWriter(info).write(routes);
}

}  // namespace corbel::http
