#include "app/doctor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "app/database.h"
#include "app/onnx_library.h"
#include "base/descriptor.h"
#include "base/text.h"
#include "inference/onnx_runtime.h"
#include "net/fetch.h"
#include "store/snapshot.h"
#include "store/store.h"

namespace corbel::app {
namespace {

constexpr std::chrono::milliseconds kOfOne{3'000};  // dependency
constexpr std::uint64_t kLittleRoom = std::uint64_t{1} << 30;
constexpr std::uint64_t kNoRoom = std::uint64_t{64} << 20;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

Finding fine(std::string name, std::string what) {
  return {std::move(name), Health::ok, std::move(what)};
}
Finding warned(std::string name, std::string what, std::string mend) {
  return {std::move(name), Health::warning, std::move(what), std::move(mend)};
}
Finding broken(std::string name, std::string what, std::string mend) {
  return {std::move(name), Health::failed, std::move(what), std::move(mend)};
}

// The folder itself, or where it would be made.
std::filesystem::path existingPartOf(std::filesystem::path path) {
  std::error_code error;
  path = std::filesystem::absolute(path, error);
  while (!path.empty() && path != path.root_path() && !std::filesystem::exists(path, error))
    path = path.parent_path();
  return path;
}

Finding checkFolder(const config::Settings& settings) {
  const std::filesystem::path folder = settings.data.folder;
  std::error_code error;
  const std::filesystem::path there = existingPartOf(folder);
  if (::access(there.c_str(), R_OK | W_OK | X_OK) != 0) {
    return broken("data folder", fmt::format("{} cannot be written by this user", there.string()),
                  fmt::format("chown -R $(id -un) {}, or set data.folder", there.string()));
  }
  if (!std::filesystem::exists(folder, error))
    return fine("data folder", fmt::format("{} will be made", folder.string()));
  using std::filesystem::perms;
  const auto mode = std::filesystem::status(folder, error).permissions();
  if ((mode & (perms::group_all | perms::others_all)) != perms::none) {
    return warned("data folder", fmt::format("{} can be read by others", folder.string()),
                  fmt::format("chmod 700 {}", folder.string()));
  }
  return fine("data folder", std::filesystem::absolute(folder, error).string());
}

Finding checkDisk(const config::Settings& settings) {
  struct statvfs about = {};
  const std::filesystem::path there = existingPartOf(settings.data.folder);
  if (::statvfs(there.c_str(), &about) != 0)
    return warned("disk space", "is not known", "look at it with df");
  const std::uint64_t free = about.f_bavail * about.f_frsize;
  const std::string what = fmt::format("{} MiB are free for {}", free / kMiB, there.string());
  const std::string mend = "make room, or set data.folder to a larger disk";
  if (free < kNoRoom) return broken("disk space", what, mend);
  return free < kLittleRoom ? warned("disk space", what, mend) : fine("disk space", what);
}

Finding checkClock() {
  timex state = {};
  const int result = ::adjtimex(&state);
  if (result < 0 || (state.status & STA_UNSYNC) == 0)
    return fine("clock", "is set by a time server, as far as the system says");
  return warned("clock", "is not synchronised with a time server",
                "run chrony or systemd-timesyncd: tokens and schedules go by the clock");
}

Finding openServer(const config::Settings& settings, const Clock& clock) {
  const auto opened = openDatabase(settings, clock);
  if (!opened) {
    return broken("store", opened.error().message,
                  "look at store.url (DATABASE_URL), the server and its permissions: "
                  "docs/postgresql.md");
  }
  const auto now = (*opened)->read([](store::Reader& reader) { return reader.now(); },
                                   Deadline::after(clock, kOfOne));
  if (!now) return broken("store", now.error().message, "look at the server's log");
  const auto apart = std::chrono::abs(*now - clock.now());
  if (apart > std::chrono::seconds(5)) {
    return warned("store",
                  fmt::format("the server's clock differs by {} s",
                              std::chrono::duration_cast<std::chrono::seconds>(apart).count()),
                  "synchronise both machines with a time server");
  }
  return fine("store", "the PostgreSQL server answers");
}

Finding checkStore(const config::Settings& settings, const Clock& clock) {
  if (!config::postgresUrl(settings).empty()) return openServer(settings, clock);
  const std::filesystem::path file = config::databaseFile(settings);
  std::error_code error;
  if (!std::filesystem::exists(file, error))
    return fine("store", fmt::format("{} will be made", file.string()));
  const auto applied = store::inspectSqlite(file);
  if (!applied) {
    return broken("store", fmt::format("{}: {}", file.string(), applied.error().message),
                  "restore a backup: corbel restore FILE --force");
  }
  const auto known = allMigrations();
  for (const auto& migration : *applied) {
    if (std::ranges::find(known, migration.version, &store::Migration::version) == known.end()) {
      return broken("store",
                    fmt::format("has the migration {} of a newer program", migration.version),
                    "install that version, or go back with its `corbel migrate --down-to`");
    }
  }
  const std::size_t missing = known.size() - applied->size();
  return fine("store", missing == 0
                           ? "is sound and up to date"
                           : fmt::format("is sound; {} migrations run at the next start", missing));
}

Finding checkOnnx(const config::Settings& settings, const Clock& clock) {
  const auto opened = inference::openOnnxRuntime(
      {.library = onnxRuntimeLibrary(settings.inference), .threads = 1}, clock);
  if (opened) return fine("onnx runtime", "can be loaded");
  return warned("onnx runtime", opened.error().message,
                "install it, or set inference.onnxRuntimeLibrary; forests and linear models work "
                "without it");
}

// Whether somebody accepts a connection there.
Result<void> reach(const std::string& host, const std::string& port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* raw = nullptr;
  if (const int result = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &raw); result != 0) {
    return fail(ErrorCode::unavailable,
                fmt::format("{} is no known name: {}", host, ::gai_strerror(result)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> found(raw, ::freeaddrinfo);
  for (const addrinfo* address = found.get(); address != nullptr; address = address->ai_next) {
    const Descriptor socket(
        ::socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) continue;
    if (::connect(socket.number(), address->ai_addr, address->ai_addrlen) == 0) return {};
    if (errno != EINPROGRESS) continue;
    pollfd waiting{.fd = socket.number(), .events = POLLOUT, .revents = 0};
    if (::poll(&waiting, 1, static_cast<int>(kOfOne.count())) <= 0) continue;
    int error = 0;
    socklen_t length = sizeof(error);
    ::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error == 0) return {};
  }
  return fail(ErrorCode::unavailable, fmt::format("nobody answers at {}:{} within {} s", host, port,
                                                  kOfOne.count() / 1000));
}

Finding checkEndpoint(std::string name, const std::string& host, const std::string& port,
                      std::string_view setting) {
  const auto reached = reach(host, port);
  if (reached) return fine(std::move(name), fmt::format("{}:{} answers", host, port));
  return broken(std::move(name), reached.error().message,
                fmt::format("start it, or correct {}; events wait meanwhile", setting));
}

// "scheme://user@host:port/…" or "host:port" into host and port.
std::pair<std::string, std::string> endpointOf(std::string_view text, std::string_view port) {
  if (const auto scheme = text.find("://"); scheme != std::string_view::npos)
    text.remove_prefix(scheme + 3);
  text = takeUntil(text, '/');
  if (const auto user = text.rfind('@'); user != std::string_view::npos)
    text.remove_prefix(user + 1);
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || text.ends_with(']'))
    return {std::string(text), std::string(port)};
  return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

void checkBrokers(const config::Settings& settings, std::vector<Finding>& findings) {
  const auto each = [&](const std::string& name, std::string_view list, std::string_view port,
                        std::string_view setting) {
    while (!list.empty()) {
      const auto [host, itsPort] = endpointOf(takeUntil(list, ','), port);
      findings.push_back(checkEndpoint(name, host, itsPort, setting));
    }
  };
  each("kafka", settings.kafka.brokers, "9092", "kafka.brokers");
  each("nats", settings.nats.url, "4222", "nats.url");
  if (!settings.mqtt.host.empty()) {
    findings.push_back(
        checkEndpoint("mqtt", settings.mqtt.host, std::to_string(settings.mqtt.port), "mqtt.host"));
  }
  if (!settings.rabbitmq.host.empty()) {
    findings.push_back(checkEndpoint("rabbitmq", settings.rabbitmq.host,
                                     std::to_string(settings.rabbitmq.port), "rabbitmq.host"));
  }
}

void checkIssuers(const config::Settings& settings, const Clock& clock,
                  std::vector<Finding>& findings) {
  for (const config::IssuerSettings& issuer : settings.auth.issuers) {
    if (issuer.jwksUrl.empty()) continue;
    const auto keys = net::fetch(issuer.jwksUrl, {.plainHttpToLoopback = true},
                                 Deadline::after(clock, kOfOne), clock);
    findings.push_back(
        keys ? fine("issuer", issuer.jwksUrl + " answers")
             : broken("issuer", keys.error().message,
                      "start it, or correct auth.issuers; its tokens get 503 meanwhile"));
  }
}

}  // namespace

std::vector<Finding> examine(const config::Configuration& configuration, const Clock& clock) {
  const config::Settings& settings = configuration.settings;
  std::vector<Finding> findings;
  findings.push_back(fine("settings", fmt::format("are sound; {} differ from the defaults",
                                                  configuration.origins.size())));
  for (const std::string& note : configuration.notes)
    findings.push_back(warned("settings", note, "remove one of the two"));
  findings.push_back(checkFolder(settings));
  findings.push_back(checkDisk(settings));
  findings.push_back(checkStore(settings, clock));
  findings.push_back(checkClock());
  findings.push_back(checkOnnx(settings, clock));
  checkBrokers(settings, findings);
  checkIssuers(settings, clock, findings);
  return findings;
}

}  // namespace corbel::app
