// What ONNX Runtime takes on trust although the file is hostile, checked before it sees the file.
#pragma once
#include "base/result.h"
#include "protobuf.h"

namespace corbel::inference::onnx {

// Tree ensembles name features, nodes and targets by index. ONNX Runtime refuses those that are too
// large and reads before its input where one is negative (seen in 1.20 to 1.23). Looks at every
// graph of the file: the main one, those inside attributes of If, Loop and Scan, and functions.
// unprocessable: names operator, attribute and index. Time linear in the file; graphs in graphs at
// most 16 deep.
Result<void> checkTreeIndexes(protobuf::Bytes file);

}  // namespace corbel::inference::onnx
