// The error that isInDoubt() knows.
#pragma once
#include <string>

#include "base/result.h"

namespace corbel::store {

Error inDoubtError(std::string detail);

}  // namespace corbel::store
