#include "app/app.h"

#include <malloc.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <limits>
#include <span>
#include <utility>

#include "app/event_sinks.h"
#include "app/inspection.h"
#include "app/object_store.h"
#include "app/onnx_library.h"
#include "app/version.h"
#include "exec/cpus.h"
#include "pages/api_document.h"
#include "telemetry/log.h"
#include "telemetry/metric_table.h"
#include "telemetry/process.h"

namespace corbel::app {
namespace {

constexpr std::chrono::seconds kHousekeepingEvery{1};
constexpr int kRoundsBetweenSaves = 60;
constexpr std::chrono::seconds kLastTraces{2};
// They wait for an endpoint that may ask as many at once (resilience::BulkheadOptions).
constexpr unsigned kFallbackThreads = 16;
// A model takes about as much as its file while that is read, and as much again in the form that
// predicts.
constexpr std::uint64_t kBytesALoadedByte = 2;

std::unique_ptr<exec::Pool> makePool(std::string name, unsigned threads, std::size_t queueBound,
                                     metrics::Metrics& metrics, const Clock& clock) {
  auto& waits = metrics.of(metrics::kPoolWait).with(name);
  return std::make_unique<exec::Pool>(
      exec::PoolOptions{
          .name = std::move(name),
          .threads = threads,
          .queueBound = queueBound,
          .onWait = [&waits](std::chrono::nanoseconds wait) { waits.observe(wait); },
          .onThrow =
              [](std::string_view what) { log::error("app", "work failed", {{"detail", what}}); }},
      clock);
}

// The files of TLS are settings.
Error withSetting(Error error) {
  if (error.message.starts_with("certificateFile: ") || error.message.starts_with("keyFile: ")) {
    error.message.insert(0, "setting server.tls.");
  }
  return error;
}

}  // namespace

Result<std::unique_ptr<App>> App::start(const config::Settings& settings) {
  std::unique_ptr<App> app(new App(settings));
  CORBEL_CHECK(app->takeAddresses());
  CORBEL_CHECK(app->openState());
  CORBEL_CHECK(app->buildFeatures());
  CORBEL_CHECK(app->startEvents());
  app->buildApi();
  CORBEL_CHECK(app->listen());
  app->observeParts();
  CORBEL_CHECK(app->makeFirstKey());
  if (app->split_->has("worker")) app->jobs_->start();
  app->listening_ = true;
  app->housekeeper_ =
      std::jthread([raw = app.get()](const std::stop_token& stop) { raw->keepHouse(stop); });
  return app;
}

// No thread of ours may be left when the parts go that it works with.
App::~App() {
  drain(Deadline::at(std::chrono::steady_clock::now()));
  if (split_) split_->join();
  keyRefresh_.reset();
  memoryWatch_.reset();
  if (degradation_) degradation_->stop();
  gatePool_.reset();
  apiPool_.reset();
  cpuPool_.reset();
  fallbackPool_.reset();
  if (users_) users_->end();
  loadPool_.reset();
  backgroundPool_.reset();
  if (jobs_) jobs_->end();
  dispatchers_.clear();
}

Result<void> App::takeAddresses() {
  const std::string& host = settings_.server.host;
  http::Endpoint endpoint{.host = host, .port = settings_.server.port};
  const auto& tls = settings_.server.tls;
  if (!tls.certificateFile.empty()) {
    endpoint.tls = http::TlsFiles{.certificate = tls.certificateFile, .key = tls.keyFile};
  }
  CORBEL_TRY(auto address, http::Address::take(endpoint));
  addresses_.push_back(std::move(address));
  if (!settings_.server.unixSocket.empty()) {
    CORBEL_TRY(auto file, http::Address::take({.unixPath = settings_.server.unixSocket}));
    addresses_.push_back(std::move(file));
  }
  if (settings_.metrics.port == 0) return {};
  CORBEL_TRY(adminAddress_, http::Address::take(host, settings_.metrics.port));
  return {};
}

Result<void> App::openState() {
  CORBEL_TRY(installation_, openInstallation(settings_, &metrics_));
  traces_ = makeTraces(settings_.traces, *installation_, metrics_);
  CORBEL_TRY(split_, Split::open(settings_, *installation_, *installation_->guard));
  CORBEL_CHECK(openIdentity());
  shared_ = std::make_unique<SharedState>(settings_, outbound_->parts());
  CORBEL_TRY(objects_, openObjectStore(settings_, installation_->clock, &outbound_->parts()));
  return {};
}

Result<void> App::makeFirstKey() {
  CORBEL_TRY(firstKey_, trust_->makeFirstKey(adminKeyFile(settings_)));
  if (!settings_.auth.enabled || !split_->has("gateway")) return {};
  CORBEL_TRY(setupLink_, users_->makeSetupLink());
  return {};
}

Result<void> App::buildFeatures() {
  const Clock& clock = installation_->clock;
  auto& database = *installation_->database;
  webhooks_ = std::make_unique<events::Webhooks>(
      events::Webhooks::Parts{database, *installation_->outbox, installation_->ids,
                              installation_->random, clock, *installation_->vault},
      webhookPolicy(settings_.events));
  const bool alone = config::postgresUrl(settings_).empty();
  CORBEL_TRY(trust_, Trust::open(*installation_, *webhooks_, metrics_,
                                 alone ? Trust::Processes::one : Trust::Processes::several));
  trust_->keepLinesFor(std::chrono::days(settings_.audit.keepDays));
  registry_ = std::make_unique<models::Registry>(database, installation_->ids, clock,
                                                 installation_->outbox.get());
  custody_ = openCustody(*installation_, *objects_);
  intake_ = std::make_unique<models::ArtifactIntake>(
      *registry_, *objects_, *custody_, inspector(), clock,
      static_cast<std::int64_t>(settings_.memory.limit.count / kBytesALoadedByte));
  serving_ = std::make_unique<models::Serving>(
      *registry_,
      [this](const models::Version& version, Deadline deadline) {
        return loadModel(version, deadline);
      },
      models::ServingOptions{settings_.inference.modelCacheSize,
                             settings_.inference.modelCacheBytes.count, &outbound_->parts(),
                             settings_.inference.timeout},
      metrics_, clock);
  registry_->onChange(
      [this](models::ModelEvent event, const std::string& tenant, const std::string& modelId) {
        event == models::ModelEvent::archived ? serving_->drop(tenant, modelId)
                                              : serving_->forget(tenant, modelId);
      });
  predictionCache_ =
      std::make_unique<models::PredictionCache>(shared_->cache(), settings_.predictionCache.ttl);
  const unsigned cpus =
      settings_.inference.threads > 0 ? settings_.inference.threads : exec::availableCpus();
  apiPool_ = makePool("api", 4, 1'000, metrics_, clock);
  gatePool_ = makePool("gates", backendTokens_ ? 32 : 8, 1'000, metrics_, clock);
  cpuPool_ = makePool("cpu", cpus, 1'000, metrics_, clock);
  loadPool_ = makePool("load", 2, 1'000, metrics_, clock);
  backgroundPool_ = makePool("background", 2, 64, metrics_, clock);
  buildJobs();
  CORBEL_CHECK(personalData_.open({settings_, *installation_, *jobs_, *objects_, *custody_,
                                   shared_->cache(), backendTokens_.get(), trust_->audit()}));
  CORBEL_CHECK(personalData_.catchUp());
  fallbackPool_ = makePool("fallback", kFallbackThreads, 1'000, metrics_, clock);
  memoryWatch_ = std::make_unique<MemoryWatch>(
      settings_.memory.limit.count, MemoryWatch::Parts{memoryGuard_, *serving_, shared_->cache()});
  if (!settings_.inference.fallbackEnabled) return {};
  degradation_ = std::make_unique<Degradation>(
      settings_,
      Degradation::Parts{*registry_, *serving_, *predictionCache_, metrics_, installation_->ids,
                         clock, *outbound_, *fallbackPool_, *loadPool_});
  return {};
}

void App::buildApi() {
  const Clock& clock = installation_->clock;
  auto& keys = *installation_->keys;
  auto& directory = *installation_->directory;
  modelsApi_ = std::make_unique<native::ModelsApi>(*registry_, directory);
  versionsApi_ = std::make_unique<native::VersionsApi>(native::VersionsApi::Parts{
      *registry_, *intake_, *serving_, *objects_, directory, *apiPool_, *backgroundPool_});
  predictionsApi_ = std::make_unique<native::PredictionsApi>(native::PredictionsApi::Parts{
      *serving_, *predictionCache_, *cpuPool_, *loadPool_, metrics_, installation_->ids, clock,
      degradation_ ? degradation_->fallbacks() : nullptr});
  keysApi_ = std::make_unique<native::KeysApi>(keys, directory);
  accessApi_ = std::make_unique<native::AccessApi>(directory);
  webhooksApi_ = std::make_unique<native::WebhooksApi>(*webhooks_);
  healthApi_ = std::make_unique<native::HealthApi>(native::HealthApi::Parts{
      std::string(kVersion), clock, [this] { return isReady(); }, healthChecks()});
  metricsApi_ = std::make_unique<native::MetricsApi>(metrics_);
  const pages::StatusPage::Links links{.docs = settings_.docs.access == "main",
                                       .metrics = settings_.metrics.port == 0};
  statusPage_ = std::make_unique<pages::StatusPage>(kVersion, links, [this] { return isReady(); });
  icon_ = std::make_unique<pages::Icon>();
  if (settings_.docs.access != "off") {
    docsApi_ =
        std::make_unique<pages::DocsApi>(pages::apiDocument(describeApi(settings_), kVersion));
  }
  accounting_ = std::make_unique<gates::Accounting>(
      metrics_, settings_.log.bodies ? gates::Accounting::Bodies::logged
                                     : gates::Accounting::Bodies::notLogged);
  trust_->buildApi(*apiPool_, *accounting_);
  users_ = std::make_unique<UsersPart>(
      UsersPart::Parts{settings_.auth.sessions, *installation_, shared_->limiter(), metrics_});
  router_ = std::make_unique<http::Router>(mountAll());
  const gates::Quotas quotas{
      settings_.limits.inferencePerMinute, settings_.limits.requestsPerMinute,
      settings_.limits.keyInferencePerMinute, settings_.limits.keyRequestsPerMinute};
  gates_ = std::make_unique<gates::Gates>(
      gates::Gates::Parts{keys, directory, *tokens_, shared_->limiter(), backendTokens_.get(),
                          &memoryGuard_, &split_->tokens(), &users_->sessions()},
      quotas,
      settings_.auth.enabled ? gates::Gates::Authentication::required
                             : gates::Gates::Authentication::off);
  idempotency_ = std::make_unique<idempotency::Records>(
      *installation_->database, installation_->ids.next(),
      config::postgresUrl(settings_).empty() ? idempotency::Processes::one
                                             : idempotency::Processes::several);
  keyedRequests_ = std::make_unique<gates::KeyedRequests>(*idempotency_);
  dispatcher_ = std::make_unique<http::Dispatcher>(
      http::Dispatcher::Parts{*router_, *gates_, trust_->auditing(), *apiPool_, clock,
                              installation_->ids, traces_.get(), gatePool_.get(),
                              &trust_->auditing(), keyedRequests_.get()},
      http::DispatcherOptions{.cors = {settings_.cors.allowedOrigins},
                              .allowedHosts = allowedHosts(),
                              .inferenceDeadline = settings_.inference.timeout,
                              .compression = settings_.server.compression});
}

std::vector<std::string> App::allowedHosts() const {
  auto names = settings_.server.allowedHosts;
  names.push_back(settings_.server.host);
  return names;
}

Result<void> App::listen() {
  const http::ServerOptions options{
      .threads = settings_.server.threads > 0 ? settings_.server.threads : exec::availableCpus(),
      .maxConnections = settings_.server.maxConnections,
      .headerDeadline = settings_.server.headerDeadline,
      .idleTimeout = settings_.server.idleTimeout,
      .bodyMemory = settings_.server.bodyMemory.count};
  auto started = http::Server::start(std::exchange(addresses_, {}), options, *dispatcher_,
                                     installation_->clock);
  if (!started) return std::unexpected(withSetting(std::move(started).error()));
  server_ = *std::move(started);
  if (const auto fitting = server_->stats().maxConnections; fitting < options.maxConnections) {
    log::warn("app", "server.maxConnections is more than this process may open; raise ulimit -n",
              {{"connections", fitting}});
  }
  if (!adminAddress_) return {};
  const AdminListener::Parts parts{
      .metrics = metrics_,
      .docs = settings_.docs.access == "admin" ? docsApi_.get() : nullptr,
      .icon = *icon_,
      .admission = *gates_,
      .observer = *accounting_,
      .pool = *apiPool_,
      .clock = installation_->clock,
      .ids = installation_->ids};
  CORBEL_TRY(adminListener_, AdminListener::start(*std::exchange(adminAddress_, std::nullopt),
                                                  parts, allowedHosts()));
  return {};
}

Result<std::shared_ptr<inference::OnnxRuntime>> App::onnxRuntime() {
  const MutexLock lock(onnxMutex_);
  if (onnx_) return onnx_;
  auto opened = inference::openOnnxRuntime(
      {.library = onnxRuntimeLibrary(settings_.inference), .threads = 1}, installation_->clock);
  // The version was accepted when the library was there: its caller can only wait for the operator.
  if (!opened) {
    onnxFailure_ = Error{ErrorCode::unavailable, opened.error().message, opened.error().detail, {}};
    return std::unexpected(*onnxFailure_);
  }
  onnx_ = *std::move(opened);
  onnxFailure_.reset();
  return onnx_;
}

Result<std::shared_ptr<const inference::Model>> App::loadModel(const models::Version& version,
                                                               Deadline deadline) {
  CORBEL_TRY(const auto digest, objects::Digest::parse(version.artifactSha256));
  auto opened = objects_->open(digest, deadline);
  // The version is there: that its file is not is nothing that the caller could know.
  if (!opened && opened.error().code == ErrorCode::notFound)
    return fail(ErrorCode::internal, "The model's file is missing.", opened.error().message);
  CORBEL_TRY(const auto file, std::move(opened));
  const auto residentBytes = [] {
    ::malloc_trim(0);  // what was given up must not count
    return metrics::residentBytes();
  };
  CORBEL_CHECK(serving_->makeRoom(kBytesALoadedByte * static_cast<std::uint64_t>(file.sizeBytes()),
                                  {settings_.memory.limit.count, residentBytes}));
  CORBEL_TRY(const auto content, models::readAll(file, std::numeric_limits<std::int64_t>::max()));
  inference::LoadOptions options;
  options.onnxRuntime = [this] { return onnxRuntime(); };
  return inference::load(std::as_bytes(std::span(content)), options, installation_->clock,
                         deadline);
}

void App::keepHouse(const std::stop_token& stop) {
  Mutex mutex;
  std::condition_variable wake;
  const std::stop_callback onStop(stop, [&] {
    const MutexLock lock(mutex);
    wake.notify_all();
  });
  std::uint64_t modelsMoved = 0;
  for (int round = 1; !stop.stop_requested(); ++round) {
    {
      MutexLock lock(mutex);
      if (!stop.stop_requested())
        lock.waitUntil(wake, std::chrono::steady_clock::now() + kHousekeepingEvery);
    }
    if (metrics::residentBytes() > settings_.memory.limit.count) serving_->giveUpOldest();
    giveMemoryBack(modelsMoved);
    refreshCertificates();
    trust_->keepHouse();
    if (round % kRoundsBetweenSaves != 0 || stop.stop_requested()) continue;
    const Deadline deadline = startDeadline(installation_->clock);
    for (const auto& outcome :
         {installation_->keys->saveLastUse(deadline), shared_->cache().sweep(deadline),
          idempotency_->removeExpired(deadline), personalData_.removeExpired(deadline)}) {
      if (!outcome) log::warn("app", "housekeeping failed", {{"detail", outcome.error().detail}});
    }
  }
}

void App::refreshCertificates() {
  const auto replaced = server_->refreshCertificates();
  if (!replaced) {
    log::warn("app", "the files of TLS have changed and cannot be used; the old ones stay",
              {{"detail", replaced.error().message}});
  } else if (*replaced) {
    log::info("app", "new connections get the new certificate");
  }
}

// The allocator keeps what is freed. Of a model, and of reading its file, that is more than it will
// need soon.
void App::giveMemoryBack(std::uint64_t& seen) const {
  const auto stats = serving_->stats();
  if (stats.loads + stats.released == seen) return;
  seen = stats.loads + stats.released;
  ::malloc_trim(0);
}

void App::drain(Deadline deadline) {
  if (gates_) gates_->drain();
  if (jobs_) jobs_->beginStop();
  if (server_) server_->drain(deadline);
  if (adminListener_) adminListener_->drain(deadline);
  if (housekeeper_.joinable()) {
    housekeeper_.request_stop();
    housekeeper_.join();
  }
  if (jobs_) jobs_->stop(deadline);
  if (serving_) serving_->stop();
  for (const auto& dispatcher : dispatchers_) dispatcher->stop(deadline);
  if (gatePool_) gatePool_->stop(deadline);
  if (users_) users_->stop(deadline);
  if (split_) split_->stop(deadline);
  if (apiPool_) apiPool_->stop(deadline);
  if (loadPool_) loadPool_->stop(deadline);
  if (cpuPool_) cpuPool_->stop(deadline);
  if (fallbackPool_) fallbackPool_->stop(deadline);
  if (backgroundPool_) backgroundPool_->stop(deadline);
  if (traces_) traces_->stop(deadline.earlier(Deadline::after(installation_->clock, kLastTraces)));
  if (installation_ && installation_->keys) {
    static_cast<void>(installation_->keys->saveLastUse(
        Deadline::after(installation_->clock, std::chrono::seconds(2))));
  }
}

}  // namespace corbel::app
