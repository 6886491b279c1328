// The composition root: constructs every part in order, passes references, destroys in reverse.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "app/admin_listener.h"
#include "app/database.h"
#include "app/degradation.h"
#include "app/jobs_part.h"
#include "app/outbound.h"
#include "app/personal_data_part.h"
#include "app/shared_state.h"
#include "app/split.h"
#include "app/traces.h"
#include "app/trust.h"
#include "app/users_part.h"
#include "base/result.h"
#include "config/settings.h"
#include "events/dispatcher.h"
#include "events/webhooks.h"
#include "exec/pool.h"
#include "gates/accounting.h"
#include "gates/gates.h"
#include "gates/keyed_requests.h"
#include "http/dispatcher.h"
#include "http/router.h"
#include "http/server.h"
#include "identity/jwt.h"
#include "inference/onnx_runtime.h"
#include "models/intake.h"
#include "models/prediction_cache.h"
#include "models/registry.h"
#include "models/serving.h"
#include "native/access_api.h"
#include "native/health_api.h"
#include "native/keys_api.h"
#include "native/metrics_api.h"
#include "native/models_api.h"
#include "native/predictions_api.h"
#include "native/versions_api.h"
#include "native/webhooks_api.h"
#include "objects/objects.h"
#include "pages/docs_api.h"
#include "pages/icon.h"
#include "pages/status_page.h"
#include "telemetry/metrics.h"

namespace corbel::app {

// The API at server.port as data, without handlers: what its document is made of.
std::vector<http::Route> describeApi(const config::Settings& settings);

// One serving process.
class App {
 public:
  // The addresses are taken before anything is written, and the first key is made when they are
  // listened on: a start that fails leaves no key that nobody has seen. Errors say which setting or
  // file is wrong.
  static Result<std::unique_ptr<App>> start(const config::Settings& settings);
  ~App();

  std::uint16_t port() const { return server_->port(); }
  // The first key, if this start made it.
  const std::optional<identity::MintedKey>& firstKey() const { return firstKey_; }
  // The token of the link by which the first user is made, if this start made it.
  const std::optional<Secret>& setupLink() const { return setupLink_; }
  // False once the store has stopped: the process must end and start anew.
  bool healthy() const { return installation_->database->healthy(); }
  // Refuses new work, lets running work finish. Blocks until done or the deadline.
  void drain(Deadline deadline);

 private:
  explicit App(const config::Settings& settings) : settings_(settings) {}
  Result<void> takeAddresses();
  Result<void> openState();
  Result<void> buildFeatures();
  void buildJobs();
  void buildApi();
  Result<void> startEvents();
  Result<void> listen();
  Result<void> makeFirstKey();
  Result<void> openIdentity();
  Result<void> checkAuthentication();
  Result<std::shared_ptr<inference::OnnxRuntime>> onnxRuntime();
  models::ArtifactIntake::Inspect inspector();
  Result<std::shared_ptr<const inference::Model>> loadModel(const models::Version& version,
                                                            Deadline deadline);
  void observeParts();
  void keepHouse(const std::stop_token& stop);
  void refreshCertificates();
  void giveMemoryBack(std::uint64_t& seen) const;
  std::vector<http::Route> mountAll();
  std::vector<native::HealthCheck> healthChecks();
  native::HealthCheck storeCheck();
  native::HealthCheck memoryCheck();
  native::HealthCheck onnxCheck();
  native::HealthCheck keySetCheck(std::size_t issuer);
  static native::HealthCheck sinkCheck(const events::Dispatcher& dispatcher);
  std::vector<std::string> allowedHosts() const;
  bool isReady() const {
    return listening_ && installation_->database->reachable() && !gates_->draining();
  }

  config::Settings settings_;
  std::vector<http::Address> addresses_;       // until they are listened on
  std::optional<http::Address> adminAddress_;  // the same; none: metrics.port is 0
  metrics::Metrics metrics_;
  std::unique_ptr<Installation> installation_;
  std::unique_ptr<Split> split_;
  std::optional<identity::MintedKey> firstKey_;
  std::optional<Secret> setupLink_;
  std::vector<metrics::Observation> observations_;
  std::unique_ptr<trace::Exporter> traces_;  // null: traces.endpoint is empty
  std::unique_ptr<Outbound> outbound_;
  std::unique_ptr<identity::JwtVerifier> tokens_;
  std::unique_ptr<identity::BackendTokens> backendTokens_;  // null: there is no backend
  std::unique_ptr<exec::Periodic> keyRefresh_;
  std::unique_ptr<SharedState> shared_;
  std::unique_ptr<objects::ObjectStore> objects_;
  std::unique_ptr<custody::Custody> custody_;
  Mutex onnxMutex_;
  std::shared_ptr<inference::OnnxRuntime> onnx_ CORBEL_GUARDED_BY(onnxMutex_);
  std::optional<Error> onnxFailure_
      CORBEL_GUARDED_BY(onnxMutex_);  // of the last attempt to load it
  std::unique_ptr<events::Webhooks> webhooks_;
  std::unique_ptr<Trust> trust_;
  std::unique_ptr<UsersPart> users_;
  std::unique_ptr<models::Registry> registry_;
  std::unique_ptr<models::ArtifactIntake> intake_;
  std::unique_ptr<models::Serving> serving_;
  std::unique_ptr<models::PredictionCache> predictionCache_;
  std::unique_ptr<exec::Pool> apiPool_;
  std::unique_ptr<exec::Pool> gatePool_;
  std::unique_ptr<exec::Pool> cpuPool_;
  std::unique_ptr<exec::Pool> loadPool_;
  std::unique_ptr<exec::Pool> backgroundPool_;
  std::unique_ptr<exec::Pool> fallbackPool_;
  std::unique_ptr<Degradation> degradation_;  // null: inference.fallbackEnabled is false
  resilience::MemoryGuard memoryGuard_;
  std::unique_ptr<MemoryWatch> memoryWatch_;
  std::unique_ptr<gates::Gates> gates_;
  std::unique_ptr<idempotency::Records> idempotency_;
  std::unique_ptr<gates::KeyedRequests> keyedRequests_;
  std::unique_ptr<gates::Accounting> accounting_;
  PersonalDataPart personalData_;
  std::unique_ptr<JobsPart> jobs_;
  std::unique_ptr<native::ModelsApi> modelsApi_;
  std::unique_ptr<native::VersionsApi> versionsApi_;
  std::unique_ptr<native::PredictionsApi> predictionsApi_;
  std::unique_ptr<native::KeysApi> keysApi_;
  std::unique_ptr<native::AccessApi> accessApi_;
  std::unique_ptr<native::WebhooksApi> webhooksApi_;
  std::unique_ptr<native::HealthApi> healthApi_;
  std::unique_ptr<native::MetricsApi> metricsApi_;
  std::unique_ptr<pages::StatusPage> statusPage_;
  std::unique_ptr<pages::Icon> icon_;
  std::unique_ptr<pages::DocsApi> docsApi_;  // null: docs.access is off
  std::unique_ptr<http::Router> router_;
  std::unique_ptr<http::Dispatcher> dispatcher_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<AdminListener> adminListener_;  // null: metrics.port is 0
  std::vector<std::unique_ptr<events::EventSink>> eventSinks_;
  std::vector<std::unique_ptr<events::Dispatcher>> dispatchers_;  // after their sinks
  std::atomic<bool> listening_ = false;
  std::jthread housekeeper_;
};

}  // namespace corbel::app
