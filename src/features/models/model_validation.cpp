#include "models/model_validation.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "json/decode.h"
#include "json/describe.h"
#include "json/encode.h"

namespace corbel::models {
namespace {

constexpr int kAtOnce = 200;

struct Asked {
  std::optional<std::string> model;
};
BOOST_DESCRIBE_STRUCT(Asked, (), (model))

struct Damaged {
  std::string model;
  int version = 0;
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(Damaged, (), (model, version, reason))

struct Found {
  std::int64_t versions = 0;
  std::vector<Damaged> damaged;
};
BOOST_DESCRIBE_STRUCT(Found, (), (versions, damaged))

// The file's fault, and not that of a disk or store that cannot be read now.
bool isDamage(const Error& error) {
  return error.code == ErrorCode::unprocessable || error.code == ErrorCode::notFound ||
         error.code == ErrorCode::invalidArgument;
}

class Validation {
 public:
  Validation(const ModelValidationParts& parts, jobs::Context& context)
      : parts_(parts),
        context_(context),
        scope_{context.job().tenant, context.job().createdBy, context.deadline()} {}

  Result<std::string> run(const Asked& asked) {
    CORBEL_TRY(const auto all, models(asked));
    for (std::size_t i = 0; i < all.size(); ++i) {
      context_.progress(static_cast<double>(i) / static_cast<double>(all.size()), "validating",
                        all[i].name);
      CORBEL_CHECK(validate(all[i]));
    }
    return json::encode(found_);
  }

 private:
  Result<std::vector<Model>> models(const Asked& asked) const {
    if (asked.model) {
      CORBEL_TRY(auto one, parts_.registry.find(scope_, *asked.model));
      return std::vector{std::move(one)};
    }
    std::vector<Model> all;
    ModelQuery query;
    query.order = ModelOrder::name;
    query.descending = false;
    query.limit = kAtOnce;
    for (;;) {
      CORBEL_TRY(auto some, parts_.registry.list(scope_, query));
      for (Model& model : some) all.push_back(std::move(model));
      if (some.size() < kAtOnce) return all;
      query.afterValue = all.back().name;
      query.afterId = all.back().id;
    }
  }

  Result<void> validate(const Model& model) {
    VersionQuery query{.limit = kAtOnce, .stage = {}};
    for (;;) {
      CORBEL_TRY(const auto versions, parts_.registry.versions(scope_, model.id, query));
      for (const Version& version : versions) {
        if (context_.stopped()) return fail(ErrorCode::aborted, "The job was stopped.");
        CORBEL_CHECK(validate(model, version));
      }
      if (versions.size() < kAtOnce) return {};
      query.before = versions.back().number;
    }
  }

  Result<void> validate(const Model& model, const Version& version) {
    ++found_.versions;
    const auto opened = open(version);
    if (opened) return {};
    if (!isDamage(opened.error())) return opened;
    context_.log(
        fmt::format("{} version {}: {}", model.name, version.number, opened.error().message));
    if (found_.damaged.size() < limits::kFieldErrors)
      found_.damaged.push_back({model.name, version.number, opened.error().message});
    return {};
  }

  Result<void> open(const Version& version) {
    const Deadline deadline =
        scope_.deadline.earlier(Deadline::after(parts_.clock, limits::kValidationDeadline));
    CORBEL_TRY(const auto digest, objects::Digest::parse(version.artifactSha256));
    CORBEL_TRY(const auto file, parts_.objects.open(digest, deadline));
    CORBEL_CHECK(parts_.inspect(file, deadline));
    return {};
  }

  const ModelValidationParts& parts_;
  jobs::Context& context_;
  const Scope scope_;
  Found found_;
};

}  // namespace

jobs::Kind modelValidation(const ModelValidationParts& parts) {
  return {.name = kModelValidation,
          .doc =
              "Reads the files of model versions, compares them with their hashes and opens "
              "them in the sandbox.",
          .start = jobs::Start::byName,
          .attemptsMax = 3,
          .deadline = std::chrono::hours(6),
          .check = [](std::string_view, std::string_view input) -> Result<void> {
            CORBEL_CHECK(json::decode<Asked>(input));
            return {};
          },
          .run = [parts](jobs::Context& context) -> Result<std::string> {
            CORBEL_TRY(const auto asked, json::decode<Asked>(context.job().input));
            return Validation(parts, context).run(asked);
          }};
}

}  // namespace corbel::models
