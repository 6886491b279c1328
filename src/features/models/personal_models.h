// Versions and their history as data about whoever made them.
#pragma once
#include "personal/personal.h"
#include "store/store.h"

namespace corbel::models {

// `database` must outlive the place.
personal::Place personalModels(store::Database& database);

}  // namespace corbel::models
