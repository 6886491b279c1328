// The data folder, held by one process.
#pragma once
#include <sys/types.h>

#include <filesystem>
#include <utility>

#include "base/result.h"

namespace corbel::store {

// An open file descriptor, closed with its owner.
class FileHandle {
 public:
  explicit FileHandle(int descriptor) : descriptor_(descriptor) {}
  FileHandle(FileHandle&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileHandle& operator=(FileHandle&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~FileHandle();
  int descriptor() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

// Holds `<folder>/corbel.lock` as long as it lives.
class DataFolder {
 public:
  // Makes the folder (mode 700) where it is missing, and takes it. Errors: see Database::open.
  static Result<DataFolder> take(const std::filesystem::path& folder);

  // Makes an empty file of mode 600 where there is none; leaves an existing one alone.
  Result<void> ensureFile(const char* name) const;
  std::filesystem::path file(const char* name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  DataFolder(std::filesystem::path path, FileHandle lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::filesystem::path path_;
  FileHandle lock_;
};

}  // namespace corbel::store
