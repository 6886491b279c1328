// The tables of this module.
#pragma once
#include <span>

#include "store/migration.h"

namespace corbel::jobs {

std::span<const store::Migration> migrations();

}  // namespace corbel::jobs
