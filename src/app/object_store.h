// Where model files are kept.
#pragma once
#include <memory>

#include "app/database.h"
#include "base/clock.h"
#include "base/result.h"
#include "config/settings.h"
#include "custody/custody.h"
#include "objects/objects.h"
#include "resilience/dependency.h"

namespace corbel::app {

// The folder, or the bucket where s3.url is set, which is a dependency with `guard`. Errors are for
// the operator. Both must outlive the store.
Result<std::unique_ptr<objects::ObjectStore>> openObjectStore(
    const config::Settings& settings, const Clock& clock,
    const resilience::DependencyParts* guard = nullptr);

// Who needs which of them: versions and jobs. Both must outlive it.
std::unique_ptr<custody::Custody> openCustody(Installation& installation,
                                              objects::ObjectStore& objects);

}  // namespace corbel::app
