// What the tests of this module share: a database with its tables, a registry for two tenants, and
// a model that computes.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/id.h"
#include "base/random.h"
#include "custody/custody.h"
#include "inference/model.h"
#include "models/models_migrations.h"
#include "models/registry.h"
#include "store/migration.h"
#include "store/store.h"

namespace corbel::models {

template <class T>
T mustBe(Result<T> result) {
  if (result) return *std::move(result);
  ADD_FAILURE() << result.error().message << " " << result.error().detail;
  std::abort();
}

template <class T>
ErrorCode codeOf(const Result<T>& result) {
  if (!result) return result.error().code;
  ADD_FAILURE() << "it worked";
  return ErrorCode::internal;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline NewModel aModel(std::string name) {
  NewModel model;
  model.name = std::move(name);
  return model;
}

inline NewVersion aVersion(std::string content = "a", std::int64_t bytes = 10) {
  NewVersion version;
  version.artifactSha256 = std::move(content);
  version.artifactBytes = bytes;
  version.signature = "{}";
  return version;
}

class ModelsTest : public testing::Test {
 protected:
  static Scope scope(std::string_view tenant = "acme") {
    return {tenant, "user:ann", Deadline::never()};
  }

  Model create(const std::string& name, std::string_view tenant = "acme") {
    return mustBe(registry.create(scope(tenant), aModel(name), {}));
  }
  Version addVersion(const std::string& model, NewVersion version = aVersion()) {
    return mustBe(registry.addVersion(scope(), model, std::move(version), {}));
  }

  std::unique_ptr<store::Database> openDatabase() {
    auto opened = mustBe(store::openSqlite({.dataFolder = folder.path()}, clock));
    std::vector<store::Migration> all;
    for (const auto part : {migrations(), custody::migrations()})
      all.insert(all.end(), part.begin(), part.end());
    mustBe(store::migrateUp(*opened, all, clock));
    return opened;
  }

  TemporaryFolder folder;
  ManualClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  std::unique_ptr<store::Database> database = openDatabase();
  Registry registry{*database, ids, clock};
};

// 2 a + 3 b, as a model of two named columns.
class SumModel final : public inference::Model {
 public:
  explicit SumModel(std::size_t bytes = 1000, std::vector<std::string> classes = {})
      : bytes_(bytes) {
    signature_.classLabels = std::move(classes);
    signature_.engine = "sum";
    signature_.task = inference::ModelTask::regression;
    signature_.inputs = {{"input", inference::DataType::float32, {-1, 2}}};
    signature_.outputs = {{"prediction", inference::DataType::float32, {-1, 1}}};
    signature_.featureNames = {"a", "b"};
  }
  const inference::Signature& signature() const override { return signature_; }
  Result<inference::Tensors> run(const inference::Tensors& inputs, Deadline) const override {
    const auto& values = std::get<std::vector<float>>(inputs[0].values);
    std::vector<float> sums;
    for (std::size_t i = 0; i + 1 < values.size(); i += 2)
      sums.push_back(2 * values[i] + 3 * values[i + 1]);
    return inference::Tensors{
        inference::Tensor{{static_cast<std::int64_t>(sums.size()), 1}, std::move(sums)}};
  }
  Result<inference::Explanation> explain(const inference::Tensors&, std::size_t,
                                         Deadline) const override {
    return fail(ErrorCode::unprocessable, "no method");
  }
  std::size_t memoryBytes() const override { return bytes_; }
  bool isQuick() const override { return true; }

 private:
  inference::Signature signature_;
  std::size_t bytes_;
};

}  // namespace corbel::models
