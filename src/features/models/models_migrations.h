// Tables of the model registry.
#pragma once
#include <span>

#include "store/migration.h"

namespace corbel::models {

std::span<const store::Migration> migrations();

}  // namespace corbel::models
