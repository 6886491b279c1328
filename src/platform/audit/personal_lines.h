// Lines of the audit log as data about whoever did it.
#pragma once
#include "personal/personal.h"
#include "store/store.h"

namespace corbel::audit {

// Lines stay, and the chain with them: they lose who did it and from where. Lines that a program
// before this one has written keep both, because their hashes cover them. `database` must outlive
// the place.
personal::Place personalLines(store::Database& database);

}  // namespace corbel::audit
