#include <algorithm>
#include <array>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>

#include "base/percent.h"
#include "config/settings.h"

namespace corbel::config {

std::span<const std::string_view> roleNames() {
  static constexpr std::array<std::string_view, 4> kNames = {"gateway", "models", "scheduler",
                                                             "worker"};
  return kNames;
}

bool hasRole(const ServerSettings& settings, std::string_view role) {
  return std::ranges::any_of(settings.roles,
                             [&](const std::string& own) { return own == "all" || own == role; });
}

Secret postgresUrl(const Settings& settings) {
  const StoreSettings& store = settings.store;
  if (!store.url.empty()) return store.url.reveal().starts_with("postgres") ? store.url : Secret();
  if (store.host.empty()) return Secret();
  std::string url = "postgres://" + percentEncode(store.user);
  if (!store.password.empty()) url += ':' + percentEncode(store.password.reveal());
  url += '@' + percentEncode(store.host) + ':' + std::to_string(store.port) + '/' +
         percentEncode(store.name);
  char separator = '?';
  for (const auto& [name, value] :
       {std::pair("sslmode", store.sslMode), std::pair("sslrootcert", store.sslRootCert)}) {
    if (value.empty()) continue;
    url += separator + std::string(name) + '=' + percentEncode(value);
    separator = '&';
  }
  return Secret(std::move(url));
}

std::string databaseFile(const Settings& settings) {
  constexpr std::string_view kScheme = "sqlite:";
  constexpr std::string_view kEmptyHost = "//";
  std::string_view path = settings.store.url.reveal();
  if (path.empty()) return std::filesystem::path(settings.data.folder) / "corbel.db";
  path.remove_prefix(kScheme.size());
  if (path.starts_with(kEmptyHost)) path.remove_prefix(kEmptyHost.size());
  return std::string(path);
}

std::string objectCacheFolder(const Settings& settings) {
  return std::filesystem::path(settings.data.folder) / "object-cache";
}

std::string masterKeyFile(const Settings& settings) {
  if (!settings.secrets.keyFile.empty()) return settings.secrets.keyFile;
  return std::filesystem::path(settings.data.folder) / "master-key";
}

std::string objectsFolder(const Settings& settings) {
  if (!settings.objects.folder.empty()) return settings.objects.folder;
  return std::filesystem::path(settings.data.folder) / "objects";
}

std::string tracesUrl(const TraceSettings& settings) {
  std::string url = settings.endpoint;
  if (!url.starts_with("http://") && !url.starts_with("https://")) url.insert(0, "http://");
  const std::size_t path = url.find('/', url.find("://") + 3);
  if (path == std::string::npos) return url + "/v1/traces";
  return path + 1 == url.size() ? url + "v1/traces" : url;
}

}  // namespace corbel::config
