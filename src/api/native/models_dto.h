// What the native API shows and takes of models and versions.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "json/describe.h"
#include "models/entities.h"

namespace corbel::models {
BOOST_DESCRIBE_ENUM(Framework, onnx, pytorch, tensorflow, sklearn, xgboost, lightgbm)
BOOST_DESCRIBE_ENUM(Stage, none, staging, production, archived)
}  // namespace corbel::models

namespace corbel::native {

struct ModelView {
  std::string id;
  std::string name;
  std::string description;
  models::Framework framework = models::Framework::onnx;
  std::string category;
  json::Document configuration;
  std::optional<json::Document> inputSchema;
  std::optional<json::Document> outputSchema;
  std::vector<std::string> tags;
  std::string card;
  std::optional<int> latestVersion;
  Timestamp createdAt;
  Timestamp updatedAt;
  std::optional<Timestamp> archivedAt;
};
BOOST_DESCRIBE_STRUCT(ModelView, (),
                      (id, name, description, framework, category, configuration, inputSchema,
                       outputSchema, tags, card, latestVersion, createdAt, updatedAt, archivedAt))

struct NewModelRequest {
  std::string name;
  std::string description;
  models::Framework framework = models::Framework::onnx;
  std::string category;
  json::Document configuration{"{}"};
  std::optional<json::Document> inputSchema;
  std::optional<json::Document> outputSchema;
  std::vector<std::string> tags;
  std::string card;

  static constexpr auto rules() {
    using Self = NewModelRequest;
    return std::array{
        json::rule<&Self::name>({.doc = "Unique in the tenant; usable instead of the id.",
                                 .example = R"("house-prices")",
                                 .format = json::Format::name}),
        json::rule<&Self::description>({.example = R"("Price of a house by size and age.")",
                                        .maxLength = 4000,
                                        .optional = true}),
        json::rule<&Self::framework>({.doc = "What trained it. The engine is chosen by the file.",
                                      .example = R"("xgboost")"}),
        json::rule<&Self::category>(
            {.example = R"("regression")", .maxLength = 64, .optional = true}),
        json::rule<&Self::configuration>({.doc = "An object. `preprocessing.image` makes the input "
                                                 "an image, `cache.ttlSeconds` caches predictions.",
                                          .example = "{}",
                                          .optional = true}),
        json::rule<&Self::inputSchema>(
            {.doc = "JSON Schema subset: the named fields in the order of the model's columns.",
             .example =
                 R"({"type":"object","properties":{"size":{"type":"number","minimum":0},"age":{"type":"number"}},"required":["size","age"]})"}),
        json::rule<&Self::outputSchema>(
            {.doc = "`enum` names the classes in their order.", .example = R"({"type":"number"})"}),
        json::rule<&Self::tags>({.example = R"(["demo"])",
                                 .minLength = 1,
                                 .maxLength = 64,
                                 .maxItems = 32,
                                 .optional = true}),
        json::rule<&Self::card>({.doc = "Markdown.",
                                 .example = R"("# House prices")",
                                 .maxLength = 100'000,
                                 .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(NewModelRequest, (),
                      (name, description, framework, category, configuration, inputSchema,
                       outputSchema, tags, card))

struct ModelPatch {
  json::Patch<std::string> name;
  json::Patch<std::string> description;
  json::Patch<std::string> category;
  json::Patch<json::Document> configuration;
  json::Patch<json::Document> inputSchema;
  json::Patch<json::Document> outputSchema;
  json::Patch<std::vector<std::string>> tags;
  json::Patch<std::string> card;

  static constexpr auto rules() {
    using Self = ModelPatch;
    return std::array{
        json::rule<&Self::name>({.format = json::Format::name}),
        json::rule<&Self::description>(
            {.example = R"("Price of a house, in thousands.")", .maxLength = 4000}),
        json::rule<&Self::category>({.maxLength = 64}),
        json::rule<&Self::tags>(
            {.example = R"(["demo","houses"])", .minLength = 1, .maxLength = 64, .maxItems = 32}),
        json::rule<&Self::card>({.maxLength = 100'000})};
  }
};
BOOST_DESCRIBE_STRUCT(ModelPatch, (),
                      (name, description, category, configuration, inputSchema, outputSchema, tags,
                       card))

struct ListModels {
  int limit = 50;
  std::optional<std::string> cursor;
  std::string sort = "-createdAt";
  std::optional<models::Framework> framework;
  std::optional<std::string> category;
  std::optional<std::string> tag;
  bool archived = false;

  static constexpr auto rules() {
    using Self = ListModels;
    return std::array{
        json::rule<&Self::limit>(
            {.doc = "Models on a page.", .min = 1, .max = 200, .optional = true}),
        json::rule<&Self::cursor>({.doc = "`nextCursor` of the page before.", .maxLength = 512}),
        json::rule<&Self::sort>(
            {.doc = "createdAt, updatedAt or name; `-` in front: descending.", .optional = true}),
        json::rule<&Self::archived>(
            {.doc = "List the archived models instead.", .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(ListModels, (), (limit, cursor, sort, framework, category, tag, archived))

struct DownloadQuery {
  bool redirect = false;

  static constexpr auto rules() {
    using Self = DownloadQuery;
    return std::array{json::rule<&Self::redirect>(
        {.doc =
             "Answer 302 with a URL of the object store that is good for five minutes, where the "
             "files are in one; else the file.",
         .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(DownloadQuery, (), (redirect))

struct ArtifactView {
  std::string sha256;
  std::int64_t sizeBytes = 0;
};
BOOST_DESCRIBE_STRUCT(ArtifactView, (), (sha256, sizeBytes))

struct LineageView {
  std::string source;
  std::string dataHash;
  std::optional<int> parent;
  static constexpr auto rules() {
    return std::array{json::rule<&LineageView::parent>(
        {.doc = "The version it was trained from.", .nullable = true})};
  }
};
BOOST_DESCRIBE_STRUCT(LineageView, (), (source, dataHash, parent))

struct VersionView {
  std::string id;
  std::string modelId;
  int version = 0;
  std::string status = "ready";
  models::Stage stage = models::Stage::none;
  ArtifactView artifact;
  json::Document signature;
  LineageView lineage;
  std::string notes;
  std::string createdBy;
  Timestamp createdAt;
  static constexpr auto rules() {
    return std::array{
        json::rule<&VersionView::stage>(
            {.doc = "How far it got, for people; which version answers is what aliases say."}),
        json::rule<&VersionView::signature>(
            {.doc = "Inputs, outputs, classes and features as the file declares them."})};
  }
};
BOOST_DESCRIBE_STRUCT(VersionView, (),
                      (id, modelId, version, status, stage, artifact, signature, lineage, notes,
                       createdBy, createdAt))

struct VersionPatch {
  json::Patch<models::Stage> stage;
  static constexpr auto rules() {
    return std::array{json::rule<&VersionPatch::stage>(
        {.doc = "Any to any; null is `none`.", .example = R"("production")"})};
  }
};
BOOST_DESCRIBE_STRUCT(VersionPatch, (), (stage))

struct StageChangeView {
  models::Stage stage = models::Stage::none;
  models::Stage previous = models::Stage::none;
  std::string changedBy;
  Timestamp changedAt;
};
BOOST_DESCRIBE_STRUCT(StageChangeView, (), (stage, previous, changedBy, changedAt))

struct NewVersionQuery {
  std::string source;
  std::string dataHash;
  std::optional<int> parent;
  std::string notes;
  std::optional<std::string> sha256;
  static constexpr auto rules() {
    using Self = NewVersionQuery;
    return std::array{
        json::rule<&Self::source>(
            {.doc = "What made the file: a job, a commit.", .maxLength = 256, .optional = true}),
        json::rule<&Self::dataHash>(
            {.doc = "Hash of the training data.", .maxLength = 128, .optional = true}),
        json::rule<&Self::parent>({.doc = "The version it was trained from.", .min = 1}),
        json::rule<&Self::notes>({.maxLength = 4000, .optional = true}),
        json::rule<&Self::sha256>({.doc = "SHA-256 of the file, in hex: another file is refused.",
                                   .minLength = 64,
                                   .maxLength = 64})};
  }
};
BOOST_DESCRIBE_STRUCT(NewVersionQuery, (), (source, dataHash, parent, notes, sha256))

struct ListVersions {
  int limit = 50;
  std::optional<int> cursor;
  std::optional<models::Stage> stage;
  static constexpr auto rules() {
    return std::array{
        json::rule<&ListVersions::limit>(
            {.doc = "Versions on a page.", .min = 1, .max = 200, .optional = true}),
        json::rule<&ListVersions::cursor>({.doc = "`nextCursor` of the page before.", .min = 1})};
  }
};
BOOST_DESCRIBE_STRUCT(ListVersions, (), (limit, cursor, stage))

struct CompareQuery {
  int base = 0;
  int other = 0;
  static constexpr auto rules() {
    return std::array{
        json::rule<&CompareQuery::base>({.doc = "A version.", .example = "1", .min = 1}),
        json::rule<&CompareQuery::other>(
            {.doc = "The version compared with it.", .example = "2", .min = 1})};
  }
};
BOOST_DESCRIBE_STRUCT(CompareQuery, (), (base, other))

struct Difference {
  std::string field;
  json::Document base;
  json::Document other;
};
BOOST_DESCRIBE_STRUCT(Difference, (), (field, base, other))

struct Comparison {
  VersionView base;
  VersionView other;
  std::vector<Difference> differences;
};
BOOST_DESCRIBE_STRUCT(Comparison, (), (base, other, differences))

struct AliasView {
  std::string alias;
  int version = 0;
  Timestamp updatedAt;
};
BOOST_DESCRIBE_STRUCT(AliasView, (), (alias, version, updatedAt))

struct AliasTarget {
  int version = 0;
  static constexpr auto rules() {
    return std::array{json::rule<&AliasTarget::version>(
        {.doc = "The version it shall mean.", .example = "1", .min = 1})};
  }
};
BOOST_DESCRIBE_STRUCT(AliasTarget, (), (version))

struct AliasChangeView {
  std::string alias;
  std::optional<int> version;
  std::optional<int> previous;
  std::string changedBy;
  Timestamp changedAt;
  static constexpr auto rules() {
    using Self = AliasChangeView;
    return std::array{
        json::rule<&Self::version>({.doc = "null: the alias was removed.", .nullable = true}),
        json::rule<&Self::previous>({.doc = "null: the alias was new.", .nullable = true})};
  }
};
BOOST_DESCRIBE_STRUCT(AliasChangeView, (), (alias, version, previous, changedBy, changedAt))

struct Items {
  int limit = 50;
  static constexpr auto rules() {
    return std::array{
        json::rule<&Items::limit>({.doc = "How many.", .min = 1, .max = 200, .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(Items, (), (limit))

ModelView view(const models::Model& model);
VersionView view(const models::Version& version);
AliasView view(const models::Alias& alias);
AliasChangeView view(const models::AliasChange& change);
StageChangeView view(const models::StageChange& change);

}  // namespace corbel::native
