// Reads nested lists as the tensors that a model declares.
#pragma once
#include "base/result.h"
#include "inference/model.h"
#include "inference/tensor.h"
#include "json/cursor.h"

namespace corbel::native {

// {"<input name>": nested lists}, or the lists alone where the model has one input; the first
// dimension, the rows, is free.
// invalid_argument: lists everything that is missing, unknown, of the wrong type or of the wrong
// length, each with its pointer below /input.
Result<inference::Tensors> readTensors(json::Cursor& cursor, const inference::Signature& signature);

}  // namespace corbel::native
