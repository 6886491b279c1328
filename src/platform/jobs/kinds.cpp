#include "jobs/kinds.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace corbel::jobs {
namespace {

constexpr std::array<std::string_view, 5> kStatusNames = {"queued", "running", "succeeded",
                                                          "failed", "cancelled"};

}  // namespace

std::string_view name(Status status) { return kStatusNames[static_cast<std::size_t>(status)]; }

std::optional<Status> parseStatus(std::string_view name) {
  const auto found = std::ranges::find(kStatusNames, name);
  if (found == kStatusNames.end()) return std::nullopt;
  return static_cast<Status>(found - kStatusNames.begin());
}

bool isWorthRetrying(ErrorCode code) {
  switch (code) {
    case ErrorCode::internal:
    case ErrorCode::unavailable:
    case ErrorCode::aborted:
    case ErrorCode::deadlineExceeded:
    case ErrorCode::resourceExhausted:
    case ErrorCode::insufficientStorage:
      return true;
    case ErrorCode::invalidArgument:
    case ErrorCode::unauthenticated:
    case ErrorCode::permissionDenied:
    case ErrorCode::notFound:
    case ErrorCode::methodNotAllowed:
    case ErrorCode::requestTimeout:
    case ErrorCode::alreadyExists:
    case ErrorCode::failedPrecondition:
    case ErrorCode::payloadTooLarge:
    case ErrorCode::unsupportedMediaType:
    case ErrorCode::unprocessable:
    case ErrorCode::headerTooLarge:
      return false;
  }
  return false;
}

Result<void> checkInput(const Kind& kind, std::string_view tenant, std::string_view input) {
  if (input.size() > kInputBytes) {
    return failField("/input", "must have at most " + std::to_string(kInputBytes) + " bytes, got " +
                                   std::to_string(input.size()));
  }
  if (!kind.check) return {};
  auto checked = kind.check(tenant, input);
  if (checked) return {};
  Error error = std::move(checked).error();
  for (FieldError& field : error.fields) field.pointer.insert(0, "/input");
  if (error.message.starts_with('/')) error.message.insert(0, "/input");
  return std::unexpected(std::move(error));
}

const Kind* Kinds::find(std::string_view name) const {
  const auto found = kinds_.find(name);
  return found == kinds_.end() ? nullptr : &found->second;
}

std::vector<const Kind*> Kinds::all() const {
  std::vector<const Kind*> all;
  all.reserve(kinds_.size());
  for (const auto& [name, kind] : kinds_) all.push_back(&kind);
  return all;
}

std::string Kinds::names() const {
  std::string names = ",";
  for (const auto& [name, kind] : kinds_) names.append(name).append(",");
  return names;
}

}  // namespace corbel::jobs
