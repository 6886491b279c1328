#include "native/prediction_text.h"

#include <utility>

#include "json/cursor.h"
#include "json/encode.h"

namespace corbel::native {
namespace {

double milliseconds(std::chrono::nanoseconds duration) {
  return static_cast<double>(duration / std::chrono::microseconds(1)) / 1000;
}

// The key of a class in `probabilities`: the registrant's label without quotes, else the file's,
// else its number.
std::string_view className(const models::ServedModel& served, std::size_t index,
                           std::string& scratch) {
  if (index < served.labels.size()) {
    const std::string_view label = served.labels[index];
    if (!label.starts_with('"')) return label;
    if (!label.contains('\\')) return label.substr(1, label.size() - 2);
    json::Cursor cursor(label);
    scratch = cursor.text().value_or(label);
    return scratch;
  }
  const auto& labels = served.engine->signature().classLabels;
  if (index < labels.size()) return labels[index];
  scratch = std::to_string(index);
  return scratch;
}

void writeNumbers(json::Writer& writer, const std::vector<double>& values) {
  if (values.size() == 1) return writer.value(values.front());
  writer.beginArray();
  for (const double value : values) writer.value(value);
  writer.endArray();
}

void writeLabel(json::Writer& writer, const inference::Signature& signature,
                std::string_view label) {
  signature.integerLabels ? writer.raw(label) : writer.value(label);
}

// A class as `prediction` and `importance.class` name it.
void writeClass(json::Writer& writer, const models::ServedModel& served, std::size_t index) {
  const inference::Signature& signature = served.engine->signature();
  if (index < served.labels.size()) return writer.raw(served.labels[index]);
  if (index >= signature.classLabels.size()) return writer.value(index);
  writeLabel(writer, signature, signature.classLabels[index]);
}

void writePrediction(json::Writer& writer, const models::ServedModel& served,
                     const inference::Prediction& prediction) {
  writer.key("prediction");
  const bool isRenamed = prediction.classIndex && *prediction.classIndex < served.labels.size();
  if (!isRenamed && !prediction.label.empty()) {
    writeLabel(writer, served.engine->signature(), prediction.label);
  } else if (prediction.classIndex) {
    writeClass(writer, served, *prediction.classIndex);
  } else if (!prediction.texts.empty()) {
    writer.beginArray();
    for (const std::string& text : prediction.texts) writer.value(text);
    writer.endArray();
  } else {
    writeNumbers(writer, prediction.values);
  }
}

void writeProbabilities(json::Writer& writer, const models::ServedModel& served,
                        const inference::Prediction& prediction) {
  if (const auto confidence = prediction.confidence()) writer.field("confidence", *confidence);
  if (prediction.probabilities.empty()) return;
  writer.key("probabilities");
  writer.beginObject();
  std::string scratch;
  for (std::size_t i = 0; i < prediction.probabilities.size(); ++i) {
    writer.field(className(served, i, scratch), prediction.probabilities[i]);
  }
  writer.endObject();
}

void writeImportance(json::Writer& writer, const models::ServedModel& served,
                     const models::FeatureImportance& importance) {
  writer.key("importance");
  writer.beginObject();
  writer.field("method", importance.method);
  writer.field("space", importance.space);
  if (importance.classIndex) {
    writer.key("class");
    writeClass(writer, served, *importance.classIndex);
  }
  writer.field("base", importance.base);
  writer.key("values");
  writer.beginObject();
  const auto& fields = served.plan.fields();
  for (std::size_t i = 0; i < importance.contributions.size(); ++i) {
    writer.field(fields[i].name, importance.contributions[i]);
  }
  writer.endObject();
  writer.endObject();
}

}  // namespace

std::string resultMembers(const models::ServedModel& served, const models::PredictionResult& result,
                          Confidence confidence) {
  std::string members;
  members.reserve(256);
  json::Writer writer(members);
  writePrediction(writer, served, result.prediction);
  if (confidence == Confidence::yes) writeProbabilities(writer, served, result.prediction);
  if (result.importance) writeImportance(writer, served, *result.importance);
  return members;
}

std::string_view name(FallbackKind kind) {
  switch (kind) {
    case FallbackKind::cache:
      return "cache";
    case FallbackKind::staleCache:
      return "staleCache";
    case FallbackKind::model:
      return "model";
    case FallbackKind::rule:
      return "rule";
    case FallbackKind::endpoint:
      return "endpoint";
  }
  std::unreachable();
}

namespace {

void writeDegraded(json::Writer& writer, const Degraded& degraded) {
  writer.field("degraded", true);
  writer.field("degradedReason", degraded.why);
  writer.key("fallback");
  writer.beginObject();
  writer.field("kind", name(degraded.kind));
  if (!degraded.model.empty()) writer.field("model", degraded.model);
  writer.endObject();
  if (degraded.kind == FallbackKind::staleCache) writer.field("stale", true);
}

}  // namespace

std::string predictionJson(std::string_view resultMembers, const Asked& asked,
                           const CallFacts& facts) {
  std::string out;
  out.reserve(resultMembers.size() + 320);
  out += '{';
  out += resultMembers;
  out += ',';
  json::Writer writer(out);
  writer.key("model");
  writer.beginObject();
  writer.field("id", asked.modelId);
  writer.field("name", asked.modelName);
  writer.endObject();
  writer.field("version", asked.version);
  writer.field("predictionId", facts.predictionId);
  writer.key("timing");
  writer.beginObject();
  writer.field("totalMs", milliseconds(facts.total));
  writer.field("inferenceMs", milliseconds(facts.inference));
  writer.endObject();
  writer.field("cached", facts.cached);
  facts.degraded ? writeDegraded(writer, *facts.degraded) : writer.field("degraded", false);
  writer.endObject();
  return out;
}

}  // namespace corbel::native
