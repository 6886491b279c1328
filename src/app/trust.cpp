#include "app/trust.h"

#include "app/operator_act.h"
#include "telemetry/log.h"

namespace corbel::app {
namespace {

// The log usually leaves the machine: whoever rewrites the whole chain has to change it there, too.
constexpr std::chrono::hours kHeadEvery{1};
constexpr std::chrono::hours kShortenedEvery{24};

}  // namespace

Trust::Trust(Installation& installation, metrics::Metrics& metrics, Processes processes)
    : installation_(installation),
      processes_(processes),
      audit_({*installation.database, installation.clock, installation.random, &metrics}),
      headDue_(installation.clock.steady()),
      shorteningDue_(headDue_) {}

Result<std::unique_ptr<Trust>> Trust::open(Installation& installation, events::Webhooks& webhooks,
                                           metrics::Metrics& metrics, Processes processes) {
  CORBEL_TRY(const int sealed, webhooks.sealSecrets(startDeadline(installation.clock)));
  if (sealed > 0) {
    log::info("app", "secrets of webhooks were stored as they are and are sealed now",
              {{"webhooks", sealed}});
  }
  return std::unique_ptr<Trust>(new Trust(installation, metrics, processes));
}

void Trust::buildApi(exec::Pool& pool, http::Observer& accounting) {
  auditing_ = std::make_unique<gates::Auditing>(audit_, accounting);
  auditApi_ = std::make_unique<native::AuditApi>(audit_, pool, installation_.clock);
}

std::vector<http::Route> Trust::mount() { return http::mount(*auditApi_, "Audit"); }

std::vector<http::Route> Trust::describe() { return http::describe<native::AuditApi>("Audit"); }

Result<std::optional<identity::MintedKey>> Trust::makeFirstKey(const std::string& file) {
  return asOperator(
      installation_, {std::string(identity::kDefaultTenant), "first start", "command line"},
      [&](const identity::Actor&) {
        return installation_.keys->ensureFirstKey(file, startDeadline(installation_.clock));
      });
}

void Trust::keepHouse() {
  refreshMasterKeys();
  if (processes_ == Processes::several) followChanges();
  logHead();
  shorten();
}

void Trust::shorten() {
  const SteadyTime now = installation_.clock.steady();
  if (keepLines_.count() == 0 || now < shorteningDue_) return;
  shorteningDue_ = now + kShortenedEvery;
  const auto removed =
      audit_.shorten(installation_.clock.now() - keepLines_, startDeadline(installation_.clock));
  if (!removed) {
    log::warn("app", "old lines of the audit log could not be removed",
              {{"detail", removed.error().message}});
  } else if (*removed > 0) {
    log::info("app", "old lines of the audit log are gone", {{"lines", *removed}});
  }
}

// Every change of keys, tenants and roles is a line of the audit log, whichever process made it: a
// longer log is a reason to look.
void Trust::followChanges() {
  const Deadline deadline = startDeadline(installation_.clock);
  const auto head = audit_.head(deadline);
  if (!head || head->number == followedHead_) return;
  if (installation_.keys->refresh(deadline) && installation_.directory->refresh(deadline))
    followedHead_ = head->number;
}

void Trust::refreshMasterKeys() {
  const auto changed = installation_.vault->refresh(startDeadline(installation_.clock));
  if (changed) {
    lastComplaint_.clear();
    if (*changed > 0) {
      log::info("app", "data keys are sealed with another master key",
                {{"data_keys", *changed}, {"master_key", installation_.vault->masterKey()}});
    }
  } else if (lastComplaint_ != changed.error().message) {
    lastComplaint_ = changed.error().message;
    log::warn("app", "the file of master keys has changed and cannot be used yet",
              {{"detail", lastComplaint_}});
  }
}

void Trust::logHead() {
  const SteadyTime now = installation_.clock.steady();
  if (now < headDue_) return;
  headDue_ = now + kHeadEvery;
  const auto head = audit_.head(startDeadline(installation_.clock));
  if (!head || head->number == loggedHead_) return;
  loggedHead_ = head->number;
  log::info("app", "end of the audit log", {{"number", head->number}, {"hash", head->hash}});
}

}  // namespace corbel::app
