#include "secrets/key_file.h"

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
#include <utility>

#include "base/descriptor.h"

namespace corbel::secrets {
namespace {

constexpr std::size_t kReadMax = std::size_t{64} * 1024;

ErrorCode codeOf(int error) {
  if (error == EACCES || error == EPERM || error == EROFS) return ErrorCode::permissionDenied;
  if (error == ENOSPC || error == EDQUOT) return ErrorCode::insufficientStorage;
  return error == ENOENT ? ErrorCode::notFound : ErrorCode::internal;
}

std::unexpected<Error> failure(const std::string& file, std::string_view verb, int error) {
  return fail(codeOf(error), fmt::format("The key file {} cannot be {}: {}.", file, verb,
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
  if (descriptor < 0) return failure(file, "written", errno);
  const bool written =
      writeAll(descriptor, text.reveal()) && writeAll(descriptor, "\n") && fsync(descriptor) == 0;
  int error = errno;
  close(descriptor);
  if (written && rename(draft.c_str(), file.c_str()) == 0 && syncFolder(file)) return {};
  if (written) error = errno;
  unlink(draft.c_str());
  return failure(file, "written", error);
}

void removeKeyFile(const std::string& file) { unlink(file.c_str()); }

Result<Secret> readKeyFile(const std::string& file) {
  const Descriptor opened(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened) return failure(file, "read", errno);
  std::string text(kReadMax + 1, '\0');
  std::size_t length = 0;
  while (length < text.size()) {
    const ssize_t got = read(opened.number(), text.data() + length, text.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure(file, "read", errno);
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  if (length > kReadMax) {
    return fail(ErrorCode::payloadTooLarge,
                fmt::format("The key file {} is longer than 64 KiB, so it holds no keys.", file));
  }
  text.resize(length);
  return Secret(std::move(text));
}

}  // namespace corbel::secrets
