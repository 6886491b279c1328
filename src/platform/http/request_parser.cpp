#include "request_parser.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "base/result.h"
#include "base/text.h"
#include "characters.h"
#include "http/message.h"

namespace corbel::http {
namespace {

constexpr std::size_t kFieldsMax = 128;

std::unexpected<Error> malformed(std::string message) {
  return fail(ErrorCode::invalidArgument, std::move(message));
}

std::unexpected<Error> tooLarge() {
  return fail(ErrorCode::headerTooLarge, "the request line and headers must not be longer than " +
                                             std::to_string(limits::kHeaderBytes) +
                                             " bytes or have more than " +
                                             std::to_string(kFieldsMax) + " fields");
}

std::optional<Method> methodNamed(std::string_view text) {
  for (const Method method : {Method::post, Method::get, Method::put, Method::patch, Method::del,
                              Method::head, Method::options}) {
    if (name(method) == text) return method;
  }
  return std::nullopt;
}

}  // namespace

void RequestParser::reset() {
  auto fields = std::move(fields_);
  fields.clear();
  *this = RequestParser();
  fields_ = std::move(fields);
}

Result<bool> RequestParser::parse(std::string_view text) {
  while (true) {
    const std::size_t newline = text.find('\n', scanned_);
    if (newline == std::string_view::npos) {
      scanned_ = text.size();
      if (text.size() > limits::kHeaderBytes) return tooLarge();
      // What cannot become a request (a TLS hello, another protocol) need not wait for its first
      // line to end.
      if (!sawRequestLine_ && text.size() > lineStart_ && text[lineStart_] != '\r' &&
          !is(text[lineStart_], kToken)) {
        return malformed("request line: must start with a method, as in \"GET /health HTTP/1.1\"");
      }
      return false;
    }
    if (newline >= limits::kHeaderBytes) return tooLarge();
    if (newline == lineStart_ || text[newline - 1] != '\r') {
      return malformed("request head: every line must end with CR LF, not with a bare LF");
    }
    const std::string_view line = text.substr(lineStart_, newline - 1 - lineStart_);
    lineStart_ = scanned_ = newline + 1;
    if (sawRequestLine_) {
      if (line.empty()) return finish();
      CORBEL_CHECK(parseField(text, line));
    } else if (line.empty() && !sawEmptyLine_) {
      sawEmptyLine_ = true;  // RFC 9112, 2.2: old clients send one after a body
    } else {
      CORBEL_CHECK(parseRequestLine(text, line));
      sawRequestLine_ = true;
    }
  }
}

Result<void> RequestParser::parseRequestLine(std::string_view text, std::string_view line) {
  std::string_view rest = line;
  const std::string_view method = takeUntil(rest, ' ');
  const std::string_view target = takeUntil(rest, ' ');
  if (method.empty() || !isAll(method, kToken)) {
    return malformed("request line: must start with a method, as in \"GET /health HTTP/1.1\"");
  }
  if (rest != "HTTP/1.1" && rest != "HTTP/1.0") {
    return malformed("request line: must be \"METHOD target HTTP/1.1\" with single spaces");
  }
  const auto known = methodNamed(method);
  if (!known) {
    return fail(ErrorCode::methodNotAllowed,
                "the method must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS");
  }
  method_ = *known;
  http10_ = closes_ = rest == "HTTP/1.0";
  return parseTarget(text, target);
}

Result<void> RequestParser::parseTarget(std::string_view text, std::string_view target) {
  if (!isAll(target, kTargetText)) {
    return malformed(
        "request target: must be visible ASCII without '#'; other characters are "
        "percent-encoded");
  }
  if (target.starts_with('/') || (target == "*" && method_ == Method::options)) {
    target_ = part(text, target);
    return {};
  }
  return parseAbsoluteTarget(text, target);
}

// RFC 9112, 3.2.2: a server must accept this form, and its authority counts instead of Host.
Result<void> RequestParser::parseAbsoluteTarget(std::string_view text, std::string_view target) {
  const auto scheme = target.find("://");
  const std::string_view name = target.substr(0, scheme);
  if (scheme == std::string_view::npos ||
      !(equalsIgnoringCase(name, "http") || equalsIgnoringCase(name, "https"))) {
    return malformed("request target: must start with '/' or be an http URL");
  }
  const std::string_view behind = target.substr(scheme + 3);
  const auto pathStart = std::min(behind.find('/'), behind.size());
  const std::string_view authority = behind.substr(0, pathStart);
  if (authority.empty() || !isAll(authority, kHostText)) {
    return malformed("request target: must name a host without user information");
  }
  if (pathStart == behind.size()) {
    return malformed("request target: must have a path, at least '/'");
  }
  authority_ = part(text, authority);
  target_ = part(text, behind.substr(pathStart));
  return {};
}

Result<void> RequestParser::parseField(std::string_view text, std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') {
    return malformed("header: must not be continued on the next line");
  }
  std::size_t colon = 0;
  while (colon < line.size() && is(line[colon], kToken)) ++colon;
  if (colon == 0 || colon == line.size() || line[colon] != ':') {
    return malformed("header: must be \"Name: value\" without a space before the colon");
  }
  const std::string_view name = line.substr(0, colon);
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  if (!isAll(value, kFieldText)) {
    return malformed("header '" + std::string(name) + "': must not contain control characters");
  }
  if (fields_.size() == kFieldsMax) return tooLarge();
  fields_.push_back({part(text, name), value.empty() ? Part{} : part(text, value)});
  return interpret(name, value);
}

Result<void> RequestParser::interpret(std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 4:
      if (equalsIgnoringCase(name, "host")) return readHost(value);
      break;
    case 6:
      if (equalsIgnoringCase(name, "expect")) return readExpect(value);
      break;
    case 10:
      if (equalsIgnoringCase(name, "connection")) readConnection(value);
      break;
    case 14:
      if (equalsIgnoringCase(name, "content-length")) return readContentLength(value);
      break;
    case 17:
      if (equalsIgnoringCase(name, "transfer-encoding")) return readTransferEncoding(value);
      break;
    default:
      break;
  }
  return {};
}

Result<void> RequestParser::readContentLength(std::string_view value) {
  if (sawContentLength_ || framing_ == BodyFraming::chunked) {
    return malformed("header 'Content-Length': must be given once and not with Transfer-Encoding");
  }
  const auto length = parseNumber<std::uint64_t>(value);
  if (!length || *length > static_cast<std::uint64_t>(INT64_MAX)) {
    return malformed("header 'Content-Length': must be a decimal number of bytes");
  }
  sawContentLength_ = true;
  contentLength_ = *length;
  framing_ = *length > 0 ? BodyFraming::length : BodyFraming::none;
  return {};
}

Result<void> RequestParser::readTransferEncoding(std::string_view value) {
  if (sawContentLength_ || framing_ == BodyFraming::chunked || http10_) {
    return malformed(
        "header 'Transfer-Encoding': must be given once, not with Content-Length, and not in "
        "HTTP/1.0");
  }
  if (!equalsIgnoringCase(value, "chunked")) {
    return malformed("header 'Transfer-Encoding': must be \"chunked\"");
  }
  framing_ = BodyFraming::chunked;
  return {};
}

Result<void> RequestParser::readHost(std::string_view value) {
  if (++hosts_ > 1) return malformed("header 'Host': must be given once");
  if (!value.empty() && !isAll(value, kHostText)) {
    return malformed("header 'Host': must be a host name or address and an optional port");
  }
  return {};
}

Result<void> RequestParser::readExpect(std::string_view value) {
  if (!equalsIgnoringCase(value, "100-continue")) {
    return malformed("header 'Expect': must be \"100-continue\"");
  }
  expectsContinue_ = !http10_;
  return {};
}

void RequestParser::readConnection(std::string_view value) {
  while (!value.empty()) {
    if (equalsIgnoringCase(trim(takeUntil(value, ',')), "close")) closes_ = true;
  }
}

Result<bool> RequestParser::finish() {
  if (hosts_ == 0 && !http10_) return malformed("header 'Host': is required");
  return true;
}

void RequestParser::describe(std::string_view text, RequestHead& head) const {
  head.method = method_;
  head.target = target_.in(text);
  std::string_view rest = head.target;
  head.path = takeUntil(rest, '?');
  head.query = rest;
  head.headers.clear();
  for (const Field& field : fields_) {
    head.headers.push_back({field.name.in(text), field.value.in(text)});
    if (authority_.length > 0 && equalsIgnoringCase(head.headers.back().name, "host")) {
      head.headers.back().value = authority_.in(text);
    }
  }
}

}  // namespace corbel::http
