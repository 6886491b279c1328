#include "native/row_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "base/json_text.h"
#include "base/text.h"
#include "json/cursor.h"

namespace corbel::native {
namespace {

using inference::FieldKind;

constexpr std::array<std::string_view, 3> kFormatNames = {"csv", "jsonl", "json"};
constexpr std::size_t kBlockBytes = std::size_t{64} * 1024;

// The file's characters, block by block.
class Characters {
 public:
  explicit Characters(const objects::ObjectFile& file) : file_(file) {}

  // Nothing at the end.
  Result<std::optional<char>> next() {
    if (at_ == block_.size()) {
      block_.resize(kBlockBytes);
      CORBEL_TRY(const std::size_t got,
                 file_.read(offset_, std::as_writable_bytes(std::span(block_))));
      block_.resize(got);
      offset_ += static_cast<std::int64_t>(got);
      at_ = 0;
      if (got == 0) return std::nullopt;
    }
    return block_[at_++];
  }
  double position() const {
    const auto read = offset_ - static_cast<std::int64_t>(block_.size() - at_);
    return file_.sizeBytes() == 0
               ? 1
               : static_cast<double>(read) / static_cast<double>(file_.sizeBytes());
  }

 private:
  const objects::ObjectFile& file_;
  std::string block_;
  std::size_t at_ = 0;
  std::int64_t offset_ = 0;
};

std::unexpected<Error> rowTooLong(std::int64_t row) {
  return fail(ErrorCode::unprocessable,
              fmt::format("Row {} has more than {} bytes.", row, kRowBytes));
}

class JsonLines final : public RowReader {
 public:
  explicit JsonLines(const objects::ObjectFile& file) : characters_(file) {}

  Result<std::optional<std::string_view>> next() override {
    for (;;) {
      line_.clear();
      CORBEL_TRY(const bool isLast, readLine());
      const auto text = trim(line_);
      if (!text.empty()) return text;
      if (isLast) return std::nullopt;
    }
  }
  double position() const override { return characters_.position(); }

 private:
  // True: the file ends with it.
  Result<bool> readLine() {
    ++row_;
    for (;;) {
      CORBEL_TRY(const auto c, characters_.next());
      if (!c) return true;
      if (*c == '\n') break;
      if (line_.size() == kRowBytes) return rowTooLong(row_);
      line_ += *c;
    }
    if (line_.ends_with('\r')) line_.pop_back();
    return false;
  }

  Characters characters_;
  std::string line_;
  std::int64_t row_ = 0;
};

// RFC 4180: quotes around a field, doubled within.
class Csv final : public RowReader {
 public:
  Csv(const objects::ObjectFile& file, const inference::InputPlan& plan)
      : characters_(file), plan_(plan) {}

  Result<void> readHeader() {
    CORBEL_TRY(const bool found, readRecord());
    if (!found || (fields_.size() == 1 && fields_[0].empty()))
      return fail(ErrorCode::unprocessable, "The first line must have the names of the features.");
    if (fields_[0].starts_with("\xEF\xBB\xBF")) fields_[0].erase(0, 3);
    for (const std::string& name : fields_) {
      const auto index = plan_.find(trim(name), columns_.size());
      if (!index) {
        return fail(ErrorCode::unprocessable,
                    fmt::format("The first line: '{}' is not a feature of this model.", name));
      }
      columns_.push_back(*index);
    }
    return {};
  }

  Result<std::optional<std::string_view>> next() override {
    CORBEL_TRY(const bool found, readRecord());
    if (!found) return std::nullopt;
    // As a list it is refused as a row, with the number of values that it should have.
    if (fields_.size() != columns_.size()) return asList();
    json_ = "{";
    for (std::size_t i = 0; i < fields_.size(); ++i) appendMember(columns_[i], fields_[i]);
    json_ += '}';
    return json_;
  }
  double position() const override { return characters_.position(); }

 private:
  std::string_view asList() {
    json_ = "[";
    for (const std::string& field : fields_) {
      if (json_.size() > 1) json_ += ',';
      appendJsonString(json_, field);
    }
    return json_ += ']';
  }

  // An empty field is a missing value.
  void appendMember(std::size_t column, std::string_view text) {
    const inference::InputField& field = plan_.fields()[column];
    if (text.empty() && !field.nullable) return;
    if (json_.size() > 1) json_ += ',';
    appendJsonString(json_, field.name);
    json_ += ':';
    const bool takesText = field.kind == FieldKind::category || field.kind == FieldKind::text;
    if (text.empty()) {
      json_ += "null";
    } else if (!takesText && isLiteral(trim(text))) {
      json_ += trim(text);
    } else {
      appendJsonString(json_, text);
    }
  }

  // A number or truth as JSON has it.
  static bool isLiteral(std::string_view text) {
    json::Cursor cursor(text);
    const auto token = cursor.token();
    if (token != json::Token::number && token != json::Token::boolean) return false;
    return cursor.skip() && cursor.finish();
  }

  // False: the file has ended. Empty lines are no records.
  Result<bool> readRecord() {
    enum class State : std::uint8_t { plain, quoted, closed };
    fields_.assign(1, {});
    ++row_;
    State state = State::plain;
    std::size_t bytes = 0;
    for (;;) {
      CORBEL_TRY(const auto c, characters_.next());
      if (!c && state == State::quoted) {
        return fail(ErrorCode::unprocessable,
                    fmt::format("Row {} has a quote that is not closed.", row_));
      }
      if (!c) return fields_.size() > 1 || !fields_[0].empty();
      if (++bytes > kRowBytes) return rowTooLong(row_);
      if (state == State::quoted) {
        if (*c == '"') {
          state = State::closed;
        } else {
          fields_.back() += *c;
        }
      } else if (*c == '"' && (state == State::closed || fields_.back().empty())) {
        if (state == State::closed) fields_.back() += '"';
        state = State::quoted;
      } else if (*c == ',') {
        fields_.emplace_back();
        state = State::plain;
      } else if (*c == '\n') {
        if (fields_.back().ends_with('\r') && state == State::plain) fields_.back().pop_back();
        if (fields_.size() > 1 || !fields_[0].empty()) return true;
        bytes = 0;
      } else if (!(state == State::closed && *c == '\r')) {
        fields_.back() += *c;
      }
    }
  }

  Characters characters_;
  const inference::InputPlan& plan_;
  std::vector<std::size_t> columns_;
  std::vector<std::string> fields_;
  std::string json_;
  std::int64_t row_ = 0;
};

class JsonList final : public RowReader {
 public:
  explicit JsonList(std::string text) : text_(std::move(text)), cursor_(text_) {}

  // To the list: all of the text, or its member "inputs".
  Result<void> find() {
    if (cursor_.token() == json::Token::object && cursor_.enterObject()) {
      wrapped_ = true;
      if (!cursor_.nextField() || cursor_.key() != "inputs") return wrong();
    }
    if (cursor_.token() != json::Token::array || !cursor_.enterArray()) return wrong();
    return {};
  }
  Result<std::optional<std::string_view>> next() override {
    if (cursor_.nextItem()) {
      if (const auto item = cursor_.raw()) return *item;
    }
    if (wrapped_ && !cursor_.failed() && cursor_.nextField()) return wrong();
    if (!cursor_.finish()) return wrong();
    return std::nullopt;
  }
  double position() const override {
    return static_cast<double>(cursor_.offset()) / static_cast<double>(text_.size());
  }

 private:
  std::unexpected<Error> wrong() const {
    if (cursor_.failed()) {
      Error error = cursor_.error();
      error.code = ErrorCode::unprocessable;
      return std::unexpected(std::move(error));
    }
    return fail(ErrorCode::unprocessable,
                "The file must be a JSON list of inputs, or {\"inputs\": […]}.");
  }

  const std::string text_;
  json::Cursor cursor_;
  bool wrapped_ = false;
};

Result<std::unique_ptr<RowReader>> openList(const objects::ObjectFile& file) {
  if (file.sizeBytes() > kJsonFileBytes) {
    return fail(
        ErrorCode::unprocessable,
        fmt::format("A JSON list may have {} bytes; send longer ones as jsonl.", kJsonFileBytes));
  }
  std::string text(static_cast<std::size_t>(file.sizeBytes()), '\0');
  CORBEL_TRY(const std::size_t got, file.read(0, std::as_writable_bytes(std::span(text))));
  text.resize(got);
  auto list = std::make_unique<JsonList>(std::move(text));
  CORBEL_CHECK(list->find());
  return list;
}

}  // namespace

std::string_view name(RowFormat format) { return kFormatNames[static_cast<std::size_t>(format)]; }

std::optional<RowFormat> parseRowFormat(std::string_view name) {
  const auto found = std::ranges::find(kFormatNames, name);
  if (found == kFormatNames.end()) return std::nullopt;
  return static_cast<RowFormat>(found - kFormatNames.begin());
}

Result<std::unique_ptr<RowReader>> openRows(const objects::ObjectFile& file, RowFormat format,
                                            const inference::InputPlan& plan) {
  switch (format) {
    case RowFormat::jsonl:
      return std::make_unique<JsonLines>(file);
    case RowFormat::json:
      return openList(file);
    case RowFormat::csv: {
      if (plan.form() != inference::InputForm::fields) {
        return fail(ErrorCode::unprocessable,
                    "This model takes no named features: send its inputs as jsonl.");
      }
      auto csv = std::make_unique<Csv>(file, plan);
      CORBEL_CHECK(csv->readHeader());
      return csv;
    }
  }
  std::unreachable();
}

}  // namespace corbel::native
