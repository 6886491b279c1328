// Users with their roles and sessions, as data about themselves.
#pragma once
#include "personal/personal.h"
#include "store/store.h"

namespace corbel::identity {

// `database` must outlive the place. Erasing fails (unprocessable) for the last user who is an
// owner of the tenant and may sign in; it goes first, so that nothing was erased then.
personal::Place personalUsers(store::Database& database);

}  // namespace corbel::identity
