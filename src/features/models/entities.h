// What the model registry keeps: models, their immutable versions, and the aliases that point at
// versions.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace corbel::models {

// Which program trained it; informational, engines are chosen by the file's content.
enum class Framework : std::uint8_t { onnx, pytorch, tensorflow, sklearn, xgboost, lightgbm };

struct Model {
  std::string id;
  std::string name;  // unique among the tenant's models that are not archived
  std::string description;
  Framework framework = Framework::onnx;
  std::string category;
  std::string configuration;  // JSON object
  std::string inputSchema;    // JSON Schema subset (see declaration.h); empty: what the file says
  std::string outputSchema;   // JSON; empty: what the file says
  std::vector<std::string> tags;
  std::string card;       // Markdown
  int latestVersion = 0;  // 0: none yet
  int revision = 1;       // counts changes, for If-Match
  Timestamp createdAt;
  Timestamp updatedAt;
  std::optional<Timestamp> archivedAt;
};

// How far a version got, in the words that MLflow's registry made common. For people and their
// tools: which version answers is what aliases say.
enum class Stage : std::uint8_t { none, staging, production, archived };

// Immutable but for its stage. Exists only once an engine has opened the artifact.
struct Version {
  std::string id;
  std::string modelId;
  int number = 0;  // 1, 2, 3 ... within the model
  std::string artifactSha256;
  std::int64_t artifactBytes = 0;
  std::string signature;  // JSON, as read from the file: see signature_json.h
  std::string source;     // lineage: what it came from, in the registrant's words (a job, a commit)
  std::string dataHash;   // lineage: of the training data
  std::optional<int> parent;  // lineage: the version it was trained from
  std::string notes;
  Stage stage = Stage::none;
  std::string createdBy;
  Timestamp createdAt;
};

// One move of a version from stage to stage.
struct StageChange {
  Stage stage = Stage::none;
  Stage previous = Stage::none;
  std::string changedBy;
  Timestamp changedAt;
};

// A name that points at a version: "champion", "challenger", or any other.
struct Alias {
  std::string name;
  int version = 0;
  Timestamp updatedAt;
};

// One move of an alias. `version` empty: the alias was removed.
struct AliasChange {
  std::string alias;
  std::optional<int> version;
  std::optional<int> previous;
  std::string changedBy;
  Timestamp changedAt;
};

inline constexpr std::string_view kChampion = "champion";

std::string_view name(Framework framework);
std::optional<Framework> parseFramework(std::string_view name);
std::string_view name(Stage stage);
std::optional<Stage> parseStage(std::string_view name);

// Letters, digits, '.', '_' and '-', starting with a letter or digit, at most 128; not shaped like
// an id.
bool isModelName(std::string_view text);

}  // namespace corbel::models
