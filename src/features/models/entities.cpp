#include "models/entities.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/id.h"

namespace corbel::models {
namespace {

constexpr std::array<std::pair<Framework, std::string_view>, 6> kFrameworks = {
    {{Framework::onnx, "onnx"},
     {Framework::pytorch, "pytorch"},
     {Framework::tensorflow, "tensorflow"},
     {Framework::sklearn, "sklearn"},
     {Framework::xgboost, "xgboost"},
     {Framework::lightgbm, "lightgbm"}}};

constexpr std::array<std::pair<Stage, std::string_view>, 4> kStages = {
    {{Stage::none, "none"},
     {Stage::staging, "staging"},
     {Stage::production, "production"},
     {Stage::archived, "archived"}}};

template <class Word, std::size_t Count>
std::string_view nameIn(const std::array<std::pair<Word, std::string_view>, Count>& words,
                        Word word) {
  return std::ranges::find(words, word, &std::pair<Word, std::string_view>::first)->second;
}

template <class Word, std::size_t Count>
std::optional<Word> wordIn(const std::array<std::pair<Word, std::string_view>, Count>& words,
                           std::string_view name) {
  const auto found = std::ranges::find(words, name, &std::pair<Word, std::string_view>::second);
  return found == words.end() ? std::nullopt : std::optional(found->first);
}

}  // namespace

std::string_view name(Framework framework) { return nameIn(kFrameworks, framework); }
std::optional<Framework> parseFramework(std::string_view name) { return wordIn(kFrameworks, name); }
std::string_view name(Stage stage) { return nameIn(kStages, stage); }
std::optional<Stage> parseStage(std::string_view name) { return wordIn(kStages, name); }

bool isModelName(std::string_view text) {
  const auto isLetterOrDigit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (text.empty() || text.size() > 128 || !isLetterOrDigit(text[0]) || isUuid(text)) return false;
  return std::ranges::all_of(
      text, [&](char c) { return isLetterOrDigit(c) || c == '.' || c == '_' || c == '-'; });
}

}  // namespace corbel::models
