// From an uploaded file to a version: stored by its content, opened in a sandbox, checked against
// what the model declares, registered. A file that does not pass leaves nothing behind.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "custody/custody.h"
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

  ArtifactIntake(Registry& registry, objects::ObjectStore& objects, const custody::Custody& custody,
                 Inspect inspect, const Clock& clock, std::int64_t maxFileBytes)
      : registry_(registry),
        objects_(objects),
        custody_(custody),
        inspect_(std::move(inspect)),
        clock_(clock),
        maxFileBytes_(maxFileBytes) {}

  // Where the file's bytes go. not_found: no such model. insufficient_storage: the tenant's quota
  // is used up. The writer, which this must outlive, also refuses (insufficient_storage) what would
  // pass the quota together with all that the tenant is sending, and (payload_too_large) a file
  // that could never be loaded.
  Result<std::unique_ptr<objects::ObjectWriter>> begin(const Scope& scope, std::string_view ref,
                                                       const Quota& quota);

  // All bytes were appended. The artifact and signature of `version` are filled in here; where its
  // artifactSha256 is given, in lower case, the file must have it. The time that sending took is
  // over: this has limits::kValidationDeadline, whatever scope.deadline says. payload_too_large:
  // the file has more than the maximum of bytes, so it could never be loaded. unprocessable: the
  // file is not the one meant, cannot be opened, or does not fit what the model declares. aborted:
  // the same content was being removed. Errors of the registry, the store and the disk pass
  // through.
  Result<Version> finish(const Scope& scope, std::string_view ref, objects::ObjectWriter& file,
                         NewVersion version, const Quota& quota);

 private:
  // Counts an upload for its tenant while it lives.
  class BoundedWriter;
  Result<void> checkFileSize(std::int64_t bytes) const;
  Result<Version> accept(const Scope& scope, std::string_view ref,
                         const objects::ObjectInfo& object, NewVersion version, const Quota& quota);

  Registry& registry_;
  objects::ObjectStore& objects_;
  const custody::Custody& custody_;
  Inspect inspect_;
  const Clock& clock_;
  const std::int64_t maxFileBytes_;
  Mutex mutex_;
  // Bytes of unfinished uploads, by tenant.
  std::map<std::string, std::int64_t, std::less<>> arriving_ CORBEL_GUARDED_BY(mutex_);
};

// The whole content of an object. unavailable: larger than `maxBytes`.
Result<std::string> readAll(const objects::ObjectFile& file, std::int64_t maxBytes);

}  // namespace corbel::models
