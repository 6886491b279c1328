// Opening an uploaded model file where it can do no harm: a child process without files, network or
// much memory.
#pragma once
#include <string>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"
#include "exec/child.h"
#include "inference/model.h"
#include "objects/objects.h"

namespace corbel::app {

inline constexpr std::string_view kInspectTask = "inspect-model";

// In the server. unprocessable: no engine opened the file; the message says why. unavailable: no
// child could be started.
Result<inference::Signature> inspectInChild(const objects::ObjectFile& file,
                                            const std::string& onnxRuntimeLibrary,
                                            Deadline deadline, const Clock& clock);

// In the child: prints the signature, or the reason, and returns the exit status.
int runInspection(const exec::ChildTask& task);

}  // namespace corbel::app
