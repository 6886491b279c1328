// OpenSSL's keys behind the types of signature.h.
#pragma once
#include <openssl/evp.h>

#include <memory>

#include "crypto/signature.h"

namespace corbel::crypto::detail {

struct OpenSslKey {
  explicit OpenSslKey(EVP_PKEY* owned) : pkey(owned, &EVP_PKEY_free) {}
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pkey;
};

}  // namespace corbel::crypto::detail
