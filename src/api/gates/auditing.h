// Leads calls into the audit log: changes with their unit of work, refusals afterwards. Which
// routes change something, the route table says.
#pragma once
#include <functional>

#include "audit/audit.h"
#include "http/call.h"
#include "http/dispatcher.h"

namespace corbel::gates {

class Auditing final : public http::HandlerFrame, public http::Observer {
 public:
  // Both must outlive it. `next` is told everything, too.
  Auditing(audit::AuditLog& log, http::Observer& next) : log_(log), next_(next) {}

  void run(const http::Call& call, const std::function<void()>& work) override;

  bool wantsBodies() const override { return next_.wantsBodies(); }
  void onBodies(const http::CallContext& context, std::string_view request,
                std::string_view response) override {
    next_.onBodies(context, request, response);
  }
  // Adds what no unit of work has: refusals, changes that were made without one, and changes after
  // which the call failed.
  void onAnswered(const http::Answered& answered, const http::CallContext& context) override;

 private:
  audit::AuditLog& log_;
  http::Observer& next_;
};

}  // namespace corbel::gates
