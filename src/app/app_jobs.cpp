// What jobs work with.
#include "app/app.h"
#include "app/inspection.h"
#include "app/onnx_library.h"

namespace corbel::app {

models::ArtifactIntake::Inspect App::inspector() {
  return [this](const objects::ObjectFile& file, Deadline deadline) {
    return inspectInChild(file, onnxRuntimeLibrary(settings_.inference), deadline,
                          installation_->clock);
  };
}

void App::buildJobs() {
  jobs_ = std::make_unique<JobsPart>(JobsPart::Parts{.settings = settings_.jobs,
                                                     .database = *installation_->database,
                                                     .outbox = *installation_->outbox,
                                                     .ids = installation_->ids,
                                                     .random = installation_->random,
                                                     .clock = installation_->clock,
                                                     .metrics = metrics_,
                                                     .registry = *registry_,
                                                     .custody = *custody_,
                                                     .directory = *installation_->directory,
                                                     .inspect = inspector(),
                                                     .serving = *serving_,
                                                     .objects = *objects_,
                                                     .uploads = *apiPool_,
                                                     .memory = memoryGuard_});
}

}  // namespace corbel::app
