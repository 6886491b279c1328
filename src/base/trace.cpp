#include "base/trace.h"

#include <array>
#include <charconv>
#include <cstddef>

namespace corbel::trace {
namespace {

// "00-" trace id "-" span id "-" flags
constexpr std::size_t kTraceparent = 55;
constexpr std::size_t kTextBytes = 512;

thread_local Position here;

// Lower-case hexadecimal digits only, as the recommendation asks for.
std::optional<std::uint64_t> parseHex(std::string_view text) {
  if (text.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return number;
}

void appendHex(std::string& out, std::uint64_t number) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) out += kDigits[number >> shift & 15];
}

}  // namespace

std::optional<Context> parseTraceparent(std::string_view text) {
  if (text.size() < kTraceparent || text[2] != '-' || text[35] != '-' || text[52] != '-')
    return std::nullopt;
  const auto version = parseHex(text.substr(0, 2));
  const auto high = parseHex(text.substr(3, 16));
  const auto low = parseHex(text.substr(19, 16));
  const auto span = parseHex(text.substr(36, 16));
  const auto flags = parseHex(text.substr(53, 2));
  if (!version || !high || !low || !span || !flags || *version == 0xff) return std::nullopt;
  // Later versions may have more behind another dash.
  const bool whole = text.size() == kTraceparent || (*version > 0 && text[kTraceparent] == '-');
  if (!whole || (*high == 0 && *low == 0) || *span == 0) return std::nullopt;
  return Context{*high, *low, *span, (*flags & 1) != 0};
}

std::string toTraceparent(const Context& context) {
  std::string text = "00-";
  appendHex(text, context.traceHigh);
  appendHex(text, context.traceLow);
  text += '-';
  appendHex(text, context.spanId);
  return text += context.sampled ? "-01" : "-00";
}

const Position& current() { return here; }

std::string outgoingTraceparent() { return here.context ? toTraceparent(*here.context) : ""; }

Scope::Scope(const Position& position) : before_(std::exchange(here, position)) {}
Scope::~Scope() { here = before_; }

void Span::begin(std::string_view name, std::string_view detail, Kind kind) {
  before_ = here;
  FinishedSpan& span = span_.emplace();
  span.context = *before_.context;
  span.parentSpanId = span.context.spanId;
  span.context.spanId = before_.recorder->newSpanId();
  span.name.assign(name);
  if (!detail.empty()) span.name.append(" ").append(detail);
  span.kind = kind;
  span.startNs = before_.recorder->nowNs();
  here.context = span.context;
}

void Span::set(std::string_view name, std::string_view text) {
  if (span_) span_->attributes.push_back({name, std::string(text.substr(0, kTextBytes))});
}

void Span::set(std::string_view name, std::int64_t number) {
  if (span_) span_->attributes.push_back({name, number});
}

void Span::fail(std::string_view reason) {
  if (span_) span_->failure.emplace(reason.substr(0, kTextBytes));
}

void Span::end() {
  here = before_;
  span_->endNs = before_.recorder->nowNs();
  before_.recorder->record(*std::move(span_));
}

}  // namespace corbel::trace
