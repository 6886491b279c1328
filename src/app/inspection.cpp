#include "app/inspection.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <span>
#include <utility>
#include <vector>

#include "inference/model_readers.h"
#include "inference/onnx_runtime.h"
#include "models/signature_json.h"

namespace corbel::app {
namespace {

constexpr int kRefused = 2;
constexpr int kModelDescriptor = 3;

// Reading needs the file, its text as values, and the form that predicts; libraries map about 100
// MB.
exec::SandboxLimits limitsFor(std::int64_t fileBytes) {
  exec::SandboxLimits limits;
  limits.memoryBytes = 1024 * limits::kMiB + 40 * static_cast<std::uint64_t>(fileBytes);
  limits.cpuSeconds = 20;
  limits.threads = true;
  return limits;
}

Result<std::vector<std::byte>> readModel() {
  struct stat facts{};
  if (fstat(kModelDescriptor, &facts) != 0)
    return fail(ErrorCode::internal, "the model file is not open");
  std::vector<std::byte> bytes(static_cast<std::size_t>(facts.st_size));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        pread(kModelDescriptor, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (got <= 0) return fail(ErrorCode::internal, "the model file cannot be read");
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

// Only the first bytes are looked at, and only compared with constants.
bool looksLikeOnnx() {
  std::array<std::byte, 64> first{};
  const ssize_t got = pread(kModelDescriptor, first.data(), first.size(), 0);
  return got > 0 && inference::formatOf(std::span(first).first(static_cast<std::size_t>(got))) ==
                        inference::FileFormat::onnx;
}

Result<std::string> inspect(const exec::ChildTask& task, const Clock& clock) {
  inference::LoadOptions options;
  const std::string library = task.arguments.empty() ? "" : task.arguments[0];
  // Loaded before the sandbox closes: inside it no file can be opened.
  if (!library.empty() && looksLikeOnnx()) {
    auto runtime = inference::openOnnxRuntime({.library = library, .threads = 1}, clock);
    if (runtime) options.onnxRuntime = [held = *runtime] { return held; };
  }
  CORBEL_CHECK(exec::enterSandbox(task.limits));
  CORBEL_TRY(const auto bytes, readModel());
  CORBEL_TRY(const auto model, inference::load(bytes, options, clock, Deadline::never()));
  return models::toJson(model->signature());
}

}  // namespace

int runInspection(const exec::ChildTask& task) {
  const SystemClock clock;
  const auto outcome = inspect(task, clock);
  const std::string& text = outcome ? *outcome : outcome.error().message;
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  // Without destructors: libraries may wait for threads that the sandbox has stopped.
  _exit(outcome ? 0 : kRefused);
}

Result<inference::Signature> inspectInChild(const objects::ObjectFile& file,
                                            const std::string& onnxRuntimeLibrary,
                                            Deadline deadline, const Clock& clock) {
  const exec::ChildSpec spec{.task = std::string(kInspectTask),
                             .arguments = {onnxRuntimeLibrary},
                             .descriptors = {file.descriptor()},
                             .limits = limitsFor(file.sizeBytes())};
  CORBEL_TRY(const auto child, exec::runChild(spec, deadline, clock));
  if (child.ending == exec::Ending::exited && child.status == 0)
    return models::parseSignature(child.output);
  if (child.ending == exec::Ending::exited && child.status == kRefused) {
    return fail(ErrorCode::unprocessable, child.output);
  }
  return fail(ErrorCode::unprocessable,
              "model file: opening it " + exec::describe(child) +
                  "; the file may be damaged or too complex",
              child.errors);
}

}  // namespace corbel::app
