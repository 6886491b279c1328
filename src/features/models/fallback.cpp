#include "models/fallback.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/text.h"
#include "json/cursor.h"
#include "json/decode.h"
#include "models/entities.h"

namespace corbel::models {
namespace {

constexpr std::string_view kAt = "/configuration/fallback";
constexpr std::size_t kUrlBytes = 2048;

struct RuleSettings {
  std::string field;
  std::optional<double> below;
  std::optional<double> atLeast;
  std::optional<json::Document> equals;
  json::Document prediction;
};
BOOST_DESCRIBE_STRUCT(RuleSettings, (), (field, below, atLeast, equals, prediction))

struct FallbackSettings {
  std::optional<std::string> model;
  std::vector<RuleSettings> rules_;
  std::optional<json::Document> prediction;
  std::optional<std::string> url;

  static constexpr auto rules() {
    return std::array{json::rule<&FallbackSettings::rules_>({.maxItems = 100, .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(FallbackSettings, (), (model, rules_, prediction, url))

std::unexpected<Error> wrong(std::string_view field, std::string message) {
  return failField(std::string(kAt) + std::string(field), std::move(message),
                   ErrorCode::unprocessable);
}

Error underFallback(Error error) {
  error.code = ErrorCode::unprocessable;
  for (FieldError& field : error.fields) field.pointer.insert(0, kAt);
  if (!error.fields.empty())
    error.message = error.fields.front().pointer + ": " + error.fields.front().message;
  return error;
}

bool isUrl(std::string_view text) {
  return text.size() <= kUrlBytes && (text.starts_with("https://") || text.starts_with("http://"));
}

// 1, 1.0 and 1e0 are the same number.
bool isSame(std::string_view left, std::string_view right) {
  if (left == right) return true;
  const auto a = parseNumber<double>(left);
  const auto b = parseNumber<double>(right);
  return a && b && *a == *b;
}

using Fields = std::map<std::string, std::string, std::less<>>;

Fields fieldsOf(std::string_view input) {
  Fields fields;
  json::Cursor cursor(input);
  if (cursor.token() != json::Token::object || !cursor.enterObject()) return {};
  while (cursor.nextField()) {
    std::string name(cursor.key());
    if (const auto value = cursor.raw()) fields.insert_or_assign(std::move(name), *value);
  }
  return cursor.failed() ? Fields{} : fields;
}

bool holds(const FallbackRule& rule, const Fields& fields) {
  const auto field = fields.find(rule.field);
  if (field == fields.end()) return false;
  if (rule.equals && !isSame(field->second, *rule.equals)) return false;
  if (!rule.below && !rule.atLeast) return true;
  const auto number = parseNumber<double>(field->second);
  return number && (!rule.below || *number < *rule.below) &&
         (!rule.atLeast || *number >= *rule.atLeast);
}

}  // namespace

std::optional<std::string> Fallback::byRule(std::string_view input) const {
  if (rules.empty()) return prediction;
  const Fields fields = fieldsOf(input);
  const auto rule = std::ranges::find_if(
      rules, [&](const FallbackRule& candidate) { return holds(candidate, fields); });
  return rule == rules.end() ? prediction : rule->prediction;
}

Result<Fallback> parseFallback(std::string_view json) {
  auto settings = json::decode<FallbackSettings>(json);
  if (!settings) return std::unexpected(underFallback(std::move(settings).error()));
  Fallback fallback;
  fallback.model = settings->model.value_or("");
  fallback.url = settings->url.value_or("");
  if (settings->url && !isUrl(fallback.url))
    return wrong("/url", "must be an address as in https://app.example.com/ai-fallback");
  if (settings->prediction) fallback.prediction = std::move(settings->prediction->text);
  for (std::size_t i = 0; i < settings->rules_.size(); ++i) {
    RuleSettings& rule = settings->rules_[i];
    if (!rule.below && !rule.atLeast && !rule.equals)
      return wrong("/rules/" + std::to_string(i), "needs below, atLeast or equals");
    FallbackRule made{.field = std::move(rule.field),
                      .below = rule.below,
                      .atLeast = rule.atLeast,
                      .prediction = std::move(rule.prediction.text)};
    if (rule.equals) made.equals = std::move(rule.equals->text);
    fallback.rules.push_back(std::move(made));
  }
  if (fallback.empty()) return wrong("", "needs a model, rules, a prediction or a url");
  return fallback;
}

}  // namespace corbel::models
