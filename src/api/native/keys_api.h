// API keys of the caller's tenant. See docs/access.md.
#pragma once
#include <tuple>

#include "http/route.h"
#include "identity/api_keys.h"
#include "identity/directory.h"
#include "native/identity_dto.h"
#include "native/page.h"

namespace corbel::native {

class KeysApi {
 public:
  KeysApi(identity::ApiKeys& keys, const identity::Directory& directory)
      : keys_(keys), directory_(directory) {}

  static constexpr auto routes() {
    using http::Permission;
    return std::tuple{
        http::get<&KeysApi::list>("/api/v1/ai/keys", Permission::keysRead, "List API keys"),
        http::post<&KeysApi::create>("/api/v1/ai/keys", Permission::keysWrite, "Make an API key"),
        http::get<&KeysApi::read>("/api/v1/ai/keys/{key}", Permission::keysRead, "Read an API key"),
        http::post<&KeysApi::rotate>("/api/v1/ai/keys/{key}/rotate", Permission::keysWrite,
                                     "Give a key a new secret"),
        http::del<&KeysApi::revoke>("/api/v1/ai/keys/{key}", Permission::keysWrite,
                                    "Revoke an API key"),
        http::post<&KeysApi::createForTenant>(
            "/api/v1/ai/tenants/{tenant}/keys", Permission::tenantsWrite,
            "Make a key for another tenant",
            {.description =
                 "For owners of the default tenant: how a new tenant gets its first key."})};
  }

 private:
  Result<Page<KeyView>> list(http::Call& call, const ListKeys& request);
  Result<http::Created<MintedKeyView>> create(http::Call& call, const NewKeyRequest& request);
  Result<KeyView> read(http::Call& call);
  Result<MintedKeyView> rotate(http::Call& call, const RotateKey& request);
  Result<http::NoContent> revoke(http::Call& call);
  Result<http::Created<MintedKeyView>> createForTenant(http::Call& call,
                                                       const NewKeyRequest& request);

  identity::ApiKeys& keys_;
  const identity::Directory& directory_;
};

}  // namespace corbel::native
