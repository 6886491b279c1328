// The data folder, held by one process.
#pragma once
#include <filesystem>
#include <string>
#include <utility>

#include "base/descriptor.h"
#include "base/result.h"

namespace corbel::store {

// Holds `<folder>/corbel.lock` as long as it lives.
class DataFolder {
 public:
  // Makes the folder (mode 700) where it is missing, and takes it. Errors: see Database::open.
  static Result<DataFolder> take(const std::filesystem::path& folder);

  // Makes an empty file of mode 600 where there is none; leaves an existing one alone.
  Result<void> ensureFile(const std::string& name) const;
  bool hasFile(const std::string& name) const;
  void removeFile(const std::string& name) const;
  std::filesystem::path file(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  DataFolder(std::filesystem::path path, Descriptor lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  std::filesystem::path path_;
  Descriptor lock_;
};

}  // namespace corbel::store
