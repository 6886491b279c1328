#include "models/declaration.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/json_text.h"
#include "base/limits.h"
#include "json/cursor.h"
#include "json/decode.h"

namespace corbel::models {
namespace {

using inference::FieldKind;
using inference::InputField;

std::unexpected<Error> wrong(std::string pointer, std::string message) {
  return failField(std::move(pointer), std::move(message), ErrorCode::unprocessable);
}

// Moves an error of a part of the document under the pointer of that part.
Error under(const std::string& pointer, Error error) {
  error.code = ErrorCode::unprocessable;
  for (FieldError& field : error.fields) field.pointer = pointer + field.pointer;
  if (error.fields.empty()) error.fields.push_back({pointer, error.message});
  error.message = error.fields.front().pointer + ": " + error.fields.front().message;
  return error;
}

// Calls `member(name)` with the cursor on each member's value; the callee consumes it.
Result<void> eachMember(json::Cursor& cursor, const std::string& pointer, const auto& member) {
  if (cursor.token() != json::Token::object) return wrong(pointer, "must be an object");
  cursor.enterObject();
  while (cursor.nextField()) {
    const std::string key(cursor.key());
    CORBEL_CHECK(member(key));
  }
  if (cursor.failed()) return std::unexpected(under(pointer, cursor.error()));
  return {};
}

// The texts of a list of texts.
Result<std::vector<std::string>> readTexts(json::Cursor& cursor, const std::string& pointer) {
  std::vector<std::string> texts;
  if (cursor.token() != json::Token::array) return wrong(pointer, "must be a list of texts");
  cursor.enterArray();
  while (cursor.nextItem()) {
    const auto text = cursor.text();
    if (!text) return wrong(pointer, "must be a list of texts");
    texts.emplace_back(*text);
  }
  return texts;
}

Result<void> setType(InputField& field, std::string_view type, const std::string& pointer) {
  if (type == "number")
    field.kind = FieldKind::number;
  else if (type == "integer")
    field.kind = FieldKind::integer;
  else if (type == "boolean")
    field.kind = FieldKind::boolean;
  else if (type == "string")
    field.kind = FieldKind::category;
  else if (type == "null")
    field.nullable = true;
  else
    return wrong(pointer, "must be number, integer, boolean, string or null");
  return {};
}

Result<void> readType(json::Cursor& cursor, InputField& field, const std::string& pointer) {
  if (const auto one = cursor.text()) return setType(field, *one, pointer);
  CORBEL_TRY(const auto types, readTexts(cursor, pointer));
  for (const std::string& type : types) CORBEL_CHECK(setType(field, type, pointer));
  return {};
}

Result<std::optional<double>> readBound(json::Cursor& cursor, const std::string& pointer) {
  const auto number = cursor.number();
  if (!number) return wrong(pointer, "must be a number");
  return number->value;
}

Result<InputField> readField(json::Cursor& cursor, std::string name, const std::string& pointer) {
  InputField field;
  field.name = std::move(name);
  field.required = false;
  CORBEL_CHECK(eachMember(cursor, pointer, [&](const std::string& key) -> Result<void> {
    const std::string at = pointer + pointerPart(key);
    if (key == "type") return readType(cursor, field, at);
    if (key == "minimum") {
      CORBEL_TRY(field.minimum, readBound(cursor, at));
      return {};
    }
    if (key == "maximum") {
      CORBEL_TRY(field.maximum, readBound(cursor, at));
      return {};
    }
    if (key == "enum") {
      CORBEL_TRY(field.categories, readTexts(cursor, at));
      return {};
    }
    const bool known =
        key == "description" || key == "title" || key == "examples" || key == "default";
    if (!known)
      return wrong(at,
                   "is not supported here; allowed are type, minimum, maximum, enum, description");
    cursor.skip();
    return {};
  }));
  if (field.kind == FieldKind::category && field.categories.empty()) field.kind = FieldKind::text;
  if (field.kind != FieldKind::category && !field.categories.empty()) {
    return wrong(pointer + "/enum", "is for fields of type string");
  }
  if (field.minimum && field.maximum && *field.minimum > *field.maximum) {
    return wrong(pointer + "/minimum", "must not be above the maximum");
  }
  return field;
}

Result<std::vector<InputField>> readInputSchema(std::string_view schema) {
  std::vector<InputField> fields;
  std::vector<std::string> required;
  json::Cursor cursor(schema);
  CORBEL_CHECK(eachMember(cursor, "/inputSchema", [&](const std::string& key) -> Result<void> {
    const std::string at = "/inputSchema" + pointerPart(key);
    if (key == "required") {
      CORBEL_TRY(required, readTexts(cursor, at));
      return {};
    }
    if (key == "properties") {
      return eachMember(cursor, at, [&](const std::string& name) -> Result<void> {
        CORBEL_TRY(auto field, readField(cursor, name, at + pointerPart(name)));
        fields.push_back(std::move(field));
        return {};
      });
    }
    if (key == "type") {
      if (cursor.text() != "object") return wrong(at, "must be object");
      return {};
    }
    cursor.skip();
    return {};
  }));
  for (const std::string& name : required) {
    const auto field = std::ranges::find(fields, name, &InputField::name);
    if (field == fields.end())
      return wrong("/inputSchema/required", "names '" + name + "', which is no property");
    field->required = true;
  }
  return fields;
}

enum class ResizeWord { nearest, bilinear };
BOOST_DESCRIBE_ENUM(ResizeWord, nearest, bilinear)
enum class LayoutWord { channelsFirst, channelsLast };
BOOST_DESCRIBE_ENUM(LayoutWord, channelsFirst, channelsLast)

struct ImageSettings {
  int width = 0;
  int height = 0;
  int channels = 3;
  ResizeWord resize = ResizeWord::bilinear;
  LayoutWord layout = LayoutWord::channelsFirst;
  double scale = 1.0 / 255.0;
  std::vector<double> mean;
  std::vector<double> std_;

  static constexpr auto rules() {
    return std::array{json::rule<&ImageSettings::width>({.min = 1, .max = 4096}),
                      json::rule<&ImageSettings::height>({.min = 1, .max = 4096}),
                      json::rule<&ImageSettings::channels>({.min = 1, .max = 3, .optional = true}),
                      json::rule<&ImageSettings::resize>({.optional = true}),
                      json::rule<&ImageSettings::layout>({.optional = true}),
                      json::rule<&ImageSettings::scale>({.optional = true}),
                      json::rule<&ImageSettings::mean>({.maxItems = 3, .optional = true}),
                      json::rule<&ImageSettings::std_>({.maxItems = 3, .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(ImageSettings, (),
                      (width, height, channels, resize, layout, scale, mean, std_))

struct PreprocessingSettings {
  std::optional<ImageSettings> image;
};
BOOST_DESCRIBE_STRUCT(PreprocessingSettings, (), (image))

struct CacheSettings {
  int ttlSeconds = 0;
  static constexpr auto rules() {
    return std::array{json::rule<&CacheSettings::ttlSeconds>({.min = 0, .max = 30 * 24 * 3600})};
  }
};
BOOST_DESCRIBE_STRUCT(CacheSettings, (), (ttlSeconds))

// The parts of `configuration` that serving understands; the rest belongs to the registrant.
struct Configuration {
  std::optional<PreprocessingSettings> preprocessing;
  std::optional<CacheSettings> cache;
  std::optional<json::Document> fallback;
};
BOOST_DESCRIBE_STRUCT(Configuration, (), (preprocessing, cache, fallback))

Result<inference::ImagePreprocessing> toPreprocessing(const ImageSettings& settings) {
  const std::string at = "/configuration/preprocessing/image";
  const auto channels = static_cast<std::size_t>(settings.channels);
  if (channels == 2) return wrong(at + "/channels", "must be 1 (grey) or 3 (RGB)");
  if (static_cast<std::size_t>(settings.width) * static_cast<std::size_t>(settings.height) >
      limits::kPreparedPixels) {
    return wrong(at, "may have at most " + std::to_string(limits::kPreparedPixels) + " pixels");
  }
  inference::ImagePreprocessing image;
  image.width = static_cast<std::uint32_t>(settings.width);
  image.height = static_cast<std::uint32_t>(settings.height);
  image.channels = static_cast<std::uint32_t>(channels);
  image.resize = settings.resize == ResizeWord::nearest ? inference::Resize::nearest
                                                        : inference::Resize::bilinear;
  image.layout = settings.layout == LayoutWord::channelsFirst
                     ? inference::ImageLayout::channelsFirst
                     : inference::ImageLayout::channelsLast;
  image.scale = settings.scale;
  const std::string count = std::to_string(channels);
  if (!settings.mean.empty() && settings.mean.size() != channels)
    return wrong(at + "/mean", "needs " + count + " numbers");
  if (!settings.std_.empty() && settings.std_.size() != channels)
    return wrong(at + "/std", "needs " + count + " numbers");
  for (std::size_t c = 0; c < settings.mean.size(); ++c) image.mean[c] = settings.mean[c];
  for (std::size_t c = 0; c < settings.std_.size(); ++c) {
    if (settings.std_[c] == 0) return wrong(at + "/std/" + std::to_string(c), "must not be 0");
    image.standardDeviation[c] = settings.std_[c];
  }
  return image;
}

// As a class is named among the probabilities: 1 and "1" are the same there.
Result<std::string> keyOf(const std::string& label) {
  if (!label.starts_with('"')) return label;
  return json::decode<std::string>(label);
}

Result<std::vector<std::string>> readLabels(std::string_view schema) {
  std::vector<std::string> labels;
  std::set<std::string> keys;
  json::Cursor cursor(schema);
  CORBEL_CHECK(eachMember(cursor, "/outputSchema", [&](const std::string& key) -> Result<void> {
    if (key != "enum") {
      cursor.skip();
      return {};
    }
    if (cursor.token() != json::Token::array) return wrong("/outputSchema/enum", "must be a list");
    cursor.enterArray();
    while (cursor.nextItem()) {
      const std::string at = "/outputSchema/enum/" + std::to_string(labels.size());
      const bool scalar =
          cursor.token() != json::Token::object && cursor.token() != json::Token::array;
      const auto value = cursor.raw();
      if (!scalar || !value) return wrong("/outputSchema/enum", "must hold texts or numbers");
      labels.emplace_back(*value);
      CORBEL_TRY(auto named, keyOf(labels.back()));
      if (!keys.insert(std::move(named)).second) return wrong(at, "names a class a second time");
    }
    return {};
  }));
  return labels;
}

// 0: the file does not say.
std::size_t classesOf(const inference::Signature& signature) {
  if (!signature.classLabels.empty()) return signature.classLabels.size();
  const auto index = static_cast<std::size_t>(signature.probabilities);
  if (signature.probabilities < 0 || index >= signature.outputs.size()) return 0;
  const auto& shape = signature.outputs[index].shape;
  return shape.size() == 2 && shape[1] > 0 ? static_cast<std::size_t>(shape[1]) : 0;
}

}  // namespace

Result<void> checkLabels(const std::vector<std::string>& labels,
                         const inference::Signature& signature) {
  const std::size_t classes = classesOf(signature);
  if (labels.empty() || classes == 0 || labels.size() == classes) return {};
  return wrong("/outputSchema/enum", "names " + std::to_string(labels.size()) +
                                         " classes, the model file has " + std::to_string(classes));
}

Result<Declaration> parseDeclaration(const Model& model) {
  Declaration declaration;
  if (!model.inputSchema.empty()) {
    CORBEL_TRY(declaration.input.fields, readInputSchema(model.inputSchema));
  }
  if (!model.outputSchema.empty()) {
    CORBEL_TRY(declaration.labels, readLabels(model.outputSchema));
  }
  auto configuration = json::decode<Configuration>(model.configuration, json::Policy::lenient);
  if (!configuration)
    return std::unexpected(under("/configuration", std::move(configuration).error()));
  if (configuration->cache)
    declaration.cacheTtl = std::chrono::seconds(configuration->cache->ttlSeconds);
  if (configuration->fallback) {
    CORBEL_TRY(declaration.fallback, parseFallback(configuration->fallback->text));
  }
  if (configuration->preprocessing && configuration->preprocessing->image) {
    CORBEL_TRY(declaration.input.image, toPreprocessing(*configuration->preprocessing->image));
  }
  return declaration;
}

}  // namespace corbel::models
