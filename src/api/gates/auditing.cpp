#include "gates/auditing.h"

#include <string>
#include <string_view>
#include <utility>

#include "audit/witness.h"
#include "http/route.h"
#include "identity/identity.h"
#include "store/companion.h"

namespace corbel::gates {
namespace {

// "/api/v1/ai/keys/019b…" is the object "keys/019b…".
std::string_view objectOf(std::string_view path) {
  constexpr std::string_view kNative = "/api/v1/ai/";
  if (path.starts_with(kNative)) path.remove_prefix(kNative.size());
  return path;
}

// A caller without a tenant is a matter for those who run the installation.
std::string_view tenantOf(const http::CallContext& context) {
  if (context.membership != nullptr) return context.membership->tenant;
  const bool isMember = context.principal != nullptr && !context.principal->memberships.empty();
  return isMember ? std::string_view(context.principal->memberships.front().tenant)
                  : identity::kDefaultTenant;
}

audit::Act actOf(const http::CallContext& context, std::string_view remote) {
  audit::Act act{.tenant = std::string(tenantOf(context)),
                 .principal = {},
                 .kind = std::string(name(identity::PrincipalKind::anonymous)),
                 .action = std::string(http::name(context.route->method)),
                 .object = std::string(objectOf(context.path)),
                 .remote = std::string(remote),
                 .requestId = context.requestId,
                 .code = std::string(context.errorCode)};
  act.action.append(" ").append(context.route->path);
  if (context.principal == nullptr || context.principal->id.empty()) return act;
  act.principal = context.principal->id;
  act.kind = name(context.principal->kind);
  return act;
}

bool isRefusal(int status, const http::CallContext& context) {
  // A tenant that is somebody else's is as if it were not.
  const bool noTenant =
      status == 404 && context.membership == nullptr && !context.route->access.isOpen();
  return status == 401 || status == 403 || noTenant;
}

}  // namespace

void Auditing::run(const http::Call& call, const std::function<void()>& work) {
  if (!http::isAudited(call.route())) return work();
  http::CallContext& context = call.context();
  audit::Witness witness(log_, actOf(context, call.head().peer.address),
                         [&context] { context.audited = true; });
  const store::Accompanied accompanied(witness);
  work();
}

void Auditing::onAnswered(const http::Answered& answered, const http::CallContext& context) {
  next_.onAnswered(answered, context);
  if (context.route == nullptr) return;
  const int status = answered.sent.status;
  if (isRefusal(status, context)) return log_.appendRefusal(actOf(context, answered.remoteAddress));
  if (!http::isAudited(*context.route)) return;
  const bool succeeded = status < 400;
  // Strangers can make as many as they like.
  if (!succeeded && status != 0 && context.route->access.isOpen())
    return log_.appendRefusal(actOf(context, answered.remoteAddress));
  // A change is told of by its own unit; what failed without one has changed nothing, and who has
  // gone away (0) was told nothing.
  if (succeeded == context.audited || status == 0) return;
  audit::Act act = actOf(context, answered.remoteAddress);
  act.outcome = succeeded ? audit::Outcome::done : audit::Outcome::failed;
  log_.appendSoon(std::move(act));
}

}  // namespace corbel::gates
