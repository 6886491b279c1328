// The registry's tables. Private to the module.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "models/entities.h"
#include "models/registry.h"
#include "store/store.h"

namespace corbel::models {

// Reads one tenant's rows. Nothing: there is no such row, or it is another tenant's.
class RegistryReader {
 public:
  RegistryReader(store::Reader& reader, std::string_view tenant)
      : reader_(reader), tenant_(tenant) {}

  // By id or name; archived models are found by id only.
  Result<std::optional<Model>> model(std::string_view ref) const;
  Result<std::vector<Model>> models(const ModelQuery& query) const;
  Result<std::int64_t> countModels() const;
  Result<std::int64_t> storedBytes() const;
  Result<std::optional<Version>> version(const std::string& modelId, int number) const;
  // Newest first.
  Result<std::vector<Version>> versions(const std::string& modelId,
                                        const VersionQuery& query) const;
  // Newest first.
  Result<std::vector<StageChange>> stageChanges(const std::string& versionId, int limit) const;
  Result<std::optional<int>> alias(const std::string& modelId, std::string_view alias) const;
  Result<std::vector<Alias>> aliases(const std::string& modelId) const;
  // Newest first.
  Result<std::vector<AliasChange>> changes(const std::string& modelId, int limit) const;
  // What the alias pointed at before its last move; nothing when it never moved.
  Result<std::optional<AliasChange>> lastChange(const std::string& modelId,
                                                std::string_view alias) const;

 private:
  store::Reader& reader_;
  std::string_view tenant_;
};

class RegistryWriter {
 public:
  RegistryWriter(store::Transaction& transaction, std::string_view tenant)
      : tx_(transaction), tenant_(tenant) {}

  Result<void> insert(const Model& model);
  // False: the row has another revision by now.
  Result<bool> update(const Model& model, int expectedRevision);
  Result<void> insert(const Version& version);
  Result<void> setStage(const std::string& versionId, const StageChange& change,
                        const std::string& changeId);
  Result<void> setAlias(const std::string& modelId, const AliasChange& change,
                        const std::string& changeId);

 private:
  store::Transaction& tx_;
  std::string_view tenant_;
};

}  // namespace corbel::models
