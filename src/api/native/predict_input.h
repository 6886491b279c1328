// Reads the `input` of a prediction by the plan of its model.
#pragma once
#include <string_view>

#include "base/result.h"
#include "inference/input_plan.h"
#include "models/predicting.h"

namespace corbel::native {

// `json` is the value of the request's "input":
//   named fields   {"age": 41, "city": "Rome"}, or a list of all values in the order of the fields
//   an image       "<base64 of a JPEG or PNG>", with or without "data:image/…;base64,"
//   tensors        {"<input name>": nested lists}, or the lists alone where the model has one input
// invalid_argument: missing, extra or wrongly typed values, each with its pointer below /input.
// unprocessable: values that the model's schema refuses, unknown categories, unreadable images.
Result<models::PredictionInput> readInput(const inference::InputPlan& plan,
                                          const inference::Signature& signature,
                                          std::string_view json);

}  // namespace corbel::native
