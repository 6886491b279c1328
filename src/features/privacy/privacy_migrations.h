// The table of this module.
#pragma once
#include <span>

#include "store/migration.h"

namespace corbel::privacy {

std::span<const store::Migration> migrations();

}  // namespace corbel::privacy
