#include "inference/tabular_model.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

namespace corbel::inference {
namespace {

std::unexpected<Error> unprocessable(std::string message) {
  return fail(ErrorCode::unprocessable, std::move(message));
}

bool isUtf8(const std::string& text) { return simdjson::validate_utf8(text); }

Result<void> checkNames(const TabularModel& model) {
  const std::uint32_t count = features(model);
  if (!model.featureNames.empty() && model.featureNames.size() != count) {
    return unprocessable(fmt::format("the file names {} features, the model has {}",
                                     model.featureNames.size(), count));
  }
  const auto* texts = std::get_if<std::vector<std::string>>(&model.classLabels);
  if (!std::ranges::all_of(model.featureNames, isUtf8) ||
      (texts != nullptr && !std::ranges::all_of(*texts, isUtf8))) {
    return unprocessable("a feature name or class label is not UTF-8");
  }
  return {};
}

Result<void> checkLabels(const TabularModel& model) {
  const std::size_t labels = size(model.classLabels);
  if (labels == 0) return {};
  const std::uint32_t count = outputs(model);
  if (labels == count || (labels == 2 && count == 1)) return {};
  return unprocessable(fmt::format("the model has {} class labels for {} outputs", labels, count));
}

Result<void> checkColumns(std::string_view what, std::size_t values, std::uint32_t features) {
  if (values == 1 || values == features) return {};
  return unprocessable(fmt::format("{} has {} values for {} features", what, values, features));
}

Result<void> checkTransform(const Transform& transform, std::uint32_t features) {
  if (const auto* scaler = std::get_if<Scaler>(&transform.step)) {
    CORBEL_CHECK(checkColumns("the scaler's offset", scaler->offset.size(), features));
    CORBEL_CHECK(checkColumns("the scaler's scale", scaler->scale.size(), features));
  }
  if (const auto* arithmetic = std::get_if<Arithmetic>(&transform.step)) {
    CORBEL_CHECK(checkColumns("the arithmetic step", arithmetic->values.size(), features));
  }
  if (const auto* imputer = std::get_if<Imputer>(&transform.step)) {
    CORBEL_CHECK(checkColumns("the imputer", imputer->values.size(), features));
  }
  return {};
}

}  // namespace

std::uint32_t features(const TabularModel& model) {
  return std::visit([](const auto& predictor) { return predictor.features; }, model.predictor);
}

std::uint32_t outputs(const TabularModel& model) {
  const auto raw =
      std::visit([](const auto& predictor) { return predictor.outputs; }, model.predictor);
  return model.finish == Finish::complement ? 2 : raw;
}

std::size_t size(const ClassLabels& labels) {
  return std::visit([](const auto& list) { return list.size(); }, labels);
}

Result<void> validate(const TabularModel& model) {
  CORBEL_CHECK(
      std::visit([](const auto& predictor) { return validate(predictor); }, model.predictor));
  for (const Transform& transform : model.transforms) {
    CORBEL_CHECK(checkTransform(transform, features(model)));
  }
  CORBEL_CHECK(checkNames(model));
  return checkLabels(model);
}

}  // namespace corbel::inference
