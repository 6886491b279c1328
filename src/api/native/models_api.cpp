#include "native/models_api.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "models/declaration.h"
#include "native/known.h"

namespace corbel::native {
namespace {

struct OrderName {
  std::string_view name;
  models::ModelOrder order;
};
constexpr std::array<OrderName, 3> kOrders = {{{"createdAt", models::ModelOrder::created},
                                               {"updatedAt", models::ModelOrder::updated},
                                               {"name", models::ModelOrder::name}}};

std::string positionValue(const models::Model& model, models::ModelOrder order) {
  switch (order) {
    case models::ModelOrder::name:
      return model.name;
    case models::ModelOrder::created:
      return std::to_string(model.createdAt.time_since_epoch().count());
    case models::ModelOrder::updated:
      return std::to_string(model.updatedAt.time_since_epoch().count());
  }
  std::unreachable();
}

Result<models::ModelQuery> toQuery(const ListModels& request) {
  models::ModelQuery query;
  const Sort sort = parseSort(request.sort);
  const auto order = std::ranges::find(kOrders, sort.field, &OrderName::name);
  if (order == kOrders.end())
    return failField("?sort",
                     "must be createdAt, updatedAt or name, with '-' in front for descending");
  query.order = order->order;
  query.descending = sort.descending;
  query.limit = request.limit + 1;
  if (request.framework) query.framework = std::string(models::name(*request.framework));
  query.category = request.category;
  query.tag = request.tag;
  query.archived = request.archived;
  if (request.cursor) {
    CORBEL_TRY(auto position, parseCursor(*request.cursor));
    query.afterValue = std::move(position.value);
    query.afterId = std::move(position.id);
  }
  return query;
}

Result<std::string> jsonObject(const json::Document& document, std::string pointer) {
  if (document.text.starts_with('{')) return document.text;
  return failField(std::move(pointer), "must be an object");
}

// Each part must be an object, and what serving reads of them must make sense now, not at the first
// prediction.
Result<void> check(const models::Model& model) {
  CORBEL_CHECK(models::parseDeclaration(model));
  return {};
}

// The shape was checked when the name was read; what is left is that an id must mean one model.
Result<void> checkName(const std::string& name) {
  if (models::isModelName(name)) return {};
  return failField("/name", "must not look like an id");
}

std::string etagOf(const models::Model& model) {
  return "\"" + std::to_string(model.revision) + "\"";
}

// Nothing: no If-Match, or `*`. A value that no revision has becomes one that never matches.
std::optional<int> expectedRevision(const http::Call& call) {
  auto value = trim(call.head().header("If-Match"));
  if (value.empty() || value == "*") return std::nullopt;
  if (value.size() > 2 && value.front() == '"' && value.back() == '"')
    value = value.substr(1, value.size() - 2);
  return parseNumber<int>(value).value_or(-1);
}

Result<void> applyDocument(const json::Patch<json::Document>& patch, std::string pointer,
                           std::string empty, std::string& target) {
  if (patch.clears()) target = std::move(empty);
  if (const auto* document = patch.value()) {
    CORBEL_TRY(target, jsonObject(*document, std::move(pointer)));
  }
  return {};
}

Result<void> apply(const ModelPatch& patch, models::Model& model) {
  if (patch.name.clears()) return failField("/name", "cannot be cleared");
  patch.name.applyTo(model.name);
  CORBEL_CHECK(checkName(model.name));
  patch.description.applyTo(model.description);
  patch.category.applyTo(model.category);
  patch.tags.applyTo(model.tags);
  patch.card.applyTo(model.card);
  CORBEL_CHECK(applyDocument(patch.configuration, "/configuration", "{}", model.configuration));
  CORBEL_CHECK(applyDocument(patch.inputSchema, "/inputSchema", "", model.inputSchema));
  CORBEL_CHECK(applyDocument(patch.outputSchema, "/outputSchema", "", model.outputSchema));
  return check(model);
}

Result<models::NewModel> toNewModel(const NewModelRequest& request) {
  CORBEL_CHECK(checkName(request.name));
  models::NewModel model{.name = request.name,
                         .description = request.description,
                         .framework = request.framework,
                         .category = request.category,
                         .configuration = {},
                         .inputSchema = {},
                         .outputSchema = {},
                         .tags = request.tags,
                         .card = request.card};
  CORBEL_TRY(model.configuration, jsonObject(request.configuration, "/configuration"));
  if (request.inputSchema) {
    CORBEL_TRY(model.inputSchema, jsonObject(*request.inputSchema, "/inputSchema"));
  }
  if (request.outputSchema) {
    CORBEL_TRY(model.outputSchema, jsonObject(*request.outputSchema, "/outputSchema"));
  }
  models::Model declared;
  declared.configuration = model.configuration;
  declared.inputSchema = model.inputSchema;
  declared.outputSchema = model.outputSchema;
  CORBEL_CHECK(check(declared));
  return model;
}

std::optional<json::Document> optionalDocument(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(json::Document{text});
}

}  // namespace

models::Scope scopeOf(const http::Call& call) {
  return {call.tenant(), call.principal().id, call.deadline()};
}

models::Quota quotaOf(const identity::Directory& directory, const http::Call& call) {
  const auto quotas = directory.quotas(call.tenant());
  if (!quotas) return {};
  return {quotas->models, quotas->storageBytes};
}

ModelView view(const models::Model& model) {
  return {
      .id = model.id,
      .name = model.name,
      .description = model.description,
      .framework = model.framework,
      .category = model.category,
      .configuration = {model.configuration},
      .inputSchema = optionalDocument(model.inputSchema),
      .outputSchema = optionalDocument(model.outputSchema),
      .tags = model.tags,
      .card = model.card,
      .latestVersion = model.latestVersion > 0 ? std::optional(model.latestVersion) : std::nullopt,
      .createdAt = model.createdAt,
      .updatedAt = model.updatedAt,
      .archivedAt = model.archivedAt};
}

Result<Page<ModelView>> ModelsApi::list(http::Call& call, const ListModels& request) {
  CORBEL_TRY(const auto query, toQuery(request));
  CORBEL_TRY(auto found, registry_.list(scopeOf(call), query));
  Page<ModelView> page;
  const auto limit = static_cast<std::size_t>(request.limit);
  if (found.size() > limit) {
    found.resize(limit);
    page.nextCursor = toCursor({positionValue(found.back(), query.order), found.back().id});
  }
  for (const models::Model& model : found) page.items.push_back(view(model));
  return page;
}

Result<http::Created<ModelView>> ModelsApi::create(http::Call& call,
                                                   const NewModelRequest& request) {
  CORBEL_TRY(auto fresh, toNewModel(request));
  CORBEL_TRY(const auto model,
             registry_.create(scopeOf(call), std::move(fresh), quotaOf(directory_, call)));
  call.addHeader("ETag", etagOf(model));
  return http::Created<ModelView>{"/api/v1/ai/models/" + model.id, view(model)};
}

Result<http::Response> ModelsApi::read(http::Call& call) {
  CORBEL_TRY(const auto model, registry_.find(scopeOf(call), call.parameter("model")));
  return viewUnlessKnown(call, etagOf(model), [&] { return view(model); });
}

Result<ModelView> ModelsApi::change(http::Call& call, const ModelPatch& request) {
  CORBEL_TRY(const auto model,
             registry_.change(scopeOf(call), call.parameter("model"), expectedRevision(call),
                              [&](models::Model& changed) { return apply(request, changed); }));
  call.addHeader("ETag", etagOf(model));
  return view(model);
}

Result<http::NoContent> ModelsApi::archive(http::Call& call) {
  CORBEL_CHECK(registry_.archive(scopeOf(call), call.parameter("model"), expectedRevision(call)));
  return http::NoContent{};
}

}  // namespace corbel::native
