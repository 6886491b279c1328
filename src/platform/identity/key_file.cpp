#include "key_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace corbel::identity {
namespace {

std::unexpected<Error> failure(const std::string& file, int error) {
  const ErrorCode code = error == EACCES || error == EPERM || error == EROFS
                             ? ErrorCode::permissionDenied
                         : error == ENOSPC || error == EDQUOT ? ErrorCode::insufficientStorage
                                                              : ErrorCode::internal;
  return fail(code, fmt::format("The key file {} cannot be written: {}.", file,
                                std::generic_category().message(error)));
}

bool writeAll(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

bool syncFolder(const std::string& file) {
  const std::string folder = std::filesystem::path(file).parent_path().string();
  const int descriptor =
      open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = fsync(descriptor) == 0;
  close(descriptor);
  return synced;
}

}  // namespace

Result<void> writeKeyFile(const std::string& file, const Secret& text) {
  const std::string draft = file + ".new";
  // A left-over or a planted link is not followed: the draft is made anew.
  unlink(draft.c_str());
  const int descriptor =
      open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (descriptor < 0) return failure(file, errno);
  const bool written =
      writeAll(descriptor, text.reveal()) && writeAll(descriptor, "\n") && fsync(descriptor) == 0;
  int error = errno;
  close(descriptor);
  if (written && rename(draft.c_str(), file.c_str()) == 0 && syncFolder(file)) return {};
  if (written) error = errno;
  unlink(draft.c_str());
  return failure(file, error);
}

void removeKeyFile(const std::string& file) { unlink(file.c_str()); }

}  // namespace corbel::identity
