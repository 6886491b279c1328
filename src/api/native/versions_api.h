// Versions of models: upload, read, download, compare; aliases with history. See docs/models.md.
#pragma once
#include <tuple>

#include "exec/pool.h"
#include "http/route.h"
#include "identity/directory.h"
#include "models/intake.h"
#include "models/registry.h"
#include "models/serving.h"
#include "native/models_dto.h"
#include "native/page.h"
#include "objects/objects.h"

namespace corbel::native {

struct AliasList {
  std::vector<AliasView> items;
};
BOOST_DESCRIBE_STRUCT(AliasList, (), (items))

struct AliasHistory {
  std::vector<AliasChangeView> items;
};
BOOST_DESCRIBE_STRUCT(AliasHistory, (), (items))

struct StageHistory {
  std::vector<StageChangeView> items;
};
BOOST_DESCRIBE_STRUCT(StageHistory, (), (items))

class VersionsApi {
 public:
  // Everything must outlive it.
  struct Parts {
    models::Registry& registry;
    models::ArtifactIntake& intake;
    models::Serving& serving;
    objects::ObjectStore& objects;
    const identity::Directory& directory;
    exec::Pool& pool;        // for writing uploads
    exec::Pool& background;  // for opening them, which takes seconds
  };
  explicit VersionsApi(Parts parts) : parts_(parts) {}

  static constexpr auto routes() {
    using http::Permission;
    return std::tuple{
        http::upload<&VersionsApi::beginUpload, &VersionsApi::finishUpload>(
            "/api/v1/ai/models/{model}/versions", Permission::modelsWrite, "Upload a version",
            {.bodyMax = limits::kArtifactBody,
             .description = "The body is the model file: XGBoost JSON or UBJ, LightGBM text, or "
                            "ONNX. It is opened in a "
                            "sandbox before the version exists."}),
        http::get<&VersionsApi::list>("/api/v1/ai/models/{model}/versions", Permission::modelsRead,
                                      "List versions"),
        http::get<&VersionsApi::compare>("/api/v1/ai/models/{model}/versions/compare",
                                         Permission::modelsRead, "Compare two versions"),
        http::get<&VersionsApi::read>(
            "/api/v1/ai/models/{model}/versions/{version}", Permission::modelsRead,
            "Read a version", {.answer = &json::kType<VersionView>, .takesIfNoneMatch = true}),
        http::patch<&VersionsApi::change>(
            "/api/v1/ai/models/{model}/versions/{version}", Permission::modelsWrite,
            "Move a version to another stage",
            {.description = "JSON merge patch. All but the stage of a version is immutable.",
             .takesIfMatch = true}),
        http::get<&VersionsApi::stageHistory>(
            "/api/v1/ai/models/{model}/versions/{version}/history", Permission::modelsRead,
            "List the moves of a version from stage to stage"),
        http::get<&VersionsApi::download>(
            "/api/v1/ai/models/{model}/versions/{version}/artifact", Permission::modelsRead,
            "Download a version's file",
            {.contentType = "application/octet-stream", .takesIfNoneMatch = true}),
        http::post<&VersionsApi::unload>("/api/v1/ai/models/{model}/versions/{version}/unload",
                                         Permission::modelsWrite, "Give a version's memory back"),
        http::get<&VersionsApi::listAliases>("/api/v1/ai/models/{model}/aliases",
                                             Permission::modelsRead, "List aliases"),
        http::put<&VersionsApi::setAlias>(
            "/api/v1/ai/models/{model}/aliases/{alias}", Permission::modelsWrite,
            "Point an alias at a version",
            {.description = "`champion` is what predictions use unless they name another."}),
        http::del<&VersionsApi::removeAlias>("/api/v1/ai/models/{model}/aliases/{alias}",
                                             Permission::modelsWrite, "Remove an alias"),
        http::post<&VersionsApi::rollBack>("/api/v1/ai/models/{model}/aliases/{alias}/rollback",
                                           Permission::modelsWrite,
                                           "Point an alias back at where it was before"),
        http::get<&VersionsApi::history>("/api/v1/ai/models/{model}/history",
                                         Permission::modelsRead, "List the moves of aliases")};
  }

 private:
  Result<std::shared_ptr<http::BodySink>> beginUpload(http::Call& call);
  void finishUpload(http::Call call, NewVersionQuery request,
                    http::Reply<http::Created<VersionView>> reply);
  Result<http::Created<VersionView>> addVersion(const http::Call& call,
                                                const NewVersionQuery& request);
  Result<Page<VersionView>> list(http::Call& call, const ListVersions& request);
  Result<Comparison> compare(http::Call& call, const CompareQuery& request);
  Result<http::Response> read(http::Call& call);
  Result<VersionView> change(http::Call& call, const VersionPatch& request);
  Result<StageHistory> stageHistory(http::Call& call, const Items& request);
  Result<http::Response> download(http::Call& call, const DownloadQuery& request);
  Result<http::NoContent> unload(http::Call& call);
  Result<AliasList> listAliases(http::Call& call);
  Result<AliasChangeView> setAlias(http::Call& call, const AliasTarget& request);
  Result<http::NoContent> removeAlias(http::Call& call);
  Result<AliasChangeView> rollBack(http::Call& call);
  Result<AliasHistory> history(http::Call& call, const Items& request);

  Parts parts_;
};

}  // namespace corbel::native
