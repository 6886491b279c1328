#include "native/predict_input.h"

#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "crypto/encoding.h"
#include "json/cursor.h"
#include "native/input_problems.h"
#include "native/tensor_input.h"

namespace corbel::native {
namespace {

using inference::FieldKind;
using inference::InputPlan;
using inference::InputRow;

std::string wanted(const inference::InputField& field) {
  switch (field.kind) {
    case FieldKind::number:
      return "must be a number";
    case FieldKind::integer:
      return "must be an integer";
    case FieldKind::boolean:
      return "must be true or false";
    case FieldKind::category:
    case FieldKind::text:
      return "must be a text";
  }
  std::unreachable();
}

// Reads the value under the cursor into a field of the row.
void readValue(json::Cursor& cursor, const InputPlan& plan, std::size_t index, InputRow& row,
               std::string_view name, Problems& problems) {
  const inference::InputField& field = plan.fields()[index];
  const auto keep = [&](const Result<void>& outcome) {
    if (!outcome) problems.add(name, outcome.error());
  };
  const bool takesText = field.kind == FieldKind::category || field.kind == FieldKind::text;
  switch (cursor.token()) {
    case json::Token::number:
      if (takesText || field.kind == FieldKind::boolean) break;
      if (const auto number = cursor.number()) {
        if (!std::isfinite(number->value)) return problems.addForm(name, std::string(kTooLarge));
        keep(plan.put(row, index, number->value));
      }
      return;
    case json::Token::boolean:
      if (field.kind != FieldKind::boolean) break;
      return keep(plan.put(row, index, *cursor.boolean() ? 1.0 : 0.0));
    case json::Token::text:
      if (!takesText) break;
      if (const auto text = cursor.text()) keep(plan.put(row, index, *text));
      return;
    case json::Token::null:
      if (!field.nullable) break;
      cursor.null();
      return keep(plan.putMissing(row, index));
    case json::Token::object:
    case json::Token::array:
    case json::Token::none:
      break;
  }
  problems.addForm(name, wanted(field) + ", got " + std::string(json::name(cursor.token())));
  cursor.skip();
}

Result<InputRow> readNamed(json::Cursor& cursor, const InputPlan& plan) {
  InputRow row = plan.blankRow();
  std::vector<bool> seen(plan.fields().size());
  Problems problems;
  std::size_t expected = 0;
  cursor.enterObject();
  while (cursor.nextField()) {
    const auto field = plan.find(cursor.key(), expected);
    if (!field || seen[*field]) {
      const std::string name(cursor.key());
      problems.addForm(name, field ? "stands there twice" : "is not a feature of this model");
      cursor.skip();
      continue;
    }
    seen[*field] = true;
    expected = *field + 1;
    readValue(cursor, plan, *field, row, plan.fields()[*field].name, problems);
  }
  if (!cursor.finish()) return malformed(cursor);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (seen[i] || !plan.fields()[i].required) continue;
    problems.addForm(plan.fields()[i].name, "is required");
  }
  CORBEL_CHECK(std::move(problems).outcome());
  return row;
}

Result<InputRow> readListed(json::Cursor& cursor, const InputPlan& plan) {
  InputRow row = plan.blankRow();
  Problems problems;
  std::size_t index = 0;
  cursor.enterArray();
  for (; cursor.nextItem(); ++index) {
    if (index < plan.fields().size()) {
      readValue(cursor, plan, index, row, std::to_string(index), problems);
    } else {
      cursor.skip();
    }
  }
  if (!cursor.finish()) return malformed(cursor);
  if (index != plan.fields().size()) {
    return failField(std::string(kInput), "must hold " + std::to_string(plan.fields().size()) +
                                              " values, got " + std::to_string(index));
  }
  CORBEL_CHECK(std::move(problems).outcome());
  return row;
}

Result<models::PredictionInput> readFields(json::Cursor& cursor, const InputPlan& plan) {
  if (cursor.token() == json::Token::object) return readNamed(cursor, plan);
  if (cursor.token() == json::Token::array) return readListed(cursor, plan);
  return failField(std::string(kInput),
                   "must be an object of named features, or a list of all values, got " +
                       std::string(json::name(cursor.token())));
}

Result<models::PredictionInput> readImage(json::Cursor& cursor, const InputPlan& plan) {
  const auto text = cursor.text();
  if (!text) return failField(std::string(kInput), "must be a text: the base64 of a JPEG or PNG");
  std::string_view encoded = *text;
  if (encoded.starts_with("data:")) {
    const auto comma = encoded.find(";base64,");
    if (comma == std::string_view::npos)
      return failField(std::string(kInput), "must be a data URL with ;base64,");
    encoded.remove_prefix(comma + 8);
  }
  const auto bytes = crypto::fromBase64(encoded);
  if (!bytes) return failField(std::string(kInput), "is not valid base64");
  auto image = inference::decodeImage(std::as_bytes(std::span(*bytes)), plan.image().channels);
  if (!image) return failField(std::string(kInput), image.error().message, image.error().code);
  if (!cursor.finish()) return malformed(cursor);
  return *std::move(image);
}

}  // namespace

Result<models::PredictionInput> readInput(const InputPlan& plan,
                                          const inference::Signature& signature,
                                          std::string_view json) {
  json::Cursor cursor(json);
  switch (plan.form()) {
    case inference::InputForm::fields:
      return readFields(cursor, plan);
    case inference::InputForm::image:
      return readImage(cursor, plan);
    case inference::InputForm::tensors:
      return readTensors(cursor, signature);
  }
  std::unreachable();
}

}  // namespace corbel::native
