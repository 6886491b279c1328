#include "app/serve.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

#include "app/app.h"
#include "app/command_line.h"
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

void greet(const App& app, const config::Settings& settings) {
  const std::string url = "http://" +
                          (settings.server.host == "0.0.0.0" ? "127.0.0.1" : settings.server.host) +
                          ":" + std::to_string(app.port());
  std::printf("Corbel %.*s is ready on %s\n", static_cast<int>(kVersion.size()), kVersion.data(),
              url.c_str());
  if (settings.docs.enabled) std::printf("  API docs   %s/docs\n", url.c_str());
  if (app.firstKey()) {
    const auto key = app.firstKey()->text.reveal();
    std::printf(
        "  admin key  %.*s\n             kept in %s/admin-key (mode 600); it may do everything\n",
        static_cast<int>(key.size()), key.data(), settings.data.folder.c_str());
  } else {
    std::printf("  admin key  in %s/admin-key, unless it was moved\n",
                settings.data.folder.c_str());
  }
  std::printf(
      "  try        curl -H \"Authorization: Bearer $(cat %s/admin-key)\" %s/api/v1/ai/models\n",
      settings.data.folder.c_str(), url.c_str());
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

}  // namespace

int serve(const config::Configuration& configuration) {
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
