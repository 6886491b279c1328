#include "native/audit_api.h"

#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "native/audit_export.h"

namespace corbel::native {
namespace {

bool runsTheInstallation(const http::Call& call) {
  return call.tenant() == identity::kDefaultTenant &&
         call.membership().permissions.contains(identity::Permission::tenantsRead);
}

Result<audit::Query> queryOf(const http::Call& call, const AuditFilter& filter) {
  audit::Query query{.tenant = call.tenant(),
                     .principal = filter.principal.value_or(""),
                     .action = filter.action.value_or(""),
                     .object = filter.object.value_or(""),
                     .outcome = filter.outcome,
                     .from = filter.from,
                     .to = filter.to};
  if (filter.tenant && *filter.tenant != query.tenant) {
    if (!runsTheInstallation(call)) {
      return fail(ErrorCode::permissionDenied,
                  "Only the default tenant's owners and admins see other tenants' lines.");
    }
    query.tenant = *filter.tenant;
  }
  return query;
}

}  // namespace

AuditLineView view(const audit::Line& line) {
  const audit::Act& act = line.act;
  return {.number = line.number,
          .at = line.at,
          .tenant = act.tenant,
          .principal = act.principal,
          .kind = act.kind,
          .action = act.action,
          .object = act.object,
          .remote = act.remote,
          .requestId = act.requestId,
          .outcome = act.outcome,
          .code = act.code.empty() ? std::nullopt : std::optional(act.code),
          .omitted = act.omitted,
          .hash = line.hash};
}

Result<Page<AuditLineView>> AuditApi::list(http::Call& call, const ListAudit& request) {
  CORBEL_TRY(const auto query, queryOf(call, request));
  const auto before = request.cursor.value_or(std::numeric_limits<std::int64_t>::max());
  CORBEL_TRY(auto found, log_.newest(query, before, request.limit + 1, call.deadline()));
  Page<AuditLineView> page;
  const auto limit = static_cast<std::size_t>(request.limit);
  if (found.size() > limit) {
    found.resize(limit);
    page.nextCursor = std::to_string(found.back().number);
  }
  for (const audit::Line& line : found) page.items.push_back(view(line));
  return page;
}

Result<http::Response> AuditApi::exportAll(http::Call& call, const AuditFilter& request) {
  CORBEL_TRY(auto query, queryOf(call, request));
  http::Response response{
      .contentType = "application/x-ndjson",
      .headers = {{"Cache-Control", "no-store"},
                  {"Content-Disposition", "attachment; filename=\"audit.ndjson\""}},
      .body = {}};
  response.body.emplace<std::shared_ptr<http::BodySource>>(
      std::make_shared<AuditExport>(log_, pool_, clock_, std::move(query)));
  return response;
}

Result<AuditVerdictView> AuditApi::verify(http::Call& call, const VerifyAudit& request) {
  if (!runsTheInstallation(call)) {
    return fail(ErrorCode::permissionDenied,
                "The chain is the whole installation's: only the default tenant's owners and "
                "admins check it.");
  }
  std::optional<audit::Anchor> anchor;
  if (request.number.has_value() != request.hash.has_value())
    return failField(request.hash ? "?number" : "?hash", "must be given, as the other is");
  if (request.number) anchor = {.number = *request.number, .hash = *request.hash};
  CORBEL_TRY(const auto verdict, log_.verify(anchor, call.deadline()));
  AuditVerdictView view{.intact = !verdict.broken,
                        .lines = verdict.lines,
                        .headNumber = verdict.head.number,
                        .headHash = verdict.head.hash,
                        .broken = {}};
  if (verdict.broken) view.broken = {verdict.broken->number, verdict.broken->reason};
  return view;
}

}  // namespace corbel::native
