#include "models/intake.h"

#include <chrono>
#include <span>
#include <utility>

#include "base/limits.h"
#include "inference/input_plan.h"
#include "models/declaration.h"
#include "models/signature_json.h"

namespace corbel::models {
namespace {

constexpr std::chrono::seconds kCommit{30};
constexpr std::chrono::seconds kRemovalDeadline{5};
// Longer than a file is committed and examined.
constexpr std::chrono::minutes kHold{10};

}  // namespace

class ArtifactIntake::BoundedWriter final : public objects::ObjectWriter {
 public:
  // `stored`: what the tenant has already. No quota: no bound but the file's own.
  BoundedWriter(ArtifactIntake& intake, std::string_view tenant, std::int64_t stored,
                std::optional<std::int64_t> quota, std::unique_ptr<objects::ObjectWriter> file)
      : intake_(intake), tenant_(tenant), stored_(stored), quota_(quota), file_(std::move(file)) {}
  ~BoundedWriter() override {
    const MutexLock lock(intake_.mutex_);
    const auto arriving = intake_.arriving_.find(tenant_);
    if (arriving == intake_.arriving_.end()) return;
    arriving->second -= bytes_;
    if (arriving->second == 0) intake_.arriving_.erase(arriving);
  }
  BoundedWriter(const BoundedWriter&) = delete;
  BoundedWriter& operator=(const BoundedWriter&) = delete;

  Result<void> append(std::span<const std::byte> bytes) override {
    CORBEL_CHECK(count(static_cast<std::int64_t>(bytes.size())));
    return file_->append(bytes);
  }
  Result<objects::Digest> digest() override { return file_->digest(); }
  Result<objects::ObjectInfo> commit() override { return file_->commit(); }

 private:
  Result<void> count(std::int64_t more) {
    CORBEL_CHECK(intake_.checkFileSize(bytes_ + more));
    const MutexLock lock(intake_.mutex_);
    std::int64_t& arriving = intake_.arriving_[tenant_];
    if (quota_ && stored_ + arriving + more > *quota_) {
      return fail(ErrorCode::insufficientStorage,
                  "With this file the tenant would use more than its storage of " +
                      std::to_string(*quota_) + " bytes.");
    }
    arriving += more;
    bytes_ += more;
    return {};
  }

  ArtifactIntake& intake_;
  const std::string tenant_;
  const std::int64_t stored_;
  const std::optional<std::int64_t> quota_;
  std::unique_ptr<objects::ObjectWriter> file_;
  std::int64_t bytes_ = 0;
};

Result<void> ArtifactIntake::checkFileSize(std::int64_t bytes) const {
  if (bytes <= maxFileBytes_) return {};
  return fail(ErrorCode::payloadTooLarge,
              "The model file has " + std::to_string(bytes) +
                  " bytes or more. Within its memory (memory.limitBytes) this server can load "
                  "files of up to " +
                  std::to_string(maxFileBytes_) + " bytes.");
}

Result<std::unique_ptr<objects::ObjectWriter>> ArtifactIntake::begin(const Scope& scope,
                                                                     std::string_view ref,
                                                                     const Quota& quota) {
  CORBEL_TRY(const Model model, registry_.find(scope, ref));
  if (model.archivedAt) return fail(ErrorCode::notFound, "The model is archived.");
  std::int64_t stored = 0;
  if (quota.storageBytes) {
    CORBEL_TRY(stored, registry_.storedBytes(scope));
    if (stored >= *quota.storageBytes) {
      return fail(
          ErrorCode::insufficientStorage,
          "This tenant's storage of " + std::to_string(*quota.storageBytes) + " bytes is used up.");
    }
  }
  CORBEL_TRY(auto file, objects_.begin());
  return std::make_unique<BoundedWriter>(*this, scope.tenant, stored, quota.storageBytes,
                                         std::move(file));
}

Result<Version> ArtifactIntake::finish(const Scope& scope, std::string_view ref,
                                       objects::ObjectWriter& file, NewVersion version,
                                       const Quota& quota) {
  CORBEL_TRY(custody::KeptObject object,
             custody_.commit(file, kHold, Deadline::after(clock_, kCommit)));
  Scope validation = scope;
  validation.deadline = Deadline::after(clock_, limits::kValidationDeadline);
  auto accepted = accept(validation, ref, object.info, std::move(version), quota);
  // With time of its own: what failed may have failed because its time was over.
  if (!accepted) custody_.giveUp(std::move(object), Deadline::after(clock_, kRemovalDeadline));
  return accepted;
}

Result<Version> ArtifactIntake::accept(const Scope& scope, std::string_view ref,
                                       const objects::ObjectInfo& object, NewVersion version,
                                       const Quota& quota) {
  const std::string digest = object.digest.hex();
  if (!version.artifactSha256.empty() && version.artifactSha256 != digest) {
    return failField("/sha256", "is not that of the file, whose SHA-256 is " + digest,
                     ErrorCode::unprocessable);
  }
  CORBEL_TRY(const Model model, registry_.find(scope, ref));
  CORBEL_TRY(const auto file, objects_.open(object.digest, scope.deadline));
  CORBEL_TRY(const auto signature, inspect_(file, scope.deadline));
  CORBEL_TRY(auto declaration, parseDeclaration(model));
  CORBEL_CHECK(inference::InputPlan::make(signature, std::move(declaration.input)));
  CORBEL_CHECK(checkLabels(declaration.labels, signature));
  version.artifactSha256 = digest;
  version.artifactBytes = object.sizeBytes;
  version.signature = toJson(signature);
  return registry_.addVersion(scope, ref, std::move(version), quota);
}

Result<std::string> readAll(const objects::ObjectFile& file, std::int64_t maxBytes) {
  if (file.sizeBytes() > maxBytes) {
    return fail(ErrorCode::unavailable, "The model file is larger than the " +
                                            std::to_string(maxBytes) +
                                            " bytes that this server may load.");
  }
  std::string content(static_cast<std::size_t>(file.sizeBytes()), '\0');
  CORBEL_TRY(const std::size_t got, file.read(0, std::as_writable_bytes(std::span(content))));
  if (got != content.size())
    return fail(ErrorCode::internal, "The model file could not be read.", "short read");
  return content;
}

}  // namespace corbel::models
