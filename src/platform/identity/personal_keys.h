// API keys, and what is known of tokens, as data about whoever made or showed them.
#pragma once
#include "identity/api_keys.h"
#include "identity/backend_tokens.h"
#include "personal/personal.h"
#include "store/store.h"

namespace corbel::identity {

// Everything must outlive the place.
personal::Place personalKeys(store::Database& database, ApiKeys& keys);
// `tokens`: null where there is no backend.
personal::Place personalTokens(BackendTokens* tokens);

}  // namespace corbel::identity
