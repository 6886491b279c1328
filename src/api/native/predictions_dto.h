// What the native API shows and takes of predictions.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "json/describe.h"

namespace corbel::native {

struct PredictOptions {
  std::optional<int> version;
  std::optional<std::string> alias;
  bool includeConfidence = true;
  bool includeFeatureImportance = false;
  std::optional<int> timeoutMs;

  static constexpr auto rules() {
    using Self = PredictOptions;
    return std::array{
        json::rule<&Self::version>({.doc = "Default: the champion, else the latest.", .min = 1}),
        json::rule<&Self::alias>({.doc = "Instead of `version`.", .format = json::Format::name}),
        json::rule<&Self::includeConfidence>(
            {.doc = "Confidence and probabilities of classes.", .optional = true}),
        json::rule<&Self::includeFeatureImportance>(
            {.doc = "How much each feature moved the result: exact for forests and linear models, "
                    "sampled for others.",
             .optional = true}),
        json::rule<&Self::timeoutMs>(
            {.doc = "At most the server's inference.timeoutMs.", .min = 1, .max = 60'000})};
  }
};
BOOST_DESCRIBE_STRUCT(PredictOptions, (),
                      (version, alias, includeConfidence, includeFeatureImportance, timeoutMs))

struct PredictRequest {
  json::Raw input;
  PredictOptions options;

  static constexpr auto rules() {
    using Self = PredictRequest;
    return std::array{
        json::rule<&Self::input>(
            {.doc = "Named features, a list of all values, a base64 JPEG or PNG, or tensors.",
             .example = R"({"size":120,"age":12})"}),
        json::rule<&Self::options>(
            {.example = R"({"includeFeatureImportance":true})", .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(PredictRequest, (), (input, options))

struct ImportanceView {
  std::string method;
  std::string space;
  std::optional<json::Document> class_;
  double base = 0;
  std::map<std::string, double> values;

  static constexpr auto rules() {
    using Self = ImportanceView;
    return std::array{
        json::rule<&Self::method>(
            {.doc = "`treeshap` and `linear` are exact, `sampling` is an estimate."}),
        json::rule<&Self::space>({.doc = "What base and values add up to: the margin (before the "
                                         "link), a probability or a value."}),
        json::rule<&Self::class_>(
            {.doc = "Of a classifier: the class, as `prediction` names it, that the values speak "
                    "for."})};
  }
};
BOOST_DESCRIBE_STRUCT(ImportanceView, (), (method, space, class_, base, values))

struct PredictedBy {
  std::string id;
  std::string name;
};
BOOST_DESCRIBE_STRUCT(PredictedBy, (), (id, name))

struct TimingView {
  double totalMs = 0;
  double inferenceMs = 0;
};
BOOST_DESCRIBE_STRUCT(TimingView, (), (totalMs, inferenceMs))

// In the order in which they are tried.
enum class FallbackKind : std::uint8_t { cache, staleCache, model, rule, endpoint };
BOOST_DESCRIBE_ENUM(FallbackKind, cache, staleCache, model, rule, endpoint)

struct FallbackView {
  FallbackKind kind = FallbackKind::cache;
  std::optional<std::string> model;
  static constexpr auto rules() {
    using Self = FallbackView;
    return std::array{json::rule<&Self::model>({.doc = "The model that answered instead."})};
  }
};
BOOST_DESCRIBE_STRUCT(FallbackView, (), (kind, model))

struct PredictionView {
  json::Document prediction;
  std::optional<double> confidence;
  std::optional<std::map<std::string, double>> probabilities;
  std::optional<ImportanceView> importance;
  PredictedBy model;
  int version = 0;
  std::string predictionId;
  TimingView timing;
  bool cached = false;
  bool degraded = false;
  std::optional<std::string> degradedReason;
  std::optional<FallbackView> fallback;
  std::optional<bool> stale;

  static constexpr auto rules() {
    using Self = PredictionView;
    return std::array{
        json::rule<&Self::prediction>({.doc = "The class, as outputSchema or the file names it, or "
                                              "a number or list of numbers."}),
        json::rule<&Self::degraded>({.doc = "True when something else than the model answered."}),
        json::rule<&Self::degradedReason>({.doc = "Why the model did not."}),
        json::rule<&Self::fallback>({.doc = "What answered."}),
        json::rule<&Self::stale>({.doc = "True when the answer is one that expired."})};
  }
};
BOOST_DESCRIBE_STRUCT(PredictionView, (),
                      (prediction, confidence, probabilities, importance, model, version,
                       predictionId, timing, cached, degraded, degradedReason, fallback, stale))

}  // namespace corbel::native
