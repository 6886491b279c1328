#include <memory>
#include <string>
#include <utility>

#include "base/text.h"
#include "compression.h"
#include "http/dispatcher.h"
#include "http/repetition.h"
#include "http/reply.h"
#include "http/status.h"
#include "json/encode.h"

namespace corbel::http {
namespace {

// RFC 9457, with the members of the native API's conventions.
std::string problemJson(const Error& error, int status, std::string_view instance,
                        std::string_view correlationId) {
  std::string out;
  json::Writer writer(out);
  writer.beginObject();
  writer.field("type", "urn:corbel:error:" + std::string(name(error.code)));
  writer.field("title", statusText(status));
  writer.field("status", status);
  writer.field("detail", error.message);
  if (!instance.empty()) writer.field("instance", instance);
  writer.field("code", name(error.code));
  if (!correlationId.empty()) writer.field("correlationId", correlationId);
  if (!error.fields.empty()) {
    writer.key("errors");
    writer.beginArray();
    for (const FieldError& field : error.fields) {
      writer.beginObject();
      writer.field("pointer", field.pointer);
      writer.field("message", field.message);
      writer.endObject();
    }
    writer.endArray();
  }
  writer.endObject();
  return out;
}

}  // namespace

Response problem(const Error& error, std::string_view instance, std::string_view correlationId) {
  const int status = statusOf(error.code);
  Response response{
      .status = status, .contentType = "application/problem+json", .headers = {}, .body = {}};
  response.body = problemJson(error, status, instance, correlationId);
  if (error.code == ErrorCode::unauthenticated)
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

Response errorResponse(CallContext* context, const Error& error) {
  if (context == nullptr) return problem(error, {}, {});
  context->errorCode = name(error.code);
  context->errorDetail = error.detail.empty() ? error.message : error.detail;
  return problem(error, context->path, context->requestId);
}

namespace detail {

void complete(const Call& call, Response response) {
  // Who hears the answer may rely on it: it is kept first.
  if (Repetitions* keeper = std::exchange(call.context().repetitions, nullptr)) {
    auto kept = std::make_shared<Response>(std::move(response));
    return keeper->keep(call, *kept, [call, kept] { complete(call, std::move(*kept)); });
  }
  if (Observer* observer = call.context().bodies) {
    const auto* text = std::get_if<std::string>(&response.body);
    observer->onBodies(call.context(), call.body(),
                       text != nullptr ? std::string_view(*text) : std::string_view());
  }
  for (auto& header : call.context().responseHeaders) response.headers.push_back(std::move(header));
  completeCompressed(call, std::move(response));
}

Result<void> requireJson(const RequestHead& head) {
  const std::string_view type = head.header("Content-Type");
  std::string_view rest = type;
  const auto media = trim(takeUntil(rest, ';'));
  if (equalsIgnoringCase(media, kJsonType)) return {};
  if (head.method != Method::patch)
    return fail(ErrorCode::unsupportedMediaType, "Content-Type must be application/json");
  if (equalsIgnoringCase(media, kMergePatchType)) return {};
  return fail(ErrorCode::unsupportedMediaType,
              "Content-Type must be application/merge-patch+json or application/json");
}

Result<void> requireFile(const RequestHead& head, std::string_view types) {
  std::string_view rest = head.header("Content-Type");
  const auto media = trim(takeUntil(rest, ';'));
  if (media.empty() || equalsIgnoringCase(media, kFileType)) return {};
  for (std::string_view others = types; !others.empty();) {
    if (equalsIgnoringCase(media, trim(takeUntil(others, ',')))) return {};
  }
  return fail(ErrorCode::unsupportedMediaType,
              "Content-Type must be application/octet-stream" +
                  (types.empty() ? std::string() : ", " + std::string(types)) +
                  ": the body is the file itself, not a form that holds it");
}

}  // namespace detail
}  // namespace corbel::http
