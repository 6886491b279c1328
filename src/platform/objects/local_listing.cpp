#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "objects/objects.h"

namespace corbel::objects {
namespace {

std::unexpected<Error> cannotList(const std::filesystem::path& folder, std::string_view why) {
  return fail(ErrorCode::permissionDenied,
              fmt::format("folder {} cannot be read: {}", folder.string(), why));
}

}  // namespace

// Objects are at ab/cdef…, see object_folder.cpp; what is on its way in is elsewhere.
Result<std::vector<ObjectInfo>> listLocalObjects(const std::filesystem::path& folder) {
  std::vector<ObjectInfo> found;
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) return found;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    if (at.depth() != 1 || !at->is_regular_file(error)) continue;
    const auto digest = Digest::parse(at->path().parent_path().filename().string() +
                                      at->path().filename().string());
    if (!digest) continue;
    const auto size = at->file_size(error);
    // It was removed meanwhile.
    if (error == std::errc::no_such_file_or_directory) {
      error.clear();
      continue;
    }
    found.push_back({*digest, static_cast<std::int64_t>(size)});
  }
  if (error) return cannotList(folder, error.message());
  std::ranges::sort(found, {}, &ObjectInfo::digest);
  return found;
}

Result<ObjectFile> readLocalObject(const std::filesystem::path& folder, const Digest& digest) {
  const std::string hex = digest.hex();
  const std::filesystem::path path = folder / hex.substr(0, 2) / hex.substr(2);
  Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!file && errno == ENOENT)
    return fail(ErrorCode::notFound, fmt::format("there is no object {}", hex));
  struct stat about = {};
  if (!file || fstat(file.number(), &about) != 0 || !S_ISREG(about.st_mode))
    return fail(ErrorCode::internal, fmt::format("the object {} cannot be read", hex));
  return ObjectFile(std::move(file), about.st_size);
}

}  // namespace corbel::objects
