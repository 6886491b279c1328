#include "native/versions_api.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "json/encode.h"
#include "native/artifact_sink.h"
#include "native/known.h"
#include "native/models_api.h"

namespace corbel::native {
namespace {

constexpr std::chrono::minutes kDownloadUrlLifetime{5};

Result<int> versionOf(const http::Call& call) {
  const auto text = call.parameter("version");
  if (const auto number = parseNumber<int>(text); number && *number > 0) return *number;
  return fail(ErrorCode::notFound, "Versions are numbered 1, 2, 3 ...; there is no version '" +
                                       std::string(text) + "'.");
}

Result<std::string_view> aliasOf(const http::Call& call) {
  const auto alias = call.parameter("alias");
  if (models::isModelName(alias) && !parseNumber<int>(alias)) return alias;
  return fail(
      ErrorCode::invalidArgument,
      "An alias is made of letters, digits, '.', '_' and '-', at most 128, and is not a number.");
}

json::Document jsonText(std::string_view text) {
  std::string json;
  json::Writer(json).value(text);
  return {std::move(json)};
}

json::Document jsonNumber(std::optional<std::int64_t> value) {
  return {value ? std::to_string(*value) : "null"};
}

std::vector<Difference> differencesOf(const models::Version& base, const models::Version& other) {
  std::vector<Difference> differences;
  const auto compare = [&](std::string field, json::Document a, json::Document b) {
    if (a != b) differences.push_back({std::move(field), std::move(a), std::move(b)});
  };
  compare("artifact.sha256", jsonText(base.artifactSha256), jsonText(other.artifactSha256));
  compare("artifact.sizeBytes", jsonNumber(base.artifactBytes), jsonNumber(other.artifactBytes));
  compare("signature", {base.signature}, {other.signature});
  compare("lineage.source", jsonText(base.source), jsonText(other.source));
  compare("lineage.dataHash", jsonText(base.dataHash), jsonText(other.dataHash));
  compare("lineage.parent", jsonNumber(base.parent), jsonNumber(other.parent));
  compare("stage", jsonText(name(base.stage)), jsonText(name(other.stage)));
  compare("notes", jsonText(base.notes), jsonText(other.notes));
  compare("createdBy", jsonText(base.createdBy), jsonText(other.createdBy));
  return differences;
}

// All of a version but its stage is immutable.
std::string etagOf(const models::Version& version) {
  return '"' + version.artifactSha256 + '-' + std::string(name(version.stage)) + '"';
}

// Empty, or lower case.
Result<std::string> sha256Of(const NewVersionQuery& request) {
  if (!request.sha256) return std::string();
  std::string sha256 = *request.sha256;
  std::ranges::transform(sha256, sha256.begin(), lowerAscii);
  if (objects::Digest::parse(sha256)) return sha256;
  return failField("?sha256", "must be 64 hexadecimal digits");
}

// A new version's fields come in the query here; what the model declares does not.
Error inQuery(Error error) {
  const auto isOfModel = [](std::string_view pointer) {
    return pointer.starts_with("/inputSchema") || pointer.starts_with("/outputSchema");
  };
  for (FieldError& field : error.fields) {
    if (field.pointer.starts_with('/') && !isOfModel(field.pointer)) field.pointer[0] = '?';
  }
  if (error.message.starts_with('/') && !isOfModel(error.message)) error.message[0] = '?';
  return error;
}

}  // namespace

VersionView view(const models::Version& version) {
  return {.id = version.id,
          .modelId = version.modelId,
          .version = version.number,
          .stage = version.stage,
          .artifact = {version.artifactSha256, version.artifactBytes},
          .signature = {version.signature},
          .lineage = {version.source, version.dataHash, version.parent},
          .notes = version.notes,
          .createdBy = version.createdBy,
          .createdAt = version.createdAt};
}

AliasView view(const models::Alias& alias) { return {alias.name, alias.version, alias.updatedAt}; }

AliasChangeView view(const models::AliasChange& change) {
  return {change.alias, change.version, change.previous, change.changedBy, change.changedAt};
}

StageChangeView view(const models::StageChange& change) {
  return {change.stage, change.previous, change.changedBy, change.changedAt};
}

Result<std::shared_ptr<http::BodySink>> VersionsApi::beginUpload(http::Call& call) {
  CORBEL_TRY(auto writer, parts_.intake.begin(scopeOf(call), call.parameter("model"),
                                              quotaOf(parts_.directory, call)));
  return std::make_shared<ArtifactSink>(std::move(writer), parts_.pool);
}

void VersionsApi::finishUpload(http::Call call, NewVersionQuery request,
                               http::Reply<http::Created<VersionView>> reply) {
  auto shared = std::make_shared<http::Reply<http::Created<VersionView>>>(std::move(reply));
  const bool accepted =
      parts_.background.tryRun([this, call, request = std::move(request), shared]() mutable {
        call.inFrame([&] { (*shared)(addVersion(call, request)); });
      });
  if (accepted) return;
  call.addHeader("Retry-After", "10");
  (*shared)(fail(ErrorCode::unavailable,
                 "Too many uploads are being checked. Try again in a few seconds."));
}

Result<http::Created<VersionView>> VersionsApi::addVersion(const http::Call& call,
                                                           const NewVersionQuery& request) {
  auto& sink = static_cast<ArtifactSink&>(*call.context().upload);
  models::NewVersion fresh;
  CORBEL_TRY(fresh.artifactSha256, sha256Of(request));
  fresh.source = request.source;
  fresh.dataHash = request.dataHash;
  fresh.parent = request.parent;
  fresh.notes = request.notes;
  auto finished = parts_.intake.finish(scopeOf(call), call.parameter("model"), sink.writer(),
                                       std::move(fresh), quotaOf(parts_.directory, call));
  if (!finished) return std::unexpected(inQuery(std::move(finished).error()));
  const auto& version = *finished;
  return http::Created<VersionView>{
      "/api/v1/ai/models/" + version.modelId + "/versions/" + std::to_string(version.number),
      view(version)};
}

Result<Page<VersionView>> VersionsApi::list(http::Call& call, const ListVersions& request) {
  models::VersionQuery query{.limit = request.limit + 1, .stage = request.stage};
  if (request.cursor) query.before = *request.cursor;
  CORBEL_TRY(auto found, parts_.registry.versions(scopeOf(call), call.parameter("model"), query));
  Page<VersionView> page;
  const auto limit = static_cast<std::size_t>(request.limit);
  if (found.size() > limit) {
    found.resize(limit);
    page.nextCursor = std::to_string(found.back().number);
  }
  for (const models::Version& version : found) page.items.push_back(view(version));
  return page;
}

Result<Comparison> VersionsApi::compare(http::Call& call, const CompareQuery& request) {
  const auto model = call.parameter("model");
  CORBEL_TRY(const auto base, parts_.registry.version(scopeOf(call), model, request.base));
  CORBEL_TRY(const auto other, parts_.registry.version(scopeOf(call), model, request.other));
  return Comparison{view(base), view(other), differencesOf(base, other)};
}

Result<http::Response> VersionsApi::read(http::Call& call) {
  CORBEL_TRY(const int number, versionOf(call));
  CORBEL_TRY(const auto version,
             parts_.registry.version(scopeOf(call), call.parameter("model"), number));
  return viewUnlessKnown(call, etagOf(version), [&] { return view(version); });
}

Result<VersionView> VersionsApi::change(http::Call& call, const VersionPatch& request) {
  CORBEL_TRY(const int number, versionOf(call));
  const auto decide = [&](const models::Version& version) -> Result<models::Stage> {
    if (!http::mayChange(call.head(), etagOf(version))) {
      return fail(ErrorCode::failedPrecondition,
                  "The version's stage was changed since; read it again and repeat the change.");
    }
    models::Stage stage = version.stage;
    request.stage.applyTo(stage);
    return stage;
  };
  CORBEL_TRY(const auto version,
             parts_.registry.changeStage(scopeOf(call), call.parameter("model"), number, decide));
  call.addHeader("ETag", etagOf(version));
  return view(version);
}

Result<StageHistory> VersionsApi::stageHistory(http::Call& call, const Items& request) {
  CORBEL_TRY(const int number, versionOf(call));
  CORBEL_TRY(
      const auto changes,
      parts_.registry.stageHistory(scopeOf(call), call.parameter("model"), number, request.limit));
  StageHistory history;
  for (const models::StageChange& change : changes) history.items.push_back(view(change));
  return history;
}

Result<http::Response> VersionsApi::download(http::Call& call, const DownloadQuery& request) {
  CORBEL_TRY(const int number, versionOf(call));
  CORBEL_TRY(const auto version,
             parts_.registry.version(scopeOf(call), call.parameter("model"), number));
  const std::string etag = '"' + version.artifactSha256 + '"';
  call.addHeader("ETag", etag);
  if (http::clientHas(call.head(), etag)) return notModified();
  CORBEL_TRY(const auto digest, objects::Digest::parse(version.artifactSha256));
  if (request.redirect) {
    if (auto url = parts_.objects.downloadUrl(digest, kDownloadUrlLifetime)) {
      http::Response elsewhere{.status = 302, .headers = {}, .body = {}};
      elsewhere.headers.emplace_back("Location", *std::move(url));
      elsewhere.headers.emplace_back("Cache-Control", "no-store");
      return elsewhere;
    }
  }
  CORBEL_TRY(auto file, parts_.objects.open(digest, call.deadline()));
  const auto size = static_cast<std::uint64_t>(file.sizeBytes());
  http::Response response{.contentType = "application/octet-stream", .headers = {}, .body = {}};
  response.headers.emplace_back("Content-Disposition",
                                "attachment; filename=\"" + version.artifactSha256 + "\"");
  response.headers.emplace_back("Content-Security-Policy", "sandbox");
  response.body.emplace<http::FileRange>(std::move(file).release().release(), 0, size);
  return response;
}

Result<http::NoContent> VersionsApi::unload(http::Call& call) {
  CORBEL_TRY(const int number, versionOf(call));
  CORBEL_TRY(const auto version,
             parts_.registry.version(scopeOf(call), call.parameter("model"), number));
  parts_.serving.unload(call.tenant(), version.modelId, number);
  return http::NoContent{};
}

Result<AliasList> VersionsApi::listAliases(http::Call& call) {
  CORBEL_TRY(const auto aliases, parts_.registry.aliases(scopeOf(call), call.parameter("model")));
  AliasList list;
  for (const models::Alias& alias : aliases) list.items.push_back(view(alias));
  return list;
}

Result<AliasChangeView> VersionsApi::setAlias(http::Call& call, const AliasTarget& request) {
  CORBEL_TRY(const auto alias, aliasOf(call));
  CORBEL_TRY(const auto change, parts_.registry.promote(scopeOf(call), call.parameter("model"),
                                                        alias, request.version));
  return view(change);
}

Result<http::NoContent> VersionsApi::removeAlias(http::Call& call) {
  CORBEL_TRY(const auto alias, aliasOf(call));
  CORBEL_CHECK(
      parts_.registry.promote(scopeOf(call), call.parameter("model"), alias, std::nullopt));
  return http::NoContent{};
}

Result<AliasChangeView> VersionsApi::rollBack(http::Call& call) {
  CORBEL_TRY(const auto alias, aliasOf(call));
  CORBEL_TRY(const auto change,
             parts_.registry.rollBack(scopeOf(call), call.parameter("model"), alias));
  return view(change);
}

Result<AliasHistory> VersionsApi::history(http::Call& call, const Items& request) {
  CORBEL_TRY(const auto changes,
             parts_.registry.history(scopeOf(call), call.parameter("model"), request.limit));
  AliasHistory history;
  for (const models::AliasChange& change : changes) history.items.push_back(view(change));
  return history;
}

}  // namespace corbel::native
