// Models: create, read, list, change, archive. See docs/models.md.
#pragma once
#include <tuple>

#include "http/route.h"
#include "identity/directory.h"
#include "models/registry.h"
#include "native/models_dto.h"
#include "native/page.h"

namespace corbel::native {

class ModelsApi {
 public:
  ModelsApi(models::Registry& registry, const identity::Directory& directory)
      : registry_(registry), directory_(directory) {}

  static constexpr auto routes() {
    using http::Permission;
    return std::tuple{
        http::get<&ModelsApi::list>("/api/v1/ai/models", Permission::modelsRead, "List models"),
        http::post<&ModelsApi::create>("/api/v1/ai/models", Permission::modelsWrite,
                                       "Register a model"),
        http::get<&ModelsApi::read>("/api/v1/ai/models/{model}", Permission::modelsRead,
                                    "Read a model",
                                    {.answer = &json::kType<ModelView>, .takesIfNoneMatch = true}),
        http::patch<&ModelsApi::change>(
            "/api/v1/ai/models/{model}", Permission::modelsWrite, "Change a model",
            {.description = "JSON merge patch. With If-Match, a change lost in between is refused.",
             .takesIfMatch = true}),
        http::del<&ModelsApi::archive>("/api/v1/ai/models/{model}", Permission::modelsWrite,
                                       "Archive a model", {.takesIfMatch = true})};
  }

 private:
  Result<Page<ModelView>> list(http::Call& call, const ListModels& request);
  Result<http::Created<ModelView>> create(http::Call& call, const NewModelRequest& request);
  Result<http::Response> read(http::Call& call);
  Result<ModelView> change(http::Call& call, const ModelPatch& request);
  Result<http::NoContent> archive(http::Call& call);

  models::Registry& registry_;
  const identity::Directory& directory_;
};

// For whom, by whom and until when a call works on models.
models::Scope scopeOf(const http::Call& call);
models::Quota quotaOf(const identity::Directory& directory, const http::Call& call);

}  // namespace corbel::native
