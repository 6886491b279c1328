#include "store/store.h"

#include <utility>

#include "base/text.h"
#include "in_doubt.h"

namespace corbel::store {
namespace {

constexpr std::size_t kValueBytes = 16 * limits::kMiB;
constexpr std::string_view kInDoubt =
    "it is not known whether this was stored: look before trying again";

// What PostgreSQL takes as text.
bool isText(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8Length(text);
    if (length == 0 || text.front() == '\0') return false;
    text.remove_prefix(length);
  }
  return true;
}

Result<void> check(const Value& value) {
  const auto* const text = std::get_if<std::string_view>(&value);
  const auto* const bytes = std::get_if<Bytes>(&value);
  const std::size_t size = text != nullptr ? text->size() : bytes != nullptr ? bytes->size() : 0;
  if (size > kValueBytes) {
    return fail(ErrorCode::payloadTooLarge, "a value is longer than the 16 MiB that can be stored");
  }
  if (text != nullptr && !isText(*text)) {
    return fail(ErrorCode::invalidArgument, "text must be UTF-8 without the character U+0000");
  }
  return {};
}

thread_local Companion* companionOfThisThread = nullptr;

}  // namespace

Accompanied::Accompanied(Companion& companion)
    : outer_(std::exchange(companionOfThisThread, &companion)) {}
Accompanied::~Accompanied() { companionOfThisThread = outer_; }
Companion* Accompanied::companion() { return companionOfThisThread; }

bool isInDoubt(const Error& error) { return error.message == kInDoubt; }

Error inDoubtError(std::string detail) {
  return {ErrorCode::internal, std::string(kInDoubt), std::move(detail), {}};
}

Result<std::int64_t> Reader::noted(Result<std::int64_t> outcome) {
  if (!outcome && !failure_) failure_ = outcome.error();
  return outcome;
}

Result<std::int64_t> Reader::run(const Statement& statement, std::span<const Value> values,
                                 Visit& visit) {
  if (failure_) return std::unexpected(*failure_);
  if (visiting_) {
    return noted(fail(ErrorCode::internal, "the database could not do this",
                      "a query within the rows of another"));
  }
  for (const Value& value : values) {
    if (auto good = check(value); !good) return noted(std::unexpected(std::move(good).error()));
  }
  Visit guarded = [&](const Row& row) {
    visiting_ = true;
    const bool more = visit(row);
    visiting_ = false;
    return more && !failure_;
  };
  auto outcome = runNow(statement, values, guarded);
  if (outcome && failure_) return std::unexpected(*failure_);
  return noted(std::move(outcome));
}

}  // namespace corbel::store
