// The audit log of the caller's tenant. See docs/audit.md.
#pragma once
#include <tuple>

#include "audit/audit.h"
#include "exec/pool.h"
#include "http/route.h"
#include "native/audit_dto.h"
#include "native/page.h"

namespace corbel::native {

class AuditApi {
 public:
  // Everything must outlive it; `pool` reads pages of exports.
  AuditApi(const audit::AuditLog& log, exec::Pool& pool, const Clock& clock)
      : log_(log), pool_(pool), clock_(clock) {}

  static constexpr auto routes() {
    using http::Permission;
    return std::tuple{
        http::get<&AuditApi::list>("/api/v1/ai/admin/audit", Permission::auditRead,
                                   "List who did what, newest first"),
        http::get<&AuditApi::exportAll>(
            "/api/v1/ai/admin/audit/export", Permission::auditRead,
            "Export the audit log, oldest first, a JSON object a line",
            {.contentType = "application/x-ndjson", .deadline = http::kNoDeadline}),
        http::get<&AuditApi::verify>("/api/v1/ai/admin/audit/verify", Permission::auditRead,
                                     "Check the chain of the whole installation",
                                     {.description = "For the default tenant. Reads every line.",
                                      .deadline = std::chrono::minutes(5)})};
  }

 private:
  Result<Page<AuditLineView>> list(http::Call& call, const ListAudit& request);
  Result<http::Response> exportAll(http::Call& call, const AuditFilter& request);
  Result<AuditVerdictView> verify(http::Call& call, const VerifyAudit& request);

  const audit::AuditLog& log_;
  exec::Pool& pool_;
  const Clock& clock_;
};

AuditLineView view(const audit::Line& line);

}  // namespace corbel::native
