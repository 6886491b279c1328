#include <fmt/format.h>

#include "onnx_predictor.h"

namespace corbel::inference::onnx {

Result<Link> linkOf(std::string_view postTransform) {
  if (postTransform == "NONE") return Link::identity;
  if (postTransform == "LOGISTIC") return Link::sigmoid;
  if (postTransform == "SOFTMAX") return Link::softmax;
  if (postTransform == "SOFTMAX_ZERO") return Link::softmaxZero;
  if (postTransform == "PROBIT") return Link::probit;
  return fail(
      ErrorCode::unprocessable,
      fmt::format("post_transform: must be NONE, LOGISTIC, SOFTMAX, SOFTMAX_ZERO or PROBIT, "
                  "got \"{}\"",
                  excerpt(postTransform)));
}

Result<ClassLabels> labelsOf(const Node& node, std::string_view integers, std::string_view texts) {
  CORBEL_TRY(const auto strings, node.texts(texts));
  if (!strings.empty()) return std::vector<std::string>(strings.begin(), strings.end());
  return node.integers(integers);
}

Result<Predictor> readLinear(const Node& node, std::uint32_t features) {
  const bool classifier = node.type == "LinearClassifier";
  Predictor predictor;
  LinearModel model;
  // ONNX Runtime sums floats in an order of its own, up to 1e-5 off; sums in double are nearer to
  // the trainer's answer.
  model.precision = Precision::float64;
  CORBEL_TRY(model.coefficients, node.floats("coefficients"));
  CORBEL_TRY(model.intercepts, node.floats("intercepts"));
  CORBEL_TRY(const std::int64_t targets, node.integer("targets", 1));
  CORBEL_TRY(const std::string transform, node.text("post_transform", "NONE"));
  CORBEL_TRY(model.link, linkOf(transform));
  CORBEL_TRY(predictor.labels, labelsOf(node, "classlabels_ints", "classlabels_strings"));

  const std::int64_t outputs = classifier ? std::int64_t(model.intercepts.size()) : targets;
  if (outputs < 1 || outputs > std::int64_t{kMaxOutputs}) {
    return fail(ErrorCode::unprocessable, fmt::format("{}: {} outputs, allowed are 1 to {}",
                                                      node.type, outputs, kMaxOutputs));
  }
  if (classifier && outputs == 1)
    return notTabular("LinearClassifier with one row of coefficients");
  if (!classifier && model.link != Link::identity) {
    return notTabular(fmt::format("LinearRegressor with post_transform {}", transform));
  }
  model.outputs = static_cast<std::uint32_t>(outputs);
  if (model.intercepts.empty()) model.intercepts.resize(model.outputs);
  model.features = features;
  if (features == 0) {
    model.features = static_cast<std::uint32_t>(model.coefficients.size() / model.outputs);
  }
  CORBEL_CHECK(validate(model));
  predictor.model = std::move(model);
  return predictor;
}

}  // namespace corbel::inference::onnx
