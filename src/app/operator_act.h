// Changes that the installation makes itself, or the command line for it, as lines of the audit
// log.
#pragma once
#include <string>
#include <utility>

#include "app/database.h"
#include "audit/audit.h"
#include "audit/witness.h"
#include "identity/directory.h"

namespace corbel::app {

struct OperatorAct {
  std::string tenant;
  std::string action;  // as in "corbel key create"
  std::string remote;
};

// What change(Actor) returns; the line is committed with what it changes.
template <class Change>
auto asOperator(const Installation& installation, const OperatorAct& act, Change&& change) {
  SystemRandom random;
  const audit::AuditLog log({*installation.database, installation.clock, random});
  const identity::Principal by = identity::operatorOf(act.tenant);
  audit::Witness witness(log,
                         {.tenant = act.tenant,
                          .principal = by.id,
                          .kind = std::string(name(by.kind)),
                          .action = act.action,
                          .object = {},
                          .remote = act.remote,
                          .requestId = {},
                          .code = {}},
                         {});
  const store::Accompanied accompanied(witness);
  return change(identity::Actor{by, by.memberships.front()});
}

}  // namespace corbel::app
