// What /health/detailed asks.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <string>
#include <system_error>

#include "app/app.h"
#include "telemetry/process.h"

namespace corbel::app {
namespace {

using Figures = native::HealthCheck::Figures;

// What it means for callers, and when it is tried again.
std::string explain(const identity::KeySetState& keys) {
  std::string text = keys.failure->message;
  text += keys.age
              ? " Keys that were fetched " + std::to_string(keys.age->count()) + " s ago are used."
              : " Tokens of this issuer are answered with 503.";
  return text + " Tried again in 2 s at the latest.";
}

// Nothing: it has no breaker.
std::function<resilience::Snapshot()> snapshotOf(const resilience::Dependency* dependency) {
  if (dependency == nullptr) return {};
  return [dependency] { return dependency->snapshot(); };
}

}  // namespace

std::vector<native::HealthCheck> App::healthChecks() {
  const auto objects = [this](Deadline deadline) -> Result<Figures> {
    CORBEL_CHECK(objects_->check(deadline));
    const auto usage = objects_->usage();
    return Figures{{"objects", static_cast<double>(usage.objects)},
                   {"usedBytes", static_cast<double>(usage.bytes)}};
  };
  const auto models = [this](Deadline) -> Result<Figures> {
    const auto stats = serving_->stats();
    return Figures{{"loaded", static_cast<double>(stats.models)},
                   {"usedBytes", static_cast<double>(stats.bytes)}};
  };
  std::vector<native::HealthCheck> checks{storeCheck(),
                                          {"objects", objects, snapshotOf(objects_->dependency())},
                                          {"models", models},
                                          memoryCheck(),
                                          onnxCheck()};
  std::ranges::copy(shared_->healthChecks(), std::back_inserter(checks));
  const auto& issuers = settings_.auth.issuers;
  for (std::size_t i = 0; i < issuers.size(); ++i) {
    if (issuers[i].keyFile.empty()) checks.push_back(keySetCheck(i));
  }
  for (const auto& dispatcher : dispatchers_) {
    if (dispatcher->sink() != events::kWebhookSink) checks.push_back(sinkCheck(*dispatcher));
  }
  outbound_->addTo(checks);
  std::ranges::move(split_->healthChecks(), std::back_inserter(checks));
  return checks;
}

native::HealthCheck App::storeCheck() {
  native::HealthCheck check{
      "store", [this](Deadline deadline) -> Result<Figures> {
        CORBEL_CHECK(installation_->database->read(
            [](store::Reader& reader) -> Result<void> {
              CORBEL_CHECK(reader.query("SELECT 1").one([](const store::Row& row) {
                return row.integer(0);
              }));
              return {};
            },
            deadline));
        if (installation_->database->state() == store::StoreState::full) {
          return fail(ErrorCode::insufficientStorage,
                      "The disk is full; writes are refused until there is room.");
        }
        const auto stats = installation_->database->stats();
        return Figures{{"waitingWrites", static_cast<double>(stats.queueDepth)},
                       {"readers", static_cast<double>(stats.readersOpen)}};
      }};
  check.dependency = snapshotOf(installation_->database->dependency());
  return check;
}

native::HealthCheck App::memoryCheck() {
  return {"memory", [this](Deadline) -> Result<Figures> {
            const auto resident = metrics::residentBytes();
            const auto limit = settings_.memory.limit.count;
            if (resident > limit) {
              return fail(ErrorCode::resourceExhausted,
                          "The process holds " + std::to_string(resident) +
                              " bytes; memory.limitBytes allows " + std::to_string(limit) +
                              ". Models that are not used are given up.");
            }
            return Figures{{"residentBytes", static_cast<double>(resident)},
                           {"limitBytes", static_cast<double>(limit)},
                           {"level", static_cast<double>(memoryGuard_.level())}};
          }};
}

// It is loaded for the first model that needs it, so that it is missing matters only then, or where
// the operator has named it.
native::HealthCheck App::onnxCheck() {
  return {"onnxRuntime", [this](Deadline) -> Result<Figures> {
            const MutexLock lock(onnxMutex_);
            if (onnxFailure_) return std::unexpected(*onnxFailure_);
            const std::filesystem::path named = settings_.inference.onnxRuntimeLibrary;
            std::error_code error;
            if (!onnx_ && named.has_parent_path() && !std::filesystem::exists(named, error)) {
              return fail(ErrorCode::unavailable,
                          "inference.onnxRuntimeLibrary: there is no " + named.string() + ".");
            }
            return Figures{{"loaded", onnx_ ? 1.0 : 0.0}};
          }};
}

native::HealthCheck App::keySetCheck(std::size_t issuer) {
  return {"auth.issuers[" + std::to_string(issuer) + "]",
          [this, issuer](Deadline deadline) -> Result<Figures> {
            const auto keys = tokens_->keySet(issuer, deadline);
            if (!keys) return Figures{};
            if (keys->failure) return fail(ErrorCode::unavailable, explain(*keys));
            Figures figures;
            if (keys->age) figures["ageSeconds"] = static_cast<double>(keys->age->count());
            return figures;
          }};
}

}  // namespace corbel::app
