// The answer of a handler: what it may return and how that becomes a response.
#pragma once
#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/result.h"
#include "http/call.h"
#include "http/message.h"
#include "json/encode.h"

namespace corbel::http {

// 201 with Location.
template <class T>
struct Created {
  std::string location;
  T value;
};

// 202 with Location: the work goes on elsewhere.
template <class T>
struct Accepted {
  std::string location;
  T value;
};

// 204.
struct NoContent {};

// Turns an error into the response of the call's wire (problem+json for the native API) and notes
// it for the access log.
Response errorResponse(CallContext* context, const Error& error);

namespace detail {

inline constexpr std::string_view kOurFault = "The request failed on our side.";

template <class T>
struct IsCreated : std::false_type {};
template <class T>
struct IsCreated<Created<T>> : std::true_type {};
template <class T>
struct IsAccepted : std::false_type {};
template <class T>
struct IsAccepted<Accepted<T>> : std::true_type {};

template <class T>
Response respond(T&& value) {
  using Value = std::remove_cvref_t<T>;
  if constexpr (std::same_as<Value, Response>) {
    return std::forward<T>(value);
  } else if constexpr (std::same_as<Value, NoContent>) {
    return Response{.status = 204, .contentType = {}, .headers = {}, .body = std::string()};
  } else if constexpr (IsCreated<Value>::value || IsAccepted<Value>::value) {
    Response response = respond(value.value);
    response.status = IsCreated<Value>::value ? 201 : 202;
    response.headers.emplace_back("Location", std::forward<T>(value).location);
    return response;
  } else {
    std::string body;
    json::encode(value, body);
    return Response{
        .status = 200, .contentType = "application/json", .headers = {}, .body = std::move(body)};
  }
}

// Adds what the gates and the handler left in the context, then completes the exchange.
void complete(const Call& call, Response response);

}  // namespace detail

// The promise to answer a call: move-only, kept exactly once, from any thread. One that is dropped
// answers 500; that is a bug of the handler, and logged as such.
template <class T>
class Reply {
 public:
  explicit Reply(Call call) : call_(std::move(call)) {}
  Reply(Reply&&) noexcept = default;
  Reply& operator=(Reply&&) = delete;
  ~Reply() {
    if (call_.exchange()) detail::complete(call_, errorResponse(&call_.context(), dropped()));
  }

  void operator()(Result<T> result) {
    const Call call = std::move(call_);
    detail::complete(call, result ? detail::respond(std::move(*result))
                                  : errorResponse(&call.context(), result.error()));
  }

 private:
  static Error dropped() {
    return {ErrorCode::internal, "The request was not answered.", "reply dropped", {}};
  }
  Call call_;
};

}  // namespace corbel::http
