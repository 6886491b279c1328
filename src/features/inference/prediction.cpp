#include "inference/prediction.h"

#include <algorithm>
#include <span>
#include <type_traits>

namespace corbel::inference {
namespace {

// The elements of one row: [first, last) of the flat values.
struct Slice {
  std::size_t first;
  std::size_t count;
};

Result<Slice> sliceOf(const Tensor& tensor, std::size_t row) {
  std::size_t total = 0;
  const bool counted = elementCount(tensor.shape, total);
  const auto rows =
      tensor.shape.empty() ? std::size_t{1} : static_cast<std::size_t>(tensor.shape[0]);
  if (!counted || row >= rows)
    return fail(ErrorCode::internal, "the model returned fewer rows than it got");
  return Slice{row * (total / rows), total / rows};
}

std::vector<double> numbersOf(const Tensor& tensor, Slice slice) {
  std::vector<double> numbers;
  numbers.reserve(slice.count);
  std::visit(
      [&]<class Element>(const std::vector<Element>& values) {
        if constexpr (!std::is_same_v<Element, std::string>) {
          for (const Element value : std::span(values).subspan(slice.first, slice.count)) {
            numbers.push_back(static_cast<double>(value));
          }
        }
      },
      tensor.values);
  return numbers;
}

std::vector<std::string> textsOf(const Tensor& tensor, Slice slice) {
  const auto* texts = std::get_if<std::vector<std::string>>(&tensor.values);
  if (texts == nullptr) return {};
  const auto part = std::span(*texts).subspan(slice.first, slice.count);
  return {part.begin(), part.end()};
}

std::string labelOf(const Tensor& tensor, Slice slice) {
  if (slice.count == 0) return {};
  if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(&tensor.values)) {
    return std::to_string((*numbers)[slice.first]);
  }
  auto texts = textsOf(tensor, slice);
  return texts.empty() ? std::string() : std::move(texts.front());
}

}  // namespace

Result<Prediction> predictionOf(const Signature& signature, const Tensors& outputs,
                                std::size_t row) {
  Prediction prediction;
  if (signature.task != ModelTask::classification) {
    CORBEL_TRY(const Slice slice, sliceOf(outputs[0], row));
    prediction.values = numbersOf(outputs[0], slice);
    prediction.texts = textsOf(outputs[0], slice);
    return prediction;
  }
  if (signature.probabilities >= 0) {
    const Tensor& tensor = outputs[static_cast<std::size_t>(signature.probabilities)];
    CORBEL_TRY(const Slice slice, sliceOf(tensor, row));
    prediction.probabilities = numbersOf(tensor, slice);
    const auto best = std::ranges::max_element(prediction.probabilities);
    prediction.classIndex = static_cast<std::size_t>(best - prediction.probabilities.begin());
  }
  if (signature.labels >= 0) {
    const Tensor& tensor = outputs[static_cast<std::size_t>(signature.labels)];
    CORBEL_TRY(const Slice slice, sliceOf(tensor, row));
    prediction.label = labelOf(tensor, slice);
  } else if (prediction.classIndex && *prediction.classIndex < signature.classLabels.size()) {
    prediction.label = signature.classLabels[*prediction.classIndex];
  }
  const auto named = std::ranges::find(signature.classLabels, prediction.label);
  if (!prediction.label.empty() && named != signature.classLabels.end()) {
    prediction.classIndex = static_cast<std::size_t>(named - signature.classLabels.begin());
  }
  return prediction;
}

}  // namespace corbel::inference
