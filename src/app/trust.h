// What makes the installation trustworthy beside its gates: sealed secrets and the audit log.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/database.h"
#include "audit/audit.h"
#include "base/result.h"
#include "events/webhooks.h"
#include "exec/pool.h"
#include "gates/auditing.h"
#include "http/route.h"
#include "native/audit_api.h"
#include "telemetry/metrics.h"

namespace corbel::app {

class Trust {
 public:
  enum class Processes : std::uint8_t { one, several };  // that may use the database
  // Seals what an older program has left open. Everything must outlive it.
  static Result<std::unique_ptr<Trust>> open(Installation& installation, events::Webhooks& webhooks,
                                             metrics::Metrics& metrics, Processes processes);

  // Before the functions below.
  void buildApi(exec::Pool& pool, http::Observer& accounting);
  const audit::AuditLog& audit() const { return audit_; }
  // What stands around handlers and is told of answers; tells `accounting`.
  gates::Auditing& auditing() { return *auditing_; }
  std::vector<http::Route> mount();
  static std::vector<http::Route> describe();

  // As ApiKeys::ensureFirstKey.
  Result<std::optional<identity::MintedKey>> makeFirstKey(const std::string& file);

  // Lines of the audit log that are older go; 0: none. Before keepHouse().
  void keepLinesFor(std::chrono::days days) { keepLines_ = days; }

  // About once a second, from one thread.
  void keepHouse();

 private:
  Trust(Installation& installation, metrics::Metrics& metrics, Processes processes);
  void refreshMasterKeys();
  void followChanges();
  void logHead();
  void shorten();

  Installation& installation_;
  const Processes processes_;
  audit::AuditLog audit_;
  std::unique_ptr<gates::Auditing> auditing_;
  std::unique_ptr<native::AuditApi> auditApi_;
  std::string lastComplaint_;
  std::int64_t followedHead_ = 0;
  std::int64_t loggedHead_ = 0;
  SteadyTime headDue_;
  std::chrono::days keepLines_{0};
  SteadyTime shorteningDue_;
};

}  // namespace corbel::app
