#include "native/keys_api.h"

#include <utility>

namespace corbel::native {
namespace {

KeyView view(const identity::ApiKey& key) {
  return {.id = key.id,
          .name = key.name,
          .prefix = key.prefix,
          .role = key.role.empty() ? std::nullopt : std::optional(key.role),
          .permissions = key.permissions.names(),
          .limits = {key.limits.requestsPerMinute},
          .createdBy = key.createdBy,
          .createdAt = key.createdAt,
          .expiresAt = key.expiresAt,
          .lastUsedAt = key.lastUsedAt,
          .revokedAt = key.revokedAt};
}

MintedKeyView view(const identity::MintedKey& minted) {
  return {view(minted.key), std::string(minted.text.reveal())};
}

Result<identity::NewApiKey> toNewKey(const NewKeyRequest& request) {
  CORBEL_TRY(const auto permissions, identity::permissions(request.permissions));
  return identity::NewApiKey{.name = request.name,
                             .role = request.role.value_or(""),
                             .permissions = permissions,
                             .limits = {.requestsPerMinute = request.limits.requestsPerMinute},
                             .expiresAt = request.expiresAt};
}

// Answers with a secret in them must not be kept by anybody on the way.
void forbidStorage(http::Call& call) { call.addHeader("Cache-Control", "no-store"); }

}  // namespace

Result<Page<KeyView>> KeysApi::list(http::Call& call, const ListKeys& request) {
  CORBEL_TRY(auto found, keys_.list(call.actor(), request.cursor.value_or(""), request.limit + 1,
                                    call.deadline()));
  Page<KeyView> page;
  const auto limit = static_cast<std::size_t>(request.limit);
  if (found.size() > limit) {
    found.resize(limit);
    page.nextCursor = found.back().id;
  }
  for (const identity::ApiKey& key : found) page.items.push_back(view(key));
  return page;
}

Result<http::Created<MintedKeyView>> KeysApi::createForTenant(http::Call& call,
                                                              const NewKeyRequest& request) {
  if (call.tenant() != identity::kDefaultTenant) {
    return fail(ErrorCode::permissionDenied,
                "Only owners of the default tenant make keys for other tenants.");
  }
  CORBEL_TRY(const auto tenant, directory_.tenant(call.parameter("tenant"), call.actor()));
  CORBEL_TRY(const auto fresh, toNewKey(request));
  // The operator at work there, with what the caller has here: a key never has more than its maker.
  auto by = identity::operatorOf(tenant.id);
  by.limits = call.principal().limits;
  by.expiresAt = call.principal().expiresAt;
  by.memberships.front().roles = call.membership().roles;
  by.memberships.front().permissions = call.membership().permissions;
  CORBEL_TRY(const auto minted, keys_.create(fresh, {by, by.memberships.front()}, call.deadline()));
  forbidStorage(call);
  return http::Created<MintedKeyView>{"/api/v1/ai/keys/" + minted.key.id, view(minted)};
}

Result<http::Created<MintedKeyView>> KeysApi::create(http::Call& call,
                                                     const NewKeyRequest& request) {
  CORBEL_TRY(const auto fresh, toNewKey(request));
  CORBEL_TRY(const auto minted, keys_.create(fresh, call.actor(), call.deadline()));
  forbidStorage(call);
  return http::Created<MintedKeyView>{"/api/v1/ai/keys/" + minted.key.id, view(minted)};
}

Result<KeyView> KeysApi::read(http::Call& call) {
  CORBEL_TRY(const auto key, keys_.get(call.parameter("key"), call.actor(), call.deadline()));
  return view(key);
}

Result<MintedKeyView> KeysApi::rotate(http::Call& call, const RotateKey& request) {
  CORBEL_TRY(const auto minted,
             keys_.rotate(call.parameter("key"), std::chrono::seconds(request.graceSeconds),
                          call.actor(), call.deadline()));
  forbidStorage(call);
  return view(minted);
}

Result<http::NoContent> KeysApi::revoke(http::Call& call) {
  CORBEL_CHECK(keys_.revoke(call.parameter("key"), call.actor(), call.deadline()));
  return http::NoContent{};
}

}  // namespace corbel::native
