// From an uploaded file to a version: stored by its content, opened in a sandbox, checked against
// what the model declares, registered. A file that does not pass leaves nothing behind.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "inference/model.h"
#include "models/registry.h"
#include "objects/objects.h"

namespace corbel::models {

// Thread-safe; every function waits.
class ArtifactIntake {
 public:
  // Opens the file where it can do no harm, and tells what it is. unprocessable: no engine can open
  // it.
  using Inspect = std::function<Result<inference::Signature>(const objects::ObjectFile&, Deadline)>;

  ArtifactIntake(Registry& registry, objects::ObjectStore& objects, Inspect inspect,
                 const Clock& clock)
      : registry_(registry), objects_(objects), inspect_(std::move(inspect)), clock_(clock) {}

  // Where the file's bytes go. not_found: no such model. insufficient_storage: the tenant's quota
  // is used up.
  Result<std::unique_ptr<objects::ObjectWriter>> begin(const Scope& scope, std::string_view ref,
                                                       const Quota& quota);

  // All bytes were appended. The artifact and signature of `version` are filled in here; where its
  // artifactSha256 is given, in lower case, the file must have it. The time that sending took is
  // over: this has limits::kValidationDeadline, whatever scope.deadline says. unprocessable: the
  // file is not the one meant, cannot be opened, or does not fit the model's inputSchema. aborted:
  // the same content was just being removed. Errors of the registry, the store and the disk pass
  // through.
  Result<Version> finish(const Scope& scope, std::string_view ref, objects::ObjectWriter& file,
                         NewVersion version, const Quota& quota);

 private:
  // Keeps an object from being removed while one of several uploads of it is under way.
  class InUse;
  Result<Version> accept(const Scope& scope, std::string_view ref,
                         const objects::ObjectInfo& object, NewVersion version, const Quota& quota);
  void removeIfUnused(const objects::Digest& digest);

  Registry& registry_;
  objects::ObjectStore& objects_;
  Inspect inspect_;
  const Clock& clock_;
  Mutex mutex_;
  std::map<objects::Digest, int> inUse_ CORBEL_GUARDED_BY(mutex_);
};

// The whole content of an object. unavailable: larger than `maxBytes`.
Result<std::string> readAll(const objects::ObjectFile& file, std::int64_t maxBytes);

}  // namespace corbel::models
