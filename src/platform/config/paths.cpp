#include <filesystem>

#include "config/settings.h"

namespace corbel::config {

std::string databaseFile(const Settings& settings) {
  constexpr std::string_view kScheme = "sqlite:";
  constexpr std::string_view kEmptyHost = "//";
  if (settings.store.url.empty()) return std::filesystem::path(settings.data.folder) / "corbel.db";
  std::string_view path = settings.store.url;
  path.remove_prefix(kScheme.size());
  if (path.starts_with(kEmptyHost)) path.remove_prefix(kEmptyHost.size());
  return std::string(path);
}

std::string objectsFolder(const Settings& settings) {
  if (!settings.objects.folder.empty()) return settings.objects.folder;
  return std::filesystem::path(settings.data.folder) / "objects";
}

}  // namespace corbel::config
