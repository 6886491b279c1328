#include "privacy/erasures_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string_view>

#include "base/descriptor.h"
#include "base/text.h"
#include "json/decode.h"
#include "json/encode.h"

namespace corbel::privacy {
namespace {

std::unexpected<Error> cannotWrite(const std::filesystem::path& path) {
  return fail(errno == ENOSPC ? ErrorCode::insufficientStorage : ErrorCode::permissionDenied,
              path.string() + " cannot be written");
}

// So that what follows a line that was cut off is a line of its own.
bool endsInTheMiddle(int file) {
  const off_t size = ::lseek(file, 0, SEEK_END);
  char last = '\n';
  return size > 0 && ::pread(file, &last, 1, size - 1) == 1 && last != '\n';
}

}  // namespace

Result<std::vector<Tombstone>> ErasuresFile::read() const {
  std::vector<Tombstone> found;
  std::error_code error;
  if (!std::filesystem::exists(path_, error)) return found;
  std::ifstream file(path_, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) return fail(ErrorCode::permissionDenied, path_.string() + " cannot be read");
  std::string_view rest = text;
  for (int number = 1; !rest.empty(); ++number) {
    const std::string_view line = takeUntil(rest, '\n');
    if (line.empty()) continue;
    auto tombstone = json::decode<Tombstone>(line);
    if (tombstone) {
      found.push_back(*std::move(tombstone));
    } else if (line.ends_with('}')) {  // else it was cut off
      return fail(ErrorCode::failedPrecondition,
                  fmt::format("{}: line {} is not one that this program has written. Put back the "
                              "file as it was: it keeps people erased when a backup is restored.",
                              path_.string(), number));
    }
  }
  return found;
}

Result<void> ErasuresFile::add(const Tombstone& tombstone) const {
  const Descriptor file(
      ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return cannotWrite(path_);
  std::string line = endsInTheMiddle(file.number()) ? "\n" : "";
  json::encode(tombstone, line);
  line += '\n';
  const auto wrote = ::write(file.number(), line.data(), line.size());
  if (wrote != static_cast<ssize_t>(line.size()) || ::fsync(file.number()) != 0)
    return cannotWrite(path_);
  const Descriptor folder(::open(path_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.number()) != 0) return cannotWrite(path_);
  return {};
}

}  // namespace corbel::privacy
