#include "trace/otlp_message.h"

#include <cstdint>
#include <string_view>

namespace corbel::trace {
namespace {

// The numbers of the fields are those of opentelemetry-proto's trace.proto, common.proto and
// resource.proto.
class Message {
 public:
  void number(unsigned field, std::uint64_t value) {
    varint(field << 3);
    varint(value);
  }
  void fixed64(unsigned field, std::uint64_t value) {
    varint(field << 3 | 1);
    for (int shift = 0; shift < 64; shift += 8) bytes_ += static_cast<char>(value >> shift & 0xff);
  }
  void text(unsigned field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    bytes_ += value;
  }
  void message(unsigned field, const Message& value) { text(field, value.bytes_); }
  std::string take() && { return std::move(bytes_); }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

std::string bigEndian(std::initializer_list<std::uint64_t> numbers) {
  std::string bytes;
  for (const std::uint64_t number : numbers) {
    for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xff);
  }
  return bytes;
}

Message keyValue(std::string_view key, const std::variant<std::string, std::int64_t>& value) {
  Message any;
  if (const auto* text = std::get_if<std::string>(&value)) {
    any.text(1, *text);
  } else {
    any.number(3, static_cast<std::uint64_t>(std::get<std::int64_t>(value)));
  }
  Message pair;
  pair.text(1, key);
  pair.message(2, any);
  return pair;
}

unsigned otlpKind(Kind kind) {
  switch (kind) {
    case Kind::internal:
      return 1;
    case Kind::server:
      return 2;
    case Kind::client:
      return 3;
  }
  return 0;
}

Message spanMessage(const FinishedSpan& span) {
  constexpr unsigned kStatusError = 2;
  Message message;
  message.text(1, bigEndian({span.context.traceHigh, span.context.traceLow}));
  message.text(2, bigEndian({span.context.spanId}));
  if (span.parentSpanId != 0) message.text(4, bigEndian({span.parentSpanId}));
  message.text(5, span.name);
  message.number(6, otlpKind(span.kind));
  message.fixed64(7, static_cast<std::uint64_t>(span.startNs));
  message.fixed64(8, static_cast<std::uint64_t>(span.endNs));
  for (const Attribute& attribute : span.attributes)
    message.message(9, keyValue(attribute.name, attribute.value));
  if (span.failure) {
    Message status;
    status.text(2, *span.failure);
    status.number(3, kStatusError);
    message.message(15, status);
  }
  return message;
}

}  // namespace

std::string toOtlp(std::span<const FinishedSpan> spans, const ServiceName& service) {
  Message resource;
  resource.message(1, keyValue("service.name", service.name));
  resource.message(1, keyValue("service.version", service.version));
  resource.message(1, keyValue("service.instance.id", service.instance));
  Message scope;
  scope.text(1, "corbel");
  Message scopeSpans;
  scopeSpans.message(1, scope);
  for (const FinishedSpan& span : spans) scopeSpans.message(2, spanMessage(span));
  Message resourceSpans;
  resourceSpans.message(1, resource);
  resourceSpans.message(2, scopeSpans);
  Message request;
  request.message(1, resourceSpans);
  return std::move(request).take();
}

}  // namespace corbel::trace
