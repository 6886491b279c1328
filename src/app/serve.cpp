#include "app/serve.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "app/app.h"
#include "app/command_line.h"
#include "app/database.h"
#include "app/version.h"
#include "telemetry/log.h"

namespace corbel::app {
namespace {

log::SinkOptions logOptions(const config::LogSettings& settings) {
  log::SinkOptions options;
  options.level = log::parseLevel(settings.level).value_or(log::Level::info);
  for (const auto& [module, level] : settings.levels) {
    options.levels[module] = log::parseLevel(level).value_or(options.level);
  }
  options.format = log::chooseFormat(settings.format, options.descriptor);
  options.coloured = options.format == log::Format::text && isatty(options.descriptor) == 1;
  return options;
}

// Signals are taken by sigtimedwait() in one place; threads started later inherit the mask.
sigset_t blockStopSignals() {
  std::signal(SIGPIPE, SIG_IGN);
  // A full disk quota must be an error of the write, not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// Where a client on this machine finds it: an address that means all of them cannot be connected
// to.
std::string urlOf(std::string_view scheme, std::string host, std::uint16_t port) {
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::" || host == "[::]") host = "::1";
  if (host.contains(':') && !host.starts_with('[')) host = "[" + host + "]";
  return std::string(scheme) + "://" + host + ":" + std::to_string(port);
}

// As one word of a shell.
std::string shellWord(const std::string& text) {
  const auto isPlain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("/.:_-").contains(c);
  };
  if (std::ranges::all_of(text, isPlain)) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

void greetWithKey(const App& app, const config::Settings& settings, const std::string& url) {
  const std::string file = adminKeyFile(settings);
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return;
  if (app.firstKey()) {
    const auto key = app.firstKey()->text.reveal();
    std::printf("  admin key  %.*s\n             kept in %s (mode 600); it may do everything\n",
                static_cast<int>(key.size()), key.data(), file.c_str());
  } else {
    std::printf("  admin key  in %s\n", file.c_str());
  }
  std::printf("  try        curl -H \"Authorization: Bearer $(cat %s)\" %s\n",
              shellWord(file).c_str(), shellWord(url + "/api/v1/ai/models").c_str());
}

void greetWithLink(const App& app, const std::string& url) {
  if (!app.setupLink()) return;
  const auto token = app.setupLink()->reveal();
  std::printf(
      "  first user %s/setup#%.*s\n             makes an owner who signs in; good once, "
      "within an hour\n",
      url.c_str(), static_cast<int>(token.size()), token.data());
}

void greet(const App& app, const config::Settings& settings) {
  const std::string& host = settings.server.host;
  const std::string url =
      urlOf(settings.server.tls.certificateFile.empty() ? "http" : "https", host, app.port());
  const std::string adminUrl = urlOf("http", host, settings.metrics.port);
  std::printf("Corbel %.*s is ready on %s\n", static_cast<int>(kVersion.size()), kVersion.data(),
              url.c_str());
  if (settings.docs.access != "off") {
    const std::string& where = settings.docs.access == "admin" ? adminUrl : url;
    std::printf("  API docs   %s/docs\n", where.c_str());
  }
  if (settings.metrics.port > 0) std::printf("  metrics    %s/metrics\n", adminUrl.c_str());
  greetWithKey(app, settings, url);
  greetWithLink(app, url);
  std::fflush(stdout);
}

// Until a signal, or until the store has stopped. False: the store has stopped.
bool runUntilStopped(const App& app, const sigset_t& signals) {
  const timespec second{.tv_sec = 1, .tv_nsec = 0};
  while (sigtimedwait(&signals, nullptr, &second) < 0) {
    if (!app.healthy()) return false;
  }
  return true;
}

// The allocator learns from each large block that was freed to keep more: up to 64 MiB at the top
// of every thread's heap, where malloc_trim() does not reach (glibc, mallopt(3)). Models would
// never quite go.
void giveLargeBlocksBack() {
  constexpr int kOwnPagesFrom = 1 << 20;
  constexpr int kKeptOnTop = 2 << 20;
  // NOLINTBEGIN(concurrency-mt-unsafe): no other thread runs yet
  ::mallopt(M_MMAP_THRESHOLD, kOwnPagesFrom);
  ::mallopt(M_TRIM_THRESHOLD, kKeptOnTop);
  // NOLINTEND(concurrency-mt-unsafe)
}

}  // namespace

int serve(const config::Configuration& configuration) {
  giveLargeBlocksBack();
  const config::Settings& settings = configuration.settings;
  const sigset_t signals = blockStopSignals();
  const SystemClock clock;
  const log::Sink sink(logOptions(settings.log), clock);
  std::set_terminate([] {
    log::flush();
    std::abort();
  });
  for (const std::string& note : configuration.notes) log::info("config", note);

  auto app = App::start(settings);
  if (!app) {
    log::flush();
    std::fprintf(stderr, "corbel: %s\n", app.error().message.c_str());
    if (!app.error().detail.empty())
      log::error("app", "start failed", {{"detail", app.error().detail}});
    return app.error().code == ErrorCode::internal ? kInternal : kConfiguration;
  }
  greet(**app, settings);
  const bool asked = runUntilStopped(**app, signals);
  if (!asked)
    log::error(
        "app",
        "the store has stopped after a disk error; the process ends so that it can start anew");
  (*app)->drain(Deadline::after(clock, settings.server.shutdownDeadline));
  return asked ? kOk : kInternal;
}

}  // namespace corbel::app
